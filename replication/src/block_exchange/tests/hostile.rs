//! Peers that do not keep to the protocol, and roots that are not what they should be.

use uxf_codec::ElementHash;

use super::super::*;
use super::{Net, Shelf, bundle, said, shelf};
use crate::wire::{
    Below, Block, Blocks as BlocksMessage, Have, Message, WANTS_MAX, Want, WantEntry, WantKind,
};
use crate::{Misbehaviour, Peer};

fn wants(net: &mut Net<Shelf>) -> (u32, Vec<WantEntry>) {
    match said(net).as_slice() {
        [Message::Want(want), ..] => (want.request, want.entries.clone()),
        other => panic!("{other:?}"),
    }
}

fn blocks(request: u32, all: &[(u16, &[u8])], is_last: bool) -> Message {
    let all = all.iter().map(|(index, bytes)| Block {
        index: *index,
        bytes: bytes.to_vec(),
    });
    Message::Blocks(BlocksMessage {
        request,
        is_last,
        blocks: all.collect(),
    })
}

#[test]
fn a_block_that_has_not_its_hash_never_touches_the_store_and_costs_the_connection() {
    let (root, good) = bundle(3);
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), Shelf::default(), shelf(&good)],
    );
    net.handle(0, Event::Fetch(root, Role::Envelope));
    let (request, _) = wants(&mut net);
    let message = blocks(request, &[(0, b"forged")], true);
    net.handle(0, Event::Message(Peer::new(1), message));
    let what = "a block";
    let reason = Some(Misbehaviour::Forged { what });
    assert_eq!(net.gone, [(Peer::new(1), reason)]);
    assert_eq!(net.stores[0].batches.get(), 0);
    // The honest one is asked instead.
    net.run();
    assert_eq!(net.fetched, [root]);
}

#[test]
fn answers_that_were_not_asked_for_cost_the_connection() {
    let (root, good) = bundle(3);
    let envelope = good[0].2.clone();
    let have = Message::Have(Have {
        request: 0,
        present: vec![true],
    });
    let cases: [&dyn Fn(u32) -> Vec<Message>; 5] = [
        &|request| vec![blocks(request + 1, &[(0, &envelope)], true)],
        &|request| vec![blocks(request, &[(1, &envelope)], true)],
        &|request| {
            let once = blocks(request, &[(0, &envelope)], false);
            vec![once.clone(), once]
        },
        &|request| {
            let last = blocks(request, &[], true);
            vec![last.clone(), last]
        },
        &|_| vec![have.clone()],
    ];
    for case in cases {
        let mut net = Net::new(
            ExchangeConfig::default(),
            vec![Shelf::default(), Shelf::default()],
        );
        net.handle(0, Event::Fetch(root, Role::Envelope));
        let (request, _) = wants(&mut net);
        for message in case(request) {
            net.handle(0, Event::Message(Peer::new(1), message));
        }
        assert!(
            matches!(net.gone.as_slice(), [(_, Some(_))]),
            "{:?}",
            net.gone
        );
    }
}

#[test]
fn a_block_that_is_not_what_it_is_named_as_fails_its_root_and_no_other() {
    let (good, blocks) = bundle(3);
    let junk = b"no envelope".to_vec();
    let root = ElementHash::of(&junk);
    let mut all = blocks;
    all.push((root, Role::Envelope, junk));
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), shelf(&all)],
    );
    net.handle(0, Event::Fetch(root, Role::Envelope));
    net.fetch(good);
    assert_eq!(net.failed, [(root, FetchError::Invalid)]);
    assert_eq!(net.fetched, [good]);
    assert!(net.gone.is_empty());
    assert!(!net.stores[0].blocks.borrow().contains_key(&root));
}

#[test]
fn too_many_roots_blocks_bytes_and_levels_are_given_up_by_name() {
    let (root, all) = bundle(10);
    let run = |config: ExchangeConfig| {
        let mut net = Net::new(config, vec![Shelf::default(), shelf(&all)]);
        net.fetch(root);
        assert!(net.fetched.is_empty());
        assert_eq!(
            (net.machines[0].held_bytes(), net.machines[0].missing()),
            (0, 0)
        );
        net.failed[0]
    };
    let config = ExchangeConfig::default();
    let wanted_max = 50;
    assert_eq!(
        run(ExchangeConfig {
            wanted_max,
            ..config
        }),
        (root, FetchError::TooMany { limit: 50 })
    );
    let held_bytes_max = 2_000;
    assert_eq!(
        run(ExchangeConfig {
            held_bytes_max,
            ..config
        }),
        (root, FetchError::TooLarge { limit: 2_000 })
    );
    let depth_max = 3;
    assert_eq!(
        run(ExchangeConfig {
            depth_max,
            ..config
        }),
        (root, FetchError::TooDeep { limit: 3 })
    );
    let roots_max = 0;
    assert_eq!(
        run(ExchangeConfig {
            roots_max,
            ..config
        }),
        (root, FetchError::TooMany { limit: 0 })
    );
}

#[test]
fn requests_beyond_what_waits_here_cost_the_connection_and_others_wait_for_room() {
    let (root, all) = bundle(3);
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![shelf(&all), Shelf::default()],
    );
    let want = |request| {
        let hashes = vec![root; 200];
        Message::Want(Want::of_hashes(request, WantKind::Block, &hashes))
    };
    // The answer to the first never leaves: nothing more is read for this peer.
    for request in 0..4 {
        net.handle(0, Event::Message(Peer::new(1), want(request)));
    }
    let first = net.stores[0].reads.get();
    assert!(first <= 200 && net.gone.is_empty());
    assert_eq!(said(&mut net).len(), 1);
    for request in 4..6 {
        net.handle(0, Event::Message(Peer::new(1), want(request)));
    }
    assert!(matches!(
        net.gone.as_slice(),
        [(_, Some(Misbehaviour::TooMuch { .. }))]
    ));
    assert_eq!(net.stores[0].reads.get(), first);
}

#[test]
fn whether_blocks_are_here_is_answered_without_their_bytes() {
    let (root, all) = bundle(3);
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![shelf(&all), Shelf::default()],
    );
    let hashes = [root, ElementHash::of(b"not there"), root];
    let want = Message::Want(Want::of_hashes(9, WantKind::Have, &hashes));
    net.handle(0, Event::Message(Peer::new(1), want));
    let have = Message::Have(Have {
        request: 9,
        present: vec![true, false, true],
    });
    assert_eq!(said(&mut net), [have]);
}

#[test]
fn a_large_answer_comes_in_parts_and_says_what_is_not_here() {
    let all: Vec<_> = (0..255)
        .map(|fill| vec![fill; 2_000])
        .map(|bytes| (ElementHash::of(&bytes), Role::Manifest, bytes))
        .collect();
    let mut hashes: Vec<_> = all.iter().map(|(hash, ..)| *hash).collect();
    hashes.insert(7, ElementHash::of(b"not there"));
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![shelf(&all), Shelf::default()],
    );
    let want = Message::Want(Want::of_hashes(9, WantKind::Block, &hashes));
    net.handle(0, Event::Message(Peer::new(1), want));
    let (mut places, mut is_last, mut parts) = (Vec::new(), false, 0);
    while !is_last {
        let messages = said(&mut net);
        let [Message::Blocks(blocks)] = messages.as_slice() else {
            panic!("one part at a time");
        };
        for block in &blocks.blocks {
            assert_eq!(
                ElementHash::of(&block.bytes),
                hashes[usize::from(block.index)]
            );
            places.push(block.index);
        }
        is_last = blocks.is_last;
        parts += 1;
        net.handle(0, Event::Sent(Peer::new(1)));
    }
    let expected: Vec<u16> = (0..256).filter(|place| *place != 7).collect();
    assert_eq!(places, expected);
    assert_eq!(parts, 4);
}

#[test]
fn what_is_asked_for_below_something_else_is_not_here() {
    let (_, all) = bundle(3);
    let manifest = all[1].0;
    let garbage = vec![0xff; 100];
    let (lost, not_parsed) = (ElementHash::of(b"not there"), ElementHash::of(&garbage));
    let store = shelf(&all);
    store.put(not_parsed, Role::Element, garbage);
    let mut net = Net::new(ExchangeConfig::default(), vec![store, Shelf::default()]);
    let below = |parent, role, first| {
        WantEntry::Below(Below {
            parent,
            role,
            first,
            wanted: vec![true, true],
        })
    };
    let want = Message::Want(Want {
        request: 9,
        kind: WantKind::Block,
        entries: vec![
            below(lost, Role::Element, 0),
            below(not_parsed, Role::Element, 0),
            // It is no element, and has no more than three tokens.
            below(manifest, Role::Element, 0),
            below(manifest, Role::Manifest, 2),
            below(manifest, Role::Manifest, u32::MAX),
        ],
    });
    net.handle(0, Event::Message(Peer::new(1), want));
    let said = said(&mut net);
    let [Message::Blocks(blocks)] = said.as_slice() else {
        panic!("{said:?}");
    };
    let places: Vec<u16> = blocks.blocks.iter().map(|block| block.index).collect();
    assert_eq!((places, blocks.is_last), (vec![6], true));
}

#[test]
fn what_names_the_wanted_blocks_is_read_no_more_than_what_is_sent_allows() {
    let (_, all) = bundle(300);
    let manifest = (all[1].0, all[1].2.len());
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![shelf(&all), Shelf::default()],
    );
    let below = |first| {
        WantEntry::Below(Below {
            parent: manifest.0,
            role: Role::Manifest,
            first,
            wanted: vec![true, true],
        })
    };
    let want = Message::Want(Want {
        request: 9,
        kind: WantKind::Block,
        entries: (0..128).map(|at| below(at * 2)).collect(),
    });
    net.handle(0, Event::Message(Peer::new(1), want));
    // Each parent counts as if it were sent, so that a part brings few of them.
    let parts = (128 << 10) / manifest.1 + 1;
    assert!(net.stores[0].reads.get() <= 3 * parts);
    let mut count = 0;
    loop {
        let said = said(&mut net);
        let [Message::Blocks(blocks)] = said.as_slice() else {
            panic!("{said:?}");
        };
        count += blocks.blocks.len();
        if blocks.is_last {
            break;
        }
        net.handle(0, Event::Sent(Peer::new(1)));
    }
    assert_eq!(count, WANTS_MAX);
}

#[test]
fn an_answer_to_what_was_not_asked_or_of_another_length_is_out_of_turn() {
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), Shelf::default(), Shelf::default()],
    );
    let have = |present| {
        Message::Have(Have {
            request: 0,
            present,
        })
    };
    net.handle(0, Event::Message(Peer::new(1), have(vec![true])));
    let asked = vec![ElementHash::of(b"a"), ElementHash::of(b"b")];
    net.handle(0, Event::Ask(Peer::new(2), asked));
    net.handle(0, Event::Message(Peer::new(2), have(vec![true])));
    let out_of_turn = Misbehaviour::OutOfTurn { what: "have" };
    let gone = [1, 2].map(|peer| (Peer::new(peer), Some(out_of_turn.clone())));
    assert_eq!(net.gone, gone);
}

#[test]
fn who_does_not_say_what_it_has_is_left() {
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), Shelf::default()],
    );
    net.handle(0, Event::Ask(Peer::new(1), vec![ElementHash::of(b"a")]));
    let at = net.machines[0].next_timeout().unwrap();
    net.now = at.as_millis();
    net.handle(0, Event::Timeout);
    assert_eq!(net.gone, [(Peer::new(1), None)]);
}
