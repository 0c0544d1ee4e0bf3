use proptest::prelude::*;

use super::header::HEADER_BYTES_MAX;
use super::*;
use crate::cbor;
use crate::oplog::HybridTime;
use crate::oplog::identity::{DeviceId, DeviceKey, Epoch, LogId};
use crate::oplog::operation::tests::{Owned, any_operation, borrowed};
use crate::oplog::{OpKind, Operation};
use crate::profile::envelope::EntryKind;
use crate::profile::sealed::{ProfileId, WalletSecret};

/// A device's key of one byte over and over.
pub(in crate::oplog) fn key(seed: u8) -> DeviceKey {
    DeviceKey::take(&mut [seed; 32])
}

/// The start of the second commit of a device's log.
pub(in crate::oplog) fn start(key: &DeviceKey) -> CommitStart {
    CommitStart {
        profile: ProfileId::of(&WalletSecret::take(&mut [1; 32])).unwrap(),
        log: LogId {
            device: key.id(),
            epoch: Epoch::from_u64(0x0102_0304_0506_0708),
        },
        first_seq: 3,
        prev: Some(CommitId([0xaa; 32])),
        heads: Vec::new(),
        time: HybridTime::new(1_700_000_000_000, 1).unwrap(),
    }
}

pub(in crate::oplog) fn seal(
    key: &DeviceKey,
    start: CommitStart,
    operations: &[Owned],
) -> SealedCommit {
    let mut builder = CommitBuilder::new(start).unwrap();
    for operation in operations {
        builder.push(borrowed(operation)).unwrap();
    }
    builder.finish(key).unwrap()
}

pub(in crate::oplog) fn put(key: &str, fill: u8) -> Owned {
    (
        OpKind::Put,
        EntryKind::CacheIndex,
        key.to_owned(),
        vec![fill; 28],
    )
}

fn head(device: u8, seq: u64) -> Head {
    Head {
        log: LogId {
            device: DeviceId::unchecked([device; 32]),
            epoch: Epoch::from_u64(2),
        },
        seq,
        id: CommitId([device; 32]),
    }
}

/// Bytes around a header that no builder would make, properly signed.
fn forced(key: &DeviceKey, header: &Header, operations: &[Owned]) -> Vec<u8> {
    let mut encoded = Vec::new();
    header.encode_into(&mut encoded);
    let signature = key.sign(&CommitId::of(&encoded).message());
    let mut bytes = vec![0x83];
    bytes.extend_from_slice(&encoded);
    cbor::head(&mut bytes, cbor::ARRAY, operations.len() as u64);
    for operation in operations {
        bytes.extend(borrowed(operation).encode().unwrap());
    }
    cbor::bytes(&mut bytes, &signature);
    bytes
}

#[test]
fn no_flipped_bit_and_no_cut_of_a_commit_verifies() {
    let key = key(7);
    let mut start = start(&key);
    start.heads = vec![head(1, 1), head(2, 300)];
    let operations = [put("a", 1), put("b", 2), put("c", 3)];
    let sealed = seal(&key, start, &operations);
    let bytes = sealed.as_bytes();
    assert_eq!(Commit::decode(bytes).unwrap().verify(), Ok(()));
    for at in 0..bytes.len() {
        assert!(Commit::decode(&bytes[..at]).is_err());
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            if let Ok(commit) = Commit::decode(&changed) {
                let refused = Err(CommitError::Signature);
                assert_eq!(commit.verify(), refused, "bit {bit} of byte {at}");
                assert_eq!(verify_batch(&[sealed.commit(), commit]), Err(1));
            }
        }
    }
    assert!(Commit::decode(&[bytes, &[0]].concat()).is_err());
}

#[test]
fn an_exchanged_operation_is_seen_although_header_and_signature_are_genuine() {
    let key = key(7);
    let bytes = seal(&key, start(&key), &[put("a", 1), put("b", 2)]).into_bytes();
    let at = bytes.windows(2).position(|two| two == b"\x61b").unwrap();
    let mut changed = bytes;
    changed[at + 1] = b'c';
    assert!(matches!(
        Commit::decode(&changed),
        Err(CommitError::RootMismatch { .. })
    ));
}

#[test]
fn headers_that_break_a_rule_are_neither_started_nor_read() {
    let key = key(7);
    let operations = [put("a", 1)];
    let good = seal(&key, start(&key), &operations).header().clone();
    let own = Head {
        log: good.log,
        ..head(1, 1)
    };
    let with_heads = |heads: Vec<Head>| Header {
        heads,
        ..good.clone()
    };
    let many: Vec<Head> = (0..=64).map(|device| head(device, 1)).collect();
    for bad in [
        with_heads(vec![own]),
        with_heads(vec![head(2, 1), head(1, 1)]),
        with_heads(vec![head(1, 1), head(1, 2)]),
        with_heads(vec![head(1, 0)]),
        with_heads(many),
        Header {
            prev: None,
            ..good.clone()
        },
        Header {
            first_seq: 1,
            ..good.clone()
        },
        Header {
            first_seq: 0,
            prev: None,
            ..good.clone()
        },
        Header {
            first_seq: u64::MAX,
            ..good.clone()
        },
    ] {
        let refused = bad.check().unwrap_err();
        let read = Commit::decode(&forced(&key, &bad, &operations)).map(|_| ());
        assert_eq!(read, Err(refused.clone()));
        let begun = CommitBuilder::new(CommitStart {
            profile: bad.profile,
            log: bad.log,
            first_seq: bad.first_seq,
            prev: bad.prev,
            heads: bad.heads,
            time: bad.time,
        });
        assert_eq!(begun.map(|_| ()), Err(refused));
    }
}

#[test]
fn the_number_of_operations_must_be_the_headers_and_within_bounds() {
    let key = key(7);
    let operations = [put("a", 1), put("b", 2)];
    let good = seal(&key, start(&key), &operations).header().clone();
    assert_eq!(
        Commit::decode(&forced(&key, &good, &operations[..1])).map(|_| ()),
        Err(CommitError::CountMismatch {
            expected: 2,
            found: 1
        })
    );
    for count in [0, OPERATIONS_MAX + 1] {
        let bad = Header {
            count,
            ..good.clone()
        };
        assert!(matches!(
            Commit::decode(&forced(&key, &bad, &[])),
            Err(CommitError::OperationCount { .. })
        ));
    }
    // A count that is promised and not there costs nothing.
    let mut claims = vec![0x83];
    good.encode_into(&mut claims);
    claims.extend_from_slice(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff");
    assert!(matches!(
        Commit::decode(&claims),
        Err(CommitError::CountMismatch { .. })
    ));
}

#[test]
fn a_full_builder_refuses_the_next_operation_and_still_finishes() {
    let key = key(7);
    let mut builder = CommitBuilder::new(start(&key)).unwrap();
    let value = vec![0; 131_072];
    let big = Operation {
        kind: OpKind::Put,
        entry: EntryKind::CacheIndex,
        key: "k",
        value: &value,
    };
    let mut pushed = 0;
    while builder.push(big).is_ok() {
        pushed += 1;
    }
    assert!(matches!(
        builder.push(big),
        Err(CommitError::TooLarge { .. })
    ));
    assert_eq!((builder.count(), pushed), (31, 31));
    let sealed = builder.finish(&key).unwrap();
    assert!(sealed.as_bytes().len() <= COMMIT_BYTES_MAX);
    assert_eq!(Commit::decode(sealed.as_bytes()), Ok(sealed.commit()));

    let mut builder = CommitBuilder::new(start(&key)).unwrap();
    let small = Operation {
        value: &value[..28],
        ..big
    };
    for _ in 0..OPERATIONS_MAX {
        builder.push(small).unwrap();
    }
    assert!(matches!(
        builder.push(small),
        Err(CommitError::OperationCount { found: 4097, .. })
    ));
    let sealed = builder.finish(&key).unwrap();
    assert_eq!(Commit::decode(sealed.as_bytes()), Ok(sealed.commit()));
}

#[test]
fn the_longest_header_has_the_longest_length() {
    let mut longest = seal(&key(7), start(&key(7)), &[put("a", 1)])
        .header()
        .clone();
    longest.log.epoch = Epoch::from_u64(u64::MAX);
    longest.first_seq = u64::MAX - 5000;
    longest.count = OPERATIONS_MAX;
    longest.time = HybridTime::from_u64(u64::MAX);
    longest.heads = (0..64).map(|device| head(device, u64::MAX)).collect();
    for head in &mut longest.heads {
        head.log.epoch = Epoch::from_u64(u64::MAX);
    }
    assert_eq!(longest.check(), Ok(()));
    let mut bytes = Vec::new();
    longest.encode_into(&mut bytes);
    assert_eq!(bytes.len(), HEADER_BYTES_MAX);
}

#[test]
fn nothing_is_signed_without_operations_or_with_another_devices_key() {
    let builder = CommitBuilder::new(start(&key(7))).unwrap();
    assert!(matches!(
        builder.clone().finish(&key(7)),
        Err(CommitError::OperationCount { found: 0, .. })
    ));
    let mut builder = builder;
    builder.push(borrowed(&put("a", 1))).unwrap();
    assert_eq!(
        builder.finish(&key(8)).map(|_| ()),
        Err(CommitError::WrongKey)
    );
}

#[test]
fn a_batch_names_the_first_bad_commit_and_refuses_what_one_alone_does() {
    let (one, two) = (key(7), key(8));
    let sealed = [
        seal(&one, start(&one), &[put("a", 1)]),
        seal(&one, start(&one), &[put("b", 1)]),
        seal(&two, start(&two), &[put("c", 1)]),
    ];
    let commits: Vec<Commit<'_>> = sealed.iter().map(SealedCommit::commit).collect();
    assert_eq!(verify_batch(&commits), Ok(()));

    // s and s plus the order of the group are the same to a lax reader.
    let mut malleable = commits.clone();
    let order =
        const_hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, add) in malleable[1].signature[32..].iter_mut().zip(order.unwrap()) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    // Under a key of small order a commitment of small order and s = 0 fit one message in a few.
    let mut weak = commits.clone();
    weak[2].header.log.device = DeviceId::unchecked([0; 32]);
    weak[2].signature = [0; 64];
    let mut no_point = commits.clone();
    no_point[0].header.log.device = DeviceId::unchecked([2; 32]);
    let mut exchanged = commits.clone();
    exchanged[1].signature = *commits[0].signature();
    for (bad, at) in [(malleable, 1), (weak, 2), (no_point, 0), (exchanged, 1)] {
        assert_eq!(verify_batch(&bad), Err(at));
        let alone = bad.iter().position(|commit| commit.verify().is_err());
        assert_eq!(alone, Some(at));
    }
}

#[test]
fn the_content_hash_covers_the_signature_and_the_id_does_not() {
    let bytes = seal(&key(7), start(&key(7)), &[put("a", 1)]).into_bytes();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    let id = |bytes: &[u8]| Commit::decode(bytes).unwrap().id();
    assert_eq!(id(&bytes), id(&changed));
    assert_ne!(block_hash(&bytes), block_hash(&changed));
}

/// The description of the format shows this commit; spaces and line ends between its digits do not count.
#[test]
fn the_worked_example_of_the_format_is_what_is_written() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md");
    let text: String = std::fs::read_to_string(path)
        .unwrap()
        .split_whitespace()
        .collect();
    let key = key(7);
    let mut start = start(&key);
    start.log.epoch = Epoch::from_u64(1);
    (start.first_seq, start.prev) = (1, None);
    start.time = HybridTime::new(1_700_000_000_000, 0).unwrap();
    let delete = (
        OpKind::Delete,
        EntryKind::TokenSend,
        "b".to_owned(),
        Vec::new(),
    );
    let operations = [put("a", 0xee), delete];
    let sealed = seal(&key, start, &operations);
    assert_eq!(sealed.as_bytes().len(), 282);
    let mut shown = vec![
        const_hex::encode(sealed.commit().header_bytes()),
        const_hex::encode(sealed.commit().signature()),
        sealed.id().to_string(),
        const_hex::encode(block_hash(sealed.as_bytes())),
    ];
    for operation in &operations {
        let encoded = borrowed(operation).encode().unwrap();
        shown.push(const_hex::encode(&encoded));
        shown.push(TreeHash::leaf(&encoded).to_string());
    }
    for hex in shown {
        assert!(text.contains(&hex), "the format does not show {hex}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_commit_comes_back_with_its_operations_and_the_places_of_their_values(
        operations in proptest::collection::vec(any_operation(), 1..40),
        heads in proptest::collection::btree_map(any::<u8>(), 1..u64::MAX, 0..5),
    ) {
        let key = key(7);
        let mut start = start(&key);
        start.heads = heads.into_iter().map(|(device, seq)| head(device, seq)).collect();
        let sealed = seal(&key, start, &operations);
        let commit = Commit::decode(sealed.as_bytes()).unwrap();
        prop_assert_eq!(&commit, &sealed.commit());
        prop_assert_eq!(commit.verify(), Ok(()));
        prop_assert_eq!(CommitId::of(commit.header_bytes()), commit.id());
        prop_assert_eq!(commit.operations().len(), operations.len());
        for ((read, place), wrote) in commit.operations().zip(&operations) {
            prop_assert_eq!(read, borrowed(wrote));
            prop_assert_eq!(&sealed.as_bytes()[place], &wrote.3[..]);
        }
        prop_assert_eq!(forced(&key, commit.header(), &operations), sealed.as_bytes());
    }

    #[test]
    fn bytes_near_a_commit_are_refused_or_encode_to_themselves(
        operations in proptest::collection::vec(any_operation(), 1..4),
        at: prop::sample::Index, value: u8,
    ) {
        let key = key(7);
        let mut bytes = seal(&key, start(&key), &operations).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(commit) = Commit::decode(&bytes) {
            let mut encoded = Vec::new();
            commit.header().encode_into(&mut encoded);
            prop_assert_eq!(&encoded[..], commit.header_bytes());
        }
    }
}
