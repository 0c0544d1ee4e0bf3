use core::time::Duration;
use std::collections::BTreeMap;

use cid::Cid;
use cid::multihash::Multihash;
use proptest::prelude::*;
use uxf_codec::ElementHash;

use super::*;
use crate::block_exchange::{Blocks, BlocksError, NewBlock, Presence as Stored, ReadBlocks, Role};
use crate::{Peer, Timestamp};

const RAW: u64 = 0x55;

fn cid(bytes: &[u8]) -> Cid {
    let digest = Multihash::wrap(0x12, ElementHash::of(bytes).as_bytes()).unwrap();
    Cid::new_v1(RAW, digest)
}

fn numbered(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(64)
}

fn want(bytes: &[u8]) -> Want {
    Want {
        cid: cid(bytes),
        kind: WantKind::Block,
        is_cancel: false,
        send_dont_have: true,
    }
}

fn wants(wants: Vec<Want>) -> Message {
    Message {
        wants,
        ..Message::default()
    }
}

/// Blocks in memory; an error for a hash that is in `broken`.
#[derive(Default)]
struct Shelf {
    blocks: BTreeMap<ElementHash, Vec<u8>>,
    is_broken: bool,
}

impl Shelf {
    fn of(blocks: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let blocks = blocks.into_iter();
        Self {
            blocks: blocks.map(|one| (ElementHash::of(&one), one)).collect(),
            is_broken: false,
        }
    }
}

impl ReadBlocks for &Shelf {
    fn look(&self, _: &ElementHash, _: Role) -> Result<Stored, BlocksError> {
        Err(BlocksError::Gone)
    }

    fn read(&self, hash: &ElementHash) -> Result<Option<Vec<u8>>, BlocksError> {
        if self.is_broken {
            return Err(BlocksError::Gone);
        }
        Ok(self.blocks.get(hash).cloned())
    }
}

impl Blocks for Shelf {
    fn reader(&self) -> Result<impl ReadBlocks, BlocksError> {
        Ok(self)
    }

    fn store(&self, _: &[NewBlock]) -> Result<(), BlocksError> {
        Err(BlocksError::Gone)
    }
}

/// A machine with its store.
struct End {
    machine: Bitswap,
    shelf: Shelf,
    now: Timestamp,
    got: Vec<Cid>,
    missed: Vec<(Cid, NotFound)>,
    failures: usize,
}

impl End {
    fn new(shelf: Shelf, config: BitswapConfig) -> Self {
        Self {
            machine: Bitswap::new(config),
            shelf,
            now: Timestamp::default(),
            got: Vec::new(),
            missed: Vec::new(),
            failures: 0,
        }
    }

    fn handle(&mut self, event: Event) -> Vec<(Peer, Message)> {
        self.machine.handle(event, self.now);
        self.run()
    }

    /// Does what it asks for; what it sends.
    fn run(&mut self) -> Vec<(Peer, Message)> {
        let mut sent = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(peer, message) => sent.push((peer, message)),
                Output::Store(request) => {
                    let reply = request.run(&self.shelf);
                    self.machine.handle(Event::Store(reply), self.now);
                }
                Output::Block(cid, bytes) => {
                    assert_eq!(cid.hash().digest(), ElementHash::of(&bytes).as_bytes());
                    self.got.push(cid);
                }
                Output::NotFound(cid, why) => self.missed.push((cid, why)),
                Output::StoreFailed(_) => self.failures += 1,
                Output::Refuse(peer) => panic!("{peer:?} is refused"),
            }
        }
        sent
    }

    /// Connects it with peers of these numbers.
    fn meet(&mut self, peers: impl IntoIterator<Item = u64>) {
        for peer in peers {
            assert!(self.handle(Event::Connected(Peer::new(peer))).is_empty());
        }
    }

    fn wait(&mut self, time: Duration) -> Vec<(Peer, Message)> {
        self.now = self.now + time;
        self.handle(Event::Timeout)
    }
}

fn me() -> Peer {
    Peer::new(1)
}

#[test]
fn a_message_has_the_bytes_of_the_specification() {
    let block = b"hello".to_vec();
    let id = cid(&block);
    let message = Message {
        wants: vec![Want {
            cid: id,
            kind: WantKind::Have,
            is_cancel: true,
            send_dont_have: true,
        }],
        is_full: true,
        blocks: vec![Payload {
            cid: id,
            bytes: block,
        }],
        presences: vec![Presence {
            cid: id,
            is_here: false,
        }],
    };
    let id = const_hex::encode(id.to_bytes());
    let expected = [
        // The list: an entry of 46 bytes, and that it is full.
        "0a320a2e0a24",
        &id,
        "100118012001280110",
        "01",
        // The block: its prefix and its bytes.
        "1a0d0a0401551220120568656c6c6f",
        // Its presence: it is not here.
        "22280a24",
        &id,
        "1001",
    ]
    .concat();
    assert_eq!(const_hex::encode(message.encode()), expected);
    assert_eq!(Message::decode(&message.encode()), Ok(message));
}

#[test]
fn what_is_not_known_is_passed_over_and_the_rest_is_read() {
    let known = wants(vec![want(b"x")]);
    let mut bytes = vec![0x28, 7, 0x31, 1, 2, 3, 4, 5, 6, 7, 8, 0x3d, 1, 2, 3, 4];
    // A block without an id, one under another hash, and an id that is none.
    bytes.extend([0x12, 2, 9, 9]);
    bytes.extend([0x1a, 8, 0x0a, 4, 1, 0x55, 0x13, 64, 0x12, 0]);
    bytes.extend([0x0a, 5, 0x0a, 3, 0x0a, 1, 0xff]);
    bytes.extend(known.encode());
    assert_eq!(Message::decode(&bytes), Ok(known));
}

#[test]
fn what_is_no_message_is_refused_with_the_reason() {
    for (bytes, why) in [
        (&[0x0a][..], MessageError::Truncated),
        (&[0x0a, 5, 1], MessageError::Truncated),
        (&[0xff; 11], MessageError::NumberTooLarge),
        (&[0x0b], MessageError::UnknownWireType { found: 3 }),
        (&[0x1a, 2, 0x0a, 9], MessageError::Truncated),
    ] {
        assert_eq!(Message::decode(bytes), Err(why), "{bytes:?}");
    }
    // Five megabytes are announced, and nothing is waited for.
    let announced = MessageReader::new().next(&mut &[0x80, 0x80, 0xc0, 0x02][..]);
    let (found, limit) = (5 << 20, MESSAGE_BYTES_MAX);
    assert_eq!(announced, Err(MessageError::TooLong { found, limit }));
    let endless = MessageReader::new().next(&mut &[0x80; 9][..]);
    assert_eq!(endless, Err(MessageError::NumberTooLarge));
}

#[test]
fn what_is_beyond_the_cap_of_a_message_is_passed_over() {
    let all: Vec<_> = (0..5_000).map(|number| want(&numbered(number))).collect();
    let read = Message::decode(&wants(all.clone()).encode()).unwrap();
    assert_eq!(read.wants, all[..ENTRIES_MAX]);
}

proptest! {
    #[test]
    fn messages_come_out_of_a_stream_however_it_is_cut(
        numbers in prop::collection::vec((any::<u32>(), any::<bool>(), any::<bool>()), 0..20),
        cut in 1..50_usize,
    ) {
        let mut all = Vec::new();
        for (number, is_cancel, is_here) in numbers {
            let bytes = numbered(number);
            let cid = cid(&bytes);
            all.push(Message {
                wants: vec![Want { is_cancel, ..want(&bytes) }],
                is_full: is_here,
                blocks: vec![Payload { cid, bytes }],
                presences: vec![Presence { cid, is_here }],
            });
        }
        let stream: Vec<u8> = all.iter().flat_map(Message::encode_framed).collect();
        let (mut reader, mut read) = (MessageReader::new(), Vec::new());
        for mut piece in stream.chunks(cut) {
            while let Some(message) = reader.next(&mut piece).unwrap() {
                read.push(message);
            }
        }
        prop_assert_eq!(read, all);
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_reads_the_same_again(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }
}

#[test]
fn blocks_are_given_piece_by_piece_as_they_leave() {
    let all: Vec<_> = (0..10).map(numbered).collect();
    let config = BitswapConfig {
        read_blocks: 4,
        read_bytes: 512,
        ..BitswapConfig::default()
    };
    let mut host = End::new(Shelf::of(all.clone()), config);
    host.meet([1]);
    let asked = all.iter().map(|block| want(block)).collect();
    let mut sent = host.handle(Event::Message(me(), wants(asked)));
    let mut given = Vec::new();
    while let Some((_, message)) = sent.pop() {
        assert!(sent.is_empty() && message.blocks.len() <= 2, "{message:?}");
        given.extend(message.blocks.into_iter().map(|block| block.bytes));
        sent = host.handle(Event::Sent(me()));
    }
    assert_eq!(given, all);
    assert_eq!(host.machine.wanted_by(me()), 0);
}

#[test]
fn a_peer_hears_what_is_here_and_what_is_not_if_it_wants_to() {
    let mut host = End::new(Shelf::of([numbered(1)]), BitswapConfig::default());
    host.meet([1]);
    let have = |number| Want {
        kind: WantKind::Have,
        ..want(&numbered(number))
    };
    let silent = Want {
        send_dont_have: false,
        ..want(&numbered(3))
    };
    let sent = host.handle(Event::Message(me(), wants(vec![have(1), have(2), silent])));
    let presence = |number, is_here| Presence {
        cid: cid(&numbered(number)),
        is_here,
    };
    let [(_, message)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(message.presences, [presence(1, true), presence(2, false)]);
    assert!(message.blocks.is_empty());
}

#[test]
fn what_a_peer_takes_back_is_not_given_and_a_full_list_replaces_the_last() {
    let all: Vec<_> = (0..6).map(numbered).collect();
    let config = BitswapConfig {
        read_blocks: 1,
        ..BitswapConfig::default()
    };
    let mut host = End::new(Shelf::of(all.clone()), config);
    host.meet([1]);
    let asked = all.iter().map(|block| want(block)).collect();
    assert_eq!(host.handle(Event::Message(me(), wants(asked))).len(), 1);
    let cancel = Want {
        is_cancel: true,
        ..want(&all[5])
    };
    host.handle(Event::Message(me(), wants(vec![cancel])));
    assert_eq!(host.machine.wanted_by(me()), 4);
    let full = Message {
        is_full: true,
        ..wants(vec![want(&all[2])])
    };
    host.handle(Event::Message(me(), full));
    let sent = host.handle(Event::Sent(me()));
    assert_eq!(sent[0].1.blocks[0].bytes, all[2]);
    assert!(host.handle(Event::Sent(me())).is_empty());
}

#[test]
fn wants_beyond_the_cap_are_answered_as_not_here() {
    let config = BitswapConfig {
        wants_max: 3,
        ..BitswapConfig::default()
    };
    let all: Vec<_> = (0..5).map(numbered).collect();
    let mut host = End::new(Shelf::of(all.clone()), config);
    host.meet([1]);
    let asked = all.iter().map(|block| want(block)).collect();
    let sent = host.handle(Event::Message(me(), wants(asked)));
    assert_eq!(sent[0].1.blocks.len(), 3);
    let refused: Vec<_> = sent[0].1.presences.iter().map(|one| one.cid).collect();
    assert_eq!(refused, [cid(&all[3]), cid(&all[4])]);
}

#[test]
fn a_failing_store_costs_an_answer_and_nothing_else() {
    let mut host = End::new(Shelf::of([numbered(1)]), BitswapConfig::default());
    host.meet([1]);
    host.shelf.is_broken = true;
    let sent = host.handle(Event::Message(me(), wants(vec![want(&numbered(1))])));
    assert!(!sent[0].1.presences[0].is_here);
    assert_eq!(host.failures, 1);
    host.shelf.is_broken = false;
    host.handle(Event::Sent(me()));
    let sent = host.handle(Event::Message(me(), wants(vec![want(&numbered(1))])));
    assert_eq!(sent[0].1.blocks.len(), 1);
}

/// Lets a machine fetch from others that each have some of the blocks, and never lose a message.
fn carry(asker: &mut End, givers: &mut [End], mut sent: Vec<(Peer, Message)>) {
    while let Some((peer, message)) = sent.pop() {
        sent.extend(asker.handle(Event::Sent(peer)));
        let giver = &mut givers[usize::try_from(peer.number()).unwrap()];
        let mut answers = giver.handle(Event::Message(me(), message));
        while let Some((_, answer)) = answers.pop() {
            answers.extend(giver.handle(Event::Sent(me())));
            sent.extend(asker.handle(Event::Message(peer, answer)));
        }
    }
}

#[test]
fn blocks_come_from_whoever_has_them() {
    let all: Vec<_> = (0..300).map(numbered).collect();
    let mut givers: Vec<_> = (0..3)
        .map(|giver| {
            let mine = all.iter().enumerate().filter(|(at, _)| at % 3 == giver);
            let shelf = Shelf::of(mine.map(|(_, block)| block.clone()));
            let mut end = End::new(shelf, BitswapConfig::default());
            end.meet([1]);
            end
        })
        .collect();
    let mut asker = End::new(Shelf::default(), BitswapConfig::default());
    asker.meet(0..3);
    for block in &all {
        let sent = asker.handle(Event::Fetch(cid(block)));
        carry(&mut asker, &mut givers, sent);
    }
    let missing = cid(b"nowhere");
    let sent = asker.handle(Event::Fetch(missing));
    carry(&mut asker, &mut givers, sent);
    assert_eq!(asker.missed, [(missing, NotFound::Nowhere { asked: 3 })]);
    let (mut got, mut wanted) = (
        asker.got,
        all.iter().map(|block| cid(block)).collect::<Vec<_>>(),
    );
    got.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(got, wanted);
    assert_eq!(asker.machine.fetching(), 0);
}

#[test]
fn a_silent_peer_is_passed_by_and_what_it_gives_late_is_taken() {
    let mut asker = End::new(Shelf::default(), BitswapConfig::default());
    asker.meet([1, 2]);
    let block = numbered(1);
    let first = asker.handle(Event::Fetch(cid(&block)));
    assert_eq!(first[0].0, Peer::new(1));
    assert!(asker.wait(Duration::from_secs(9)).is_empty());
    let next = asker.wait(Duration::from_secs(1));
    assert!(next[0].1.wants[0].is_cancel, "{next:?}");
    assert_eq!((next[0].0, next[1].0), (Peer::new(1), Peer::new(2)));
    let blocks = vec![Payload {
        cid: cid(&block),
        bytes: block.clone(),
    }];
    let late = Message {
        blocks,
        ..Message::default()
    };
    asker.handle(Event::Message(Peer::new(1), late.clone()));
    asker.handle(Event::Message(Peer::new(2), late));
    assert_eq!(asker.got, [cid(&block)], "what comes twice is taken once");
    assert_eq!(asker.machine.next_timeout(), None);
}

#[test]
fn who_does_not_answer_is_asked_once_more_after_the_others_and_then_no_more() {
    let mut asker = End::new(Shelf::default(), BitswapConfig::default());
    asker.meet([1, 2]);
    let wanted = cid(&numbered(1));
    asker.handle(Event::Fetch(wanted));
    let mut asked = Vec::new();
    for _ in 0..4 {
        let sent = asker.wait(Duration::from_secs(10));
        let wants = sent.iter().filter(|(_, sent)| !sent.wants[0].is_cancel);
        asked.extend(wants.map(|(peer, _)| peer.number()));
    }
    // The first question went to the first.
    assert_eq!(asked, [2, 1, 2]);
    assert_eq!(asker.missed, [(wanted, NotFound::Nowhere { asked: 2 })]);
    assert_eq!(asker.machine.next_timeout(), None);
}

#[test]
fn what_a_lost_peer_was_asked_for_another_one_is() {
    let mut asker = End::new(Shelf::default(), BitswapConfig::default());
    asker.meet([1, 2]);
    let sent = asker.handle(Event::Fetch(cid(b"x")));
    assert_eq!(sent[0].0, Peer::new(1));
    let sent = asker.handle(Event::Disconnected(Peer::new(1)));
    assert_eq!(sent[0].0, Peer::new(2));
    asker.handle(Event::Disconnected(Peer::new(2)));
    let nobody = NotFound::Nowhere { asked: 0 };
    assert_eq!(asker.missed, [(cid(b"x"), nobody)]);
}

#[test]
fn what_nobody_asked_for_is_dropped_and_what_is_not_wanted_any_more_taken_back() {
    let mut asker = End::new(Shelf::default(), BitswapConfig::default());
    asker.meet([1]);
    let blocks = vec![Payload {
        cid: cid(b"unasked"),
        bytes: b"unasked".to_vec(),
    }];
    let message = Message {
        blocks,
        ..Message::default()
    };
    asker.handle(Event::Message(me(), message));
    assert!(asker.got.is_empty());
    asker.handle(Event::Fetch(cid(b"x")));
    let sent = asker.handle(Event::Cancel(cid(b"x")));
    assert!(sent[0].1.wants[0].is_cancel);
    assert_eq!(asker.machine.fetching(), 0);
}

#[test]
fn no_more_is_asked_of_a_peer_than_it_may_have_to_answer_at_once() {
    let config = BitswapConfig {
        asked_max: 2,
        fetches_max: 5,
        ..BitswapConfig::default()
    };
    let mut asker = End::new(Shelf::default(), config);
    asker.meet([1]);
    let mut asked = 0;
    for number in 0..6 {
        asked += asker.handle(Event::Fetch(cid(&numbered(number)))).len();
    }
    assert_eq!(asked, 2);
    let too_many = NotFound::TooMany { limit: 5 };
    assert_eq!(asker.missed, [(cid(&numbered(5)), too_many)]);
    let block = numbered(0);
    let cid = cid(&block);
    let message = Message {
        blocks: vec![Payload { cid, bytes: block }],
        ..Message::default()
    };
    let sent = asker.handle(Event::Message(me(), message));
    assert_eq!(sent.len(), 1, "room for the next");
}
