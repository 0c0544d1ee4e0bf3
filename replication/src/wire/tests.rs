use proptest::prelude::*;
use uxf_codec::ElementHash;
use uxf_engine::oplog::identity::{
    Certificate, DeviceId, DeviceKey, Epoch, LogId, MembershipProof, ProfileSigner,
};
use uxf_engine::oplog::{CheckpointId, CommitId, HybridTime, LogHead, VersionVector};
use uxf_engine::profile::sealed::WalletSecret;

use super::*;

fn log(device: u8, epoch: u64) -> LogId {
    LogId {
        device: DeviceId::unchecked([device; 32]),
        epoch: Epoch::from_u64(epoch),
    }
}

fn vector(logs: &[(u8, u64)]) -> VersionVector {
    let mut vector = VersionVector::default();
    for (device, next_seq) in logs {
        let head = LogHead {
            next_seq: *next_seq,
            head: Some(CommitId::from_bytes([*device; 32])),
            ..LogHead::empty(log(*device, 1))
        };
        vector.set(&head).unwrap();
    }
    vector
}

fn proof() -> Box<MembershipProof> {
    let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
    let device = DeviceKey::take(&mut [7; 32]);
    let name = "n".repeat(64);
    let time = HybridTime::from_u64(u64::MAX);
    let certificate = Certificate::issue(&signer, device.id(), time, &name).unwrap();
    let proof = MembershipProof::sign(&device, certificate, signer.profile(), &[3; 32]);
    Box::new(proof)
}

fn before(key: &str, operation: &[u8]) -> Bound {
    Bound::Before {
        key: key.as_bytes().to_vec(),
        operation: operation.to_vec(),
    }
}

fn ranges() -> Vec<RangeEntry> {
    let content = [
        RangeContent::Skip,
        RangeContent::Fingerprint(Fingerprint([5; 16])),
        RangeContent::Items(vec![ShortId([1; 16]), ShortId([2; 16])]),
        RangeContent::Want(vec![ShortId([3; 16])]),
        RangeContent::Items(Vec::new()),
    ];
    let ends = [
        before("tokens.a", b""),
        before("tokens.a", b"x"),
        before("tokens.b", b""),
        before("u", b""),
        Bound::End,
    ];
    let entries = ends.into_iter().zip(content);
    entries
        .map(|(end, content)| RangeEntry { end, content })
        .collect()
}

/// Those by which a log is caught up with.
fn entries() -> Vec<Message> {
    vec![
        Message::Compare(Compare {
            log: log(5, 6),
            checkpoint: CheckpointId::from_bytes([4; 32]),
            ranges: ranges(),
        }),
        Message::Entries(Entries {
            log: log(5, 6),
            entries: vec![(vec![1; 300], None), (vec![2], Some(vec![3; 28]))],
        }),
        Message::Compared(Compared {
            log: log(5, 6),
            ranges: Some(ranges()),
        }),
        Message::Compared(Compared {
            log: log(5, 6),
            ranges: Some(Vec::new()),
        }),
        Message::Compared(Compared {
            log: log(5, 6),
            ranges: None,
        }),
    ]
}

/// One message of every kind, and of some kinds several.
fn messages() -> Vec<Message> {
    let mut all = first_messages();
    all.extend(entries());
    all.extend(last_messages());
    all
}

fn first_messages() -> Vec<Message> {
    let open = |body| {
        Message::Open(Open {
            versions: VERSIONS,
            body,
        })
    };
    vec![
        open(Some((ProfileTag([1; 32]), Nonce([2; 32])))),
        Message::Challenge(1, Nonce([4; 32])),
        Message::Proof(proof()),
        Message::Welcome(proof()),
        Message::Refused(Refused {
            refusal: Refusal::Busy,
            versions: VERSIONS,
        }),
        Message::Close(CloseReason::Overloaded),
        Message::Hello(Hello {
            run: 9,
            is_pull: true,
            statements: StatementsDigest([8; 16]),
            skip: vec![log(1, 5), log(2, 1)],
            again: vec![(log(1, 6), 1), (log(3, 1), 77)],
            vector: vector(&[(1, 5), (9, 1 << 40)]),
        }),
        Message::Delta(DeltaPart {
            run: 1,
            round: 2,
            ends_round: true,
            ends_run: false,
            bytes: vec![1, 2, 3],
        }),
        Message::Ack(1, 2),
        Message::Cut(Cut {
            run: 3,
            log: log(4, 4),
            seq: 9,
        }),
        Message::Announce(Announce {
            statements: StatementsDigest([8; 16]),
            heads: vector(&[(3, 3)]),
        }),
    ]
}

fn last_messages() -> Vec<Message> {
    let block = |index, len| Block {
        index,
        bytes: vec![7; len],
    };
    vec![
        Message::Ranges(ranges()),
        Message::Ranges(Vec::new()),
        Message::Operations(vec![vec![1; 300], vec![2]]),
        Message::Value(vec![3; 2_000]),
        Message::Want(Want {
            request: 7,
            kind: WantKind::Have,
            entries: vec![
                WantEntry::Block(ElementHash::of(b"b")),
                WantEntry::Below(Below {
                    parent: ElementHash::of(b"c"),
                    role: Role::Manifest,
                    first: 700,
                    wanted: (0..39).map(|at| at % 19 == 0).collect(),
                }),
                WantEntry::Block(ElementHash::of(b"a")),
            ],
        }),
        Message::Have(Have {
            request: 7,
            present: vec![
                true, false, true, true, false, false, false, false, true, true,
            ],
        }),
        Message::Blocks(Blocks {
            request: 7,
            is_last: true,
            blocks: vec![block(0, 40), block(3, 1)],
        }),
    ]
}

fn payload(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode_into(&mut out);
    out
}

#[test]
fn every_kind_of_message_is_read_back_and_has_its_own_number() {
    let mut kinds: Vec<MessageKind> = messages().iter().map(Message::kind).collect();
    kinds.dedup();
    assert_eq!(kinds, MessageKind::ALL);
    for message in messages() {
        let read = Message::decode(message.kind(), &payload(&message));
        assert_eq!(read, Ok(message));
    }
}

#[test]
fn no_cut_of_a_message_and_nothing_behind_it_is_read_as_the_same_message() {
    for message in messages() {
        let bytes = payload(&message);
        for at in 0..bytes.len() {
            let cut = Message::decode(message.kind(), &bytes[..at]);
            assert_ne!(cut.as_ref(), Ok(&message));
            // Where the rest of a payload is one field, a cut may be another message, never one in two forms.
            if let Ok(cut) = cut {
                assert_eq!(payload(&cut), bytes[..at]);
            }
        }
        let longer = Message::decode(message.kind(), &[bytes.clone(), vec![0]].concat());
        match message {
            Message::Delta(_) => assert_ne!(longer, Ok(message)),
            _ => assert!(longer.is_err(), "{:?}", message.kind()),
        }
    }
}

#[test]
fn whatever_is_changed_in_a_message_it_has_one_form() {
    for message in messages() {
        let bytes = payload(&message);
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                if let Ok(read) = Message::decode(message.kind(), &changed) {
                    assert_eq!(payload(&read), changed, "{:?} byte {at}", message.kind());
                }
            }
        }
    }
}

#[test]
fn counts_that_exceed_the_cap_or_what_follows_are_refused_before_they_are_believed() {
    let want = |count: u16| [&[0; 5][..], &count.to_be_bytes(), &[0], &[9; 32]].concat();
    assert!(Message::decode(MessageKind::Want, &want(1)).is_ok());
    assert!(matches!(
        Message::decode(MessageKind::Want, &want(257)),
        Err(DecodeError::TooMany {
            found: 257,
            limit: WANTS_MAX,
            ..
        })
    ));
    assert!(matches!(
        Message::decode(MessageKind::Want, &want(2)),
        Err(DecodeError::Malformed { .. })
    ));
    assert!(Message::decode(MessageKind::Want, &want(0)[..7]).is_err());
    let blocks = |len: u32| [&[0, 0, 0, 0, 1, 0, 1, 0, 0][..], &len.to_be_bytes()[..]].concat();
    assert!(matches!(
        Message::decode(MessageKind::Blocks, &blocks(u32::MAX)),
        Err(DecodeError::TooLong {
            limit: BLOCK_BYTES_MAX,
            ..
        })
    ));
    assert!(Message::decode(MessageKind::Blocks, &blocks(1)).is_err());
    assert!(Message::decode(MessageKind::Blocks, &blocks(0)).is_ok());
    // A vector of 65,535 logs, in 19 bytes.
    let announce = [&[0; 16][..], &[0x99, 0xff, 0xff]].concat();
    assert!(matches!(
        Message::decode(MessageKind::Announce, &announce),
        Err(DecodeError::TooMany { found: 65_535, .. })
    ));
    let operations = [0xff, 0xff, 0, 0, 0, 1, 1];
    assert!(matches!(
        Message::decode(MessageKind::Operations, &operations),
        Err(DecodeError::TooMany { .. })
    ));
}

#[test]
fn what_is_wanted_below_a_block_has_one_form_and_is_no_more_than_may_be_asked_for() {
    let want = |below: Vec<Below>| {
        let message = Message::Want(Want {
            request: 0,
            kind: WantKind::Block,
            entries: below.into_iter().map(WantEntry::Below).collect(),
        });
        Message::decode(MessageKind::Want, &payload(&message))
    };
    let below = |wanted: &[bool]| Below {
        parent: ElementHash::of(b"c"),
        role: Role::Element,
        first: 0,
        wanted: wanted.to_vec(),
    };
    assert!(want(vec![below(&[true, true])]).is_ok());
    for wanted in [&[true][..], &[false, true, true], &[true; 257]] {
        assert!(want(vec![below(wanted)]).is_err(), "{}", wanted.len());
    }
    let padded = [true, true, false, false, false, false, false, false, false];
    assert!(want(vec![below(&padded)]).is_err());
    assert!(want(vec![below(&[true; 256])]).is_ok());
    assert!(want(vec![below(&[true; 2]); 128]).is_ok());
    for too_many in [vec![below(&[true; 128]); 3], vec![below(&[true; 2]); 129]] {
        assert!(matches!(
            want(too_many),
            Err(DecodeError::TooMany {
                limit: WANTS_MAX,
                ..
            })
        ));
    }
    let mut role = payload(&Message::Want(Want {
        request: 0,
        kind: WantKind::Block,
        entries: vec![WantEntry::Below(below(&[true, true]))],
    }));
    role[7 + 1 + 32] = 3;
    assert!(Message::decode(MessageKind::Want, &role).is_err());
}

#[test]
fn lists_out_of_order_and_repeats_are_refused() {
    let Message::Hello(hello) = messages().swap_remove(6) else {
        panic!("not the hello");
    };
    let twice = Hello {
        skip: vec![log(1, 5), log(1, 5)],
        ..hello.clone()
    };
    let back = Hello {
        skip: vec![log(2, 1), log(1, 5)],
        ..hello.clone()
    };
    let again = Hello {
        again: vec![(log(1, 5), 1), (log(1, 5), 2)],
        ..hello.clone()
    };
    for hello in [twice, back, again] {
        let bytes = payload(&Message::Hello(hello));
        assert!(Message::decode(MessageKind::Hello, &bytes).is_err());
    }
    let entry = |end: Bound, content| RangeEntry { end, content };
    let print = || RangeContent::Fingerprint(Fingerprint([0; 16]));
    for ranges in [
        vec![
            entry(before("b", b""), print()),
            entry(before("a", b""), print()),
        ],
        vec![
            entry(before("b", b""), print()),
            entry(before("b", b""), print()),
        ],
        vec![entry(Bound::START, print())],
        vec![entry(Bound::End, print()), entry(Bound::End, print())],
        vec![
            entry(before("a", b""), RangeContent::Skip),
            entry(before("b", b""), RangeContent::Skip),
            entry(Bound::End, print()),
        ],
        vec![
            entry(before("a", b""), print()),
            entry(Bound::End, RangeContent::Skip),
        ],
        vec![entry(Bound::End, RangeContent::Want(Vec::new()))],
        vec![entry(
            Bound::End,
            RangeContent::Items(vec![ShortId([2; 16]), ShortId([1; 16])]),
        )],
    ] {
        let bytes = payload(&Message::Ranges(ranges));
        assert!(Message::decode(MessageKind::Ranges, &bytes).is_err());
    }
}

#[test]
fn a_bound_repeats_nothing_of_the_one_before() {
    // Two ranges that end at "ab" and "ac", with a fingerprint each.
    let bound = |shared: u16, key: &[u8]| {
        let len = u16::try_from(key.len()).unwrap();
        let head = [&[0][..], &shared.to_be_bytes(), &len.to_be_bytes(), key].concat();
        [&head[..], &[1], &[9; 16]].concat()
    };
    let ranges = |second: Vec<u8>| {
        let bytes = [&[0, 2][..], &bound(0, b"ab"), &second].concat();
        Message::decode(MessageKind::Ranges, &bytes)
    };
    assert!(ranges(bound(1, b"c")).is_ok());
    assert!(ranges(bound(0, b"ac")).is_err());
    assert!(ranges(bound(3, b"c")).is_err());
}

#[test]
fn an_open_of_versions_from_afar_is_still_read_so_that_it_can_be_answered() {
    let later = [7, 9, 1, 2, 3, 4, 5];
    let read = Message::decode(MessageKind::Open, &later).unwrap();
    let versions = Versions {
        lowest: 7,
        highest: 9,
    };
    assert_eq!(
        read,
        Message::Open(Open {
            versions,
            body: None
        })
    );
    assert_eq!(VERSIONS.common(versions), None);
    let wider = Versions {
        lowest: 0,
        highest: 9,
    };
    assert_eq!(VERSIONS.common(wider), Some(1));
    assert!(Message::decode(MessageKind::Open, &[9, 7]).is_err());
}

#[test]
fn frames_are_found_in_a_stream_however_it_is_cut() {
    let frames: Vec<Frame> = messages()
        .into_iter()
        .zip(0..)
        .map(|(message, number)| Frame {
            session: SessionId(number),
            message,
        })
        .collect();
    let stream: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
    for step in [1, 2, 3, 7, 64, 1_000, stream.len()] {
        let (mut reader, mut read) = (FrameReader::new(), Vec::new());
        for mut piece in stream.chunks(step) {
            while let Some(frame) = reader.next(&mut piece).unwrap() {
                read.push(frame);
            }
            assert!(piece.is_empty());
        }
        assert_eq!(read, frames);
        assert_eq!(reader.buffered_bytes(), 0);
    }
}

#[test]
fn a_frame_that_promises_too_much_is_refused_after_its_head() {
    let head = |len: u32, kind: u8| [&len.to_be_bytes()[..], &[0, 0, kind]].concat();
    let read = |bytes: &[u8]| {
        let mut reader = FrameReader::new();
        let first = reader.next(&mut &bytes[..]);
        if first.is_err() {
            assert!(reader.next(&mut &[][..]).is_err());
        }
        first
    };
    assert!(matches!(
        read(&head(u32::MAX, MessageKind::Blocks.number())),
        Err(DecodeError::TooLong { .. })
    ));
    let longest = MessageKind::Close.payload_bytes_max() + 3;
    assert_eq!(read(&head(u32::try_from(longest).unwrap(), 6)), Ok(None));
    assert!(matches!(
        read(&head(u32::try_from(longest).unwrap() + 1, 6)),
        Err(DecodeError::TooLong { .. })
    ));
    assert_eq!(
        read(&head(9, 77)),
        Err(DecodeError::UnknownKind { found: 77 })
    );
    assert!(matches!(
        read(&head(2, 6)),
        Err(DecodeError::Malformed { .. })
    ));
}

#[test]
fn no_key_name_is_shown_in_debug() {
    let shown = format!("{:?}", Message::Ranges(ranges()));
    assert!(!shown.contains("tokens"));
    assert!(!shown.contains("116"));
}

#[test]
fn the_document_has_the_cap_of_every_kind() {
    let text = include_str!("../../../docs/WIRE.md");
    for kind in MessageKind::ALL {
        let start = format!("| {} | {} | ", kind.number(), kind.name());
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with(&start)).unwrap();
        let cap = line.trim_end_matches(" |").rsplit("| ").next().unwrap();
        let cap: usize = cap.replace(',', "").parse().unwrap();
        assert_eq!(cap, kind.payload_bytes_max(), "{}", kind.name());
    }
    let longest = FRAME_BYTES_MAX.to_string();
    let (thousands, rest) = longest.split_at(longest.len() - 3);
    let (millions, thousands) = thousands.split_at(thousands.len() - 3);
    assert!(
        text.contains(&format!("{millions},{thousands},{rest} bytes")),
        "{longest}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_read_from_any_bytes_is_written_as_the_same_bytes(
        kind in 0..MessageKind::ALL.len(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        small in any::<bool>(),
    ) {
        let kind = MessageKind::ALL[kind];
        let bytes: Vec<u8> = bytes.iter().map(|byte| if small { byte & 3 } else { *byte }).collect();
        match Message::decode(kind, &bytes) {
            // What is behind the versions belongs to a version that is not known here.
            Ok(Message::Open(Open { body: None, .. })) | Err(_) => {}
            Ok(read) => prop_assert_eq!(payload(&read), bytes),
        }
    }
}
