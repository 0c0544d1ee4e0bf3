use proptest::prelude::*;

use super::entry::ENTRY_BYTES_MIN;
use super::header::HEADER_BYTES_MAX;
use super::segment::ENTRIES_BYTES_AIM;
use super::*;
use crate::cbor;
use crate::oplog::commit::tests::{key, put};
use crate::oplog::identity::{DeviceId, DeviceKey, Epoch, LogId};
use crate::oplog::operation::tests::{Owned, any_operation, borrowed};
use crate::oplog::proof::ProofError;
use crate::oplog::{
    CommitId, Head, HybridTime, LogHead, OpKind, Operation, OperationError, TreeHash,
    VALUE_BYTES_MAX,
};
use crate::profile::envelope::EntryKind;
use crate::profile::sealed::{ProfileId, WalletSecret};

type Numbered = (u64, u64, Owned);

fn head(device: u8, seq: u64) -> Head {
    Head {
        log: LogId {
            device: DeviceId::unchecked([device; 32]),
            epoch: Epoch::from_u64(2),
        },
        seq,
        id: CommitId::from_bytes([device; 32]),
    }
}

/// A checkpoint of the operations up to 1,000, of the time 500.
fn start(key: &DeviceKey) -> CheckpointStart {
    CheckpointStart {
        profile: ProfileId::of(&WalletSecret::take(&mut [1; 32])).unwrap(),
        log: LogId {
            device: key.id(),
            epoch: Epoch::from_u64(1),
        },
        until: 1_000,
        head: CommitId::from_bytes([0xaa; 32]),
        time: HybridTime::from_u64(500),
        heads: vec![head(1, 1), head(2, 300)],
    }
}

fn seal(start: CheckpointStart, entries: &[Numbered]) -> (Vec<Vec<u8>>, SignedCheckpoint) {
    let mut builder = CheckpointBuilder::new(start).unwrap();
    let mut segments = Vec::new();
    for (seq, time, operation) in entries {
        let time = HybridTime::from_u64(*time);
        segments.extend(builder.push(*seq, time, &borrowed(operation)).unwrap());
    }
    let (last, signed) = builder.finish(&key(7)).unwrap();
    segments.extend(last);
    let segments = segments.into_iter().map(SegmentBytes::into_bytes);
    (segments.collect(), signed)
}

/// Puts with values of so many bytes at the sequence numbers 10, 20, 30 and on.
fn puts(count: u64, value_bytes: usize) -> Vec<Numbered> {
    (1..=count)
        .map(|at| {
            let mut operation = put("key", at.to_be_bytes()[7]);
            operation.3.resize(value_bytes, 9);
            (at * 10, at, operation)
        })
        .collect()
}

/// What a reader says of segments in a row.
fn read(signed: &SignedCheckpoint, segments: &[Vec<u8>]) -> Result<(), CheckpointError> {
    let mut reader = CheckpointReader::new(signed);
    for segment in segments {
        reader.segment(segment)?;
    }
    reader.finish()
}

/// What is said of segments whose checkpoint comes after them.
fn tallied(signed: &SignedCheckpoint, segments: &[Vec<u8>]) -> Result<(), CheckpointError> {
    let mut tally = SegmentTally::default();
    for segment in segments {
        tally.segment(segment)?;
    }
    tally.finish(signed)
}

/// A segment of the entries that no builder would make.
fn forced(entries: &[Numbered]) -> Vec<u8> {
    let mut bytes = Vec::new();
    cbor::head(&mut bytes, cbor::ARRAY, entries.len() as u64);
    for (seq, time, operation) in entries {
        bytes.push(0x83);
        cbor::head(&mut bytes, cbor::UNSIGNED, *seq);
        cbor::head(&mut bytes, cbor::UNSIGNED, *time);
        bytes.extend(borrowed(operation).encode().unwrap());
    }
    bytes
}

/// A genuine signature of a header that no builder would make, as bytes.
fn signed_bytes(header: &CheckpointHeader) -> Vec<u8> {
    let mut encoded = Vec::new();
    header.encode_into(&mut encoded);
    let signature = key(7).sign(&CheckpointId::of(&encoded).message());
    let mut bytes = vec![0x82];
    bytes.extend_from_slice(&encoded);
    cbor::bytes(&mut bytes, &signature);
    bytes
}

/// The checkpoint that a lying device would sign for segments.
fn signed_for(segments: &[Vec<u8>]) -> SignedCheckpoint {
    let mut tally = SegmentTally::default();
    let mut tree = crate::oplog::TreeBuilder::default();
    for segment in segments {
        for (leaf, _) in tally.segment(segment).unwrap().entries().leaves() {
            tree.push(leaf);
        }
    }
    let mut header = seal(start(&key(7)), &[]).1.header().clone();
    (header.count, header.bytes) = (tally.count(), tally.entry_bytes());
    header.root = tree.root();
    SignedCheckpoint::decode(&signed_bytes(&header)).unwrap()
}

#[test]
fn no_flipped_bit_and_no_cut_of_a_checkpoint_verifies() {
    let (_, signed) = seal(start(&key(7)), &puts(3, 28));
    let bytes = signed.encode();
    assert_eq!(SignedCheckpoint::decode(&bytes), Ok(signed));
    for at in 0..bytes.len() {
        assert!(SignedCheckpoint::decode(&bytes[..at]).is_err());
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Ok(read) = SignedCheckpoint::decode(&changed) {
                assert_eq!(read.encode(), changed);
                assert_eq!(read.verify(), Err(CheckpointError::Signature), "{at}.{bit}");
            }
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        SignedCheckpoint::decode(&longer),
        Err(CheckpointError::Malformed { .. })
    ));
}

#[test]
fn no_flipped_bit_and_no_cut_of_a_segment_passes_for_the_signed_one() {
    let (segments, signed) = seal(start(&key(7)), &puts(3, 28));
    assert_eq!(read(&signed, &segments), Ok(()));
    let bytes = &segments[0];
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        Segment::decode(&longer),
        Err(SegmentError::Malformed { .. })
    ));
    for at in 0..bytes.len() {
        assert!(Segment::decode(&bytes[..at]).is_err());
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let changed = [changed];
            assert!(read(&signed, &changed).is_err(), "bit {bit} of byte {at}");
            assert!(tallied(&signed, &changed).is_err());
        }
    }
}

#[test]
fn a_checkpoint_is_good_for_its_own_device_alone() {
    let builder = CheckpointBuilder::new(start(&key(7))).unwrap();
    let refused = builder.finish(&key(8)).map(|_| ());
    assert_eq!(refused, Err(CheckpointError::WrongKey));
    // Another device's signature under the header of this one's log.
    let signed = seal(start(&key(7)), &puts(1, 28)).1;
    assert_eq!(signed.verify(), Ok(()));
    let mut bytes = signed.encode();
    let place = bytes.len() - 64;
    bytes[place..].copy_from_slice(&key(8).sign(&signed.id().message()));
    let forged = SignedCheckpoint::decode(&bytes).unwrap();
    assert_eq!(forged.verify(), Err(CheckpointError::Signature));
    // This device's signature of a commit with that id.
    let commit = CommitId::from_bytes(*signed.id().as_bytes());
    bytes[place..].copy_from_slice(&key(7).sign(&commit.message()));
    let forged = SignedCheckpoint::decode(&bytes).unwrap();
    assert_eq!(forged.verify(), Err(CheckpointError::Signature));
}

#[test]
fn a_leaf_of_a_checkpoint_is_never_a_leaf_of_a_commit() {
    let operation = put("a", 1);
    let encoded = borrowed(&operation).encode().unwrap();
    let segments = seal(start(&key(7)), &[(1, 1, operation)]).0;
    let (_, entry) = Segment::decode(&segments[0])
        .unwrap()
        .entries()
        .leaves()
        .next()
        .unwrap();
    assert_eq!((encoded[0], entry[0]), (0x84, 0x83));
    assert!(entry.ends_with(&encoded));
    assert!(matches!(
        Operation::decode(entry),
        Err(OperationError::Malformed { offset: 0, .. })
    ));
    assert!(matches!(
        Entry::decode(&encoded),
        Err(SegmentError::Malformed { offset: 0, .. })
    ));
    assert_ne!(TreeHash::leaf(entry), TreeHash::leaf(&encoded));
}

#[test]
fn a_checkpoint_of_nothing_has_no_segment_and_no_root() {
    let (segments, signed) = seal(start(&key(7)), &[]);
    let header = signed.header();
    assert_eq!((segments.len(), header.count, header.bytes), (0, 0, 0));
    assert_eq!(header.root, None);
    assert_eq!(
        SignedCheckpoint::decode(&signed.encode()),
        Ok(signed.clone())
    );
    assert_eq!(read(&signed, &[]), Ok(()));
    assert_eq!(
        read(&signed, &[forced(&puts(1, 28))]),
        Err(CheckpointError::CountMismatch {
            expected: 0,
            found: 1
        })
    );
    assert_eq!(
        CheckpointProof::extract::<&[u8]>(&signed, [], 0),
        Err(ProofError::Index { index: 0, count: 0 })
    );
}

#[test]
fn a_log_goes_on_after_its_checkpoint() {
    let signed = seal(start(&key(7)), &puts(3, 28)).1;
    let expected = LogHead {
        log: start(&key(7)).log,
        next_seq: 1_001,
        head: Some(CommitId::from_bytes([0xaa; 32])),
        time: HybridTime::from_u64(500),
        forked: false,
    };
    assert_eq!(signed.header().log_head(), expected);
}

#[test]
fn a_missing_a_swapped_a_doubled_and_a_foreign_segment_are_each_seen() {
    let (segments, signed) = seal(start(&key(7)), &puts(9, 25_000));
    assert_eq!(segments.len(), 5);
    assert_eq!(read(&signed, &segments), Ok(()));
    for missing in 0..segments.len() {
        let mut fewer = segments.clone();
        fewer.remove(missing);
        let found = if missing == 4 { 8 } else { 7 };
        let refused = Err(CheckpointError::CountMismatch { expected: 9, found });
        assert_eq!(read(&signed, &fewer), refused);
        assert_eq!(tallied(&signed, &fewer), refused);
    }
    let mut swapped = segments.clone();
    swapped.swap(1, 2);
    let refused = Err(CheckpointError::Order(EntryOrderError::NotAscending {
        last: 60,
        found: 30,
    }));
    assert_eq!(read(&signed, &swapped), refused);
    assert_eq!(tallied(&signed, &swapped), refused);
    let mut doubled = segments.clone();
    doubled.insert(1, segments[0].clone());
    assert!(matches!(
        read(&signed, &doubled),
        Err(CheckpointError::Order(EntryOrderError::NotAscending {
            last: 20,
            found: 10
        }))
    ));
    // As many entries of as many bytes at the same places, one value another.
    let mut foreign = segments.clone();
    *foreign[2].last_mut().unwrap() ^= 1;
    for verdict in [read(&signed, &foreign), tallied(&signed, &foreign)] {
        assert!(matches!(verdict, Err(CheckpointError::RootMismatch { .. })));
    }
}

#[test]
fn an_entry_more_and_a_byte_more_or_less_than_signed_are_seen() {
    let short = puts(3, 28);
    let mut long = short.clone();
    long[1].2.3.push(0);
    let (segments, signed) = seal(start(&key(7)), &short);
    let (longer, signed_longer) = seal(start(&key(7)), &long);
    let more = [segments[0].clone(), forced(&[(40, 4, put("more", 1))])];
    let bytes = signed.header().bytes;
    for (signed, segments, refused) in [
        (
            &signed,
            &more[..],
            CheckpointError::CountMismatch {
                expected: 3,
                found: 4,
            },
        ),
        (
            &signed,
            &longer,
            CheckpointError::BytesMismatch {
                expected: bytes,
                found: bytes + 1,
            },
        ),
        (
            &signed_longer,
            &segments,
            CheckpointError::BytesMismatch {
                expected: bytes + 1,
                found: bytes,
            },
        ),
    ] {
        assert_eq!(read(signed, segments), Err(refused.clone()));
        assert_eq!(tallied(signed, segments), Err(refused));
    }
    // What is too much is refused when it comes, not only at the end.
    let mut reader = CheckpointReader::new(&signed);
    assert!(matches!(
        reader.segment(&longer[0]),
        Err(CheckpointError::BytesMismatch { .. })
    ));
    reader.segment(&segments[0]).unwrap();
    assert!(matches!(
        reader.segment(&more[1]),
        Err(CheckpointError::CountMismatch { .. })
    ));
}

#[test]
fn what_is_refused_leaves_reader_and_tally_as_they_were() {
    let (segments, signed) = seal(start(&key(7)), &puts(9, 25_000));
    let (mut reader, mut tally) = (CheckpointReader::new(&signed), SegmentTally::default());
    let beyond = forced(&[(2_000, 4, put("beyond", 1))]);
    for (index, segment) in segments.iter().enumerate() {
        reader.segment(segment).unwrap();
        tally.segment(segment).unwrap();
        let cut = &segment[..segment.len() - 1];
        let refused = Err(index as u64 + 1);
        let index_of = |error| match error {
            CheckpointError::Segment { index, .. } => index,
            _ => 0,
        };
        assert_eq!(reader.segment(cut).map(|_| ()).map_err(index_of), refused);
        assert_eq!(tally.segment(cut).map(|_| ()).map_err(index_of), refused);
        assert!(reader.segment(segment).is_err() && tally.segment(segment).is_err());
        assert!(reader.segment(&beyond).is_err());
    }
    assert_eq!((reader.finish(), tally.finish(&signed)), (Ok(()), Ok(())));
}

#[test]
fn entries_beyond_what_is_covered_are_neither_written_nor_believed_from_a_lying_device() {
    let late = Err(CheckpointError::TimeBeyond {
        seq: 9,
        last: HybridTime::from_u64(500),
        found: HybridTime::from_u64(501),
    });
    let beyond = Err(CheckpointError::Beyond {
        seq: 1_001,
        until: 1_000,
    });
    for (seq, time, refused) in [(9, 501, late), (1_001, 500, beyond)] {
        let operation = put("k", 1);
        let mut builder = CheckpointBuilder::new(start(&key(7))).unwrap();
        let time_of = HybridTime::from_u64(time);
        let pushed = builder
            .push(seq, time_of, &borrowed(&operation))
            .map(|_| ());
        assert_eq!(pushed, refused);
        assert_eq!(builder.count(), 0);
        let segments = [forced(&[(seq, time, operation)])];
        let signed = signed_for(&segments);
        assert_eq!(signed.verify(), Ok(()));
        assert_eq!(read(&signed, &segments), refused);
        assert_eq!(tallied(&signed, &segments), refused);
        // The same in a proof: the path is right and the signature genuine.
        let honest = seal(start(&key(7)), &puts(1, 28)).0;
        let mut proof = CheckpointProof::extract(&signed_for(&honest), &honest, 0)
            .unwrap()
            .encode();
        let header_end = 1 + signed.encode().len() - 1;
        assert_eq!(proof[header_end..header_end + 2], [0, 0x40]);
        proof.truncate(header_end + 2);
        proof.splice(1..header_end, signed.encode()[1..].iter().copied());
        proof.extend_from_slice(&segments[0][1..]);
        let proof = CheckpointProof::decode(&proof).unwrap();
        let verdict = proof.verify().map(|_| ());
        assert_eq!(verdict, refused.map_err(ProofError::Checkpoint));
    }
    // The last that is covered may be there.
    let last = [(1_000, 500, put("k", 1))];
    let (segments, signed) = seal(start(&key(7)), &last);
    assert_eq!(read(&signed, &segments), Ok(()));
}

#[test]
fn entries_out_of_order_are_neither_written_nor_read() {
    let number = |last, found| EntryOrderError::NotAscending { last, found };
    let back = EntryOrderError::TimeBackwards {
        seq: 4,
        last: HybridTime::from_u64(6),
        found: HybridTime::from_u64(5),
    };
    for (first, second, refused) in [
        ((3, 5), (2, 5), number(3, 2)),
        ((3, 5), (3, 6), number(3, 3)),
        ((0, 5), (1, 5), number(0, 0)),
        ((3, 6), (4, 5), back),
    ] {
        let entries = [first, second].map(|(seq, time)| (seq, time, put("k", 1)));
        let mut builder = CheckpointBuilder::new(start(&key(7))).unwrap();
        let pushed: Result<Vec<_>, _> = entries
            .iter()
            .map(|(seq, time, operation)| {
                builder.push(*seq, HybridTime::from_u64(*time), &borrowed(operation))
            })
            .collect();
        assert_eq!(pushed, Err(CheckpointError::Order(refused)));
        let order = Err(SegmentError::Order(refused));
        assert_eq!(Segment::decode(&forced(&entries)), order);
        // Across two segments.
        let segments = [forced(&entries[..1]), forced(&entries[1..])];
        let mut tally = SegmentTally::default();
        let read: Result<Vec<_>, _> = segments.iter().map(|one| tally.segment(one)).collect();
        if first.0 > 0 {
            assert_eq!(read, Err(CheckpointError::Order(refused)));
        } else {
            assert!(matches!(
                read,
                Err(CheckpointError::Segment { index: 0, .. })
            ));
        }
    }
    // Operations of one commit have one time.
    let same = [(3, 5, put("k", 1)), (4, 5, put("k", 1))];
    assert!(Segment::decode(&forced(&same)).is_ok());
}

#[test]
fn headers_that_break_a_rule_are_not_read_although_the_signature_is_genuine() {
    let good = seal(start(&key(7)), &puts(3, 28)).1.header().clone();
    let with = |change: &dyn Fn(&mut CheckpointHeader)| {
        let mut header = good.clone();
        change(&mut header);
        let refused = header.check().unwrap_err();
        assert_eq!(
            SignedCheckpoint::decode(&signed_bytes(&header)),
            Err(refused.clone())
        );
        refused
    };
    let heads = [
        with(&|header| header.heads = vec![head(2, 1), head(1, 1)]),
        with(&|header| header.heads = vec![head(1, 1), head(1, 2)]),
        with(&|header| header.heads = vec![head(1, 0)]),
        with(&|header| {
            header.heads = vec![Head {
                log: header.log,
                ..head(1, 1)
            }];
        }),
    ];
    assert!(heads.iter().all(|error| *error == CheckpointError::Heads));
    for until in [0, u64::MAX] {
        let refused = with(&|header| header.until = until);
        assert_eq!(refused, CheckpointError::Until { until });
        let started = CheckpointStart {
            until,
            ..start(&key(7))
        };
        let refused = CheckpointBuilder::new(started).map(|_| ());
        assert_eq!(refused, Err(CheckpointError::Until { until }));
    }
    let refused = with(&|header| header.count = u32::MAX);
    let (count, until) = (u32::MAX, 1_000);
    assert_eq!(refused, CheckpointError::Count { count, until });
    for bytes in [3 * ENTRY_BYTES_MIN - 1, 3 * ENTRY_BYTES_MAX + 1] {
        let bytes = bytes as u64;
        let refused = with(&|header| header.bytes = bytes);
        assert_eq!(refused, CheckpointError::Extent { count: 3, bytes });
    }
    let rootless = with(&|header| header.root = None);
    assert_eq!(rootless, CheckpointError::Root { count: 3 });
    let rooted = with(&|header| (header.count, header.bytes) = (0, 0));
    assert_eq!(rooted, CheckpointError::Root { count: 0 });
}

#[test]
fn huge_counts_are_refused_before_anything_is_kept_for_them() {
    // An array of 2^64 - 1 entries or heads costs ten bytes to claim.
    for found in [0, 4_097, u64::MAX] {
        let mut bytes = Vec::new();
        cbor::head(&mut bytes, cbor::ARRAY, found);
        let limit = SEGMENT_ENTRIES_MAX;
        let refused = Err(SegmentError::EntryCount { found, limit });
        assert_eq!(Segment::decode(&bytes), refused);
    }
    let mut header = seal(start(&key(7)), &[]).1.header().clone();
    header.heads.clear();
    let mut bytes = signed_bytes(&header);
    let at = bytes
        .windows(6)
        .position(|six| six == b"heads\x80")
        .unwrap();
    let claimed = 1_u64 << 40;
    let mut array = Vec::new();
    cbor::head(&mut array, cbor::ARRAY, claimed);
    bytes.splice(at + 5..at + 6, array);
    assert!(matches!(
        SignedCheckpoint::decode(&bytes),
        Err(CheckpointError::HeadCount { found, .. }) if found as u64 == claimed
    ));
    header.heads = (0..=1_024_u64)
        .map(|epoch| Head {
            log: LogId {
                device: DeviceId::unchecked([1; 32]),
                epoch: Epoch::from_u64(epoch),
            },
            ..head(1, 1)
        })
        .collect();
    let refused = Err(CheckpointError::HeadCount {
        found: 1_025,
        limit: CHECKPOINT_HEADS_MAX,
    });
    assert_eq!(SignedCheckpoint::decode(&signed_bytes(&header)), refused);
    header.heads.pop();
    assert!(SignedCheckpoint::decode(&signed_bytes(&header)).is_ok());
    let long = vec![0; CHECKPOINT_BYTES_MAX + 1];
    assert!(matches!(
        SignedCheckpoint::decode(&long),
        Err(CheckpointError::TooLarge { .. })
    ));
    let long = vec![0; SEGMENT_BYTES_MAX + 1];
    assert!(matches!(
        Segment::decode(&long),
        Err(SegmentError::TooLarge { .. })
    ));
    let long = vec![0; CHECKPOINT_PROOF_BYTES_MAX + 1];
    assert!(matches!(
        CheckpointProof::decode(&long),
        Err(ProofError::TooLarge { .. })
    ));
}

#[test]
fn the_longest_checkpoint_and_the_longest_segment_have_the_longest_length() {
    let mut header = seal(start(&key(7)), &puts(1, 28)).1.header().clone();
    header.log.epoch = Epoch::from_u64(u64::MAX);
    header.until = u64::MAX - 1;
    header.count = u32::MAX;
    header.bytes = u64::from(u32::MAX) * ENTRY_BYTES_MAX as u64;
    header.time = HybridTime::from_u64(u64::MAX);
    header.heads = (0..1_024_u64)
        .map(|epoch| Head {
            log: LogId {
                device: DeviceId::unchecked([1; 32]),
                epoch: Epoch::from_u64(u64::MAX - 1_024 + epoch),
            },
            ..head(1, u64::MAX)
        })
        .collect();
    let bytes = signed_bytes(&header);
    assert_eq!(bytes.len(), CHECKPOINT_BYTES_MAX);
    assert_eq!(HEADER_BYTES_MAX + 67, CHECKPOINT_BYTES_MAX);
    let said = [89_400, 131_615, 222_046];
    let longest = [
        CHECKPOINT_BYTES_MAX,
        SEGMENT_BYTES_MAX,
        CHECKPOINT_PROOF_BYTES_MAX,
    ];
    assert_eq!(longest, said, "the format says so");
    assert_eq!(SignedCheckpoint::decode(&bytes).map(|_| ()), Ok(()));

    let mut longest = put(&"k".repeat(512), 1);
    longest.3.resize(VALUE_BYTES_MAX, 1);
    let (seq, time) = (u64::MAX - 1, u64::MAX);
    let segment = forced(&[(seq, time, longest.clone())]);
    assert_eq!(segment.len(), SEGMENT_BYTES_MAX);
    assert!(Segment::decode(&segment).is_ok());
    let mut wide = start(&key(7));
    (wide.until, wide.time) = (seq, HybridTime::from_u64(time));
    assert_eq!(seal(wide, &[(seq, time, longest)]).0, [segment]);
    let delete = (OpKind::Delete, EntryKind::TokenSend, "k".to_owned(), vec![]);
    assert_eq!(forced(&[(1, 1, delete)]).len(), 1 + ENTRY_BYTES_MIN);
}

#[test]
fn a_segment_is_closed_before_it_passes_64_kib_or_4096_entries() {
    let entry_bytes = |entries: &[Numbered]| forced(entries).len() - 1;
    let mut exact = puts(4, 16_200);
    let left = ENTRIES_BYTES_AIM - entry_bytes(&exact);
    exact[3].2.3.resize(16_200 + left, 1);
    assert_eq!(seal(start(&key(7)), &exact).0.len(), 1);
    assert!(Segment::decode(&forced(&exact)).is_ok());
    let mut over = exact;
    over[3].2.3.push(1);
    assert!(Segment::decode(&forced(&over)).is_ok());
    let (segments, signed) = seal(start(&key(7)), &over);
    assert_eq!(segments.len(), 2);
    assert_eq!(read(&signed, &segments), Ok(()));
    let len = over[3].2.3.len() + SEGMENT_BYTES_TARGET - 3 - ENTRIES_BYTES_AIM;
    over[3].2.3.resize(len, 1);
    assert!(matches!(
        Segment::decode(&forced(&over)),
        Err(SegmentError::Overfull { found: 65_535, .. })
    ));
    // What is longer than that is alone, between others as well.
    let mut mixed = puts(3, 28);
    mixed[1].2.3.resize(VALUE_BYTES_MAX, 1);
    let (segments, signed) = seal(start(&key(7)), &mixed);
    assert_eq!(segments.len(), 3);
    assert_eq!(read(&signed, &segments), Ok(()));

    let mut many = start(&key(7));
    many.until = 10_000;
    let delete = (OpKind::Delete, EntryKind::TokenSend, "k".to_owned(), vec![]);
    let deletes: Vec<Numbered> = (1..=4_097).map(|seq| (seq, 1, delete.clone())).collect();
    let (segments, signed) = seal(many, &deletes);
    let counts = segments
        .iter()
        .map(|one| Segment::decode(one).unwrap().count());
    assert_eq!(counts.collect::<Vec<_>>(), [4_096, 1]);
    assert_eq!(read(&signed, &segments), Ok(()));
}

#[test]
fn no_changed_bit_and_no_cut_of_a_proof_verifies() {
    let (segments, signed) = seal(start(&key(7)), &puts(5, 28));
    let bytes = CheckpointProof::extract(&signed, &segments, 2)
        .unwrap()
        .encode();
    for at in 0..bytes.len() {
        assert!(CheckpointProof::decode(&bytes[..at]).is_err());
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Ok(read) = CheckpointProof::decode(&changed) {
                assert_eq!(read.encode(), changed);
                assert!(read.verify().is_err(), "bit {bit} of byte {at}");
            }
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        CheckpointProof::decode(&longer),
        Err(ProofError::Entry(SegmentError::Malformed { .. }))
    ));
    // A path that is no whole number of hashes, and one that is longer than any.
    let mut header = vec![0x85];
    signed.encode_into(&mut header);
    header.push(2);
    let entry = forced(&puts(3, 28)[2..])[1..].to_vec();
    for path_bytes in [31, 33, 33 * 32] {
        let mut forced = header.clone();
        cbor::bytes(&mut forced, &vec![1; path_bytes]);
        forced.extend_from_slice(&entry);
        assert_eq!(CheckpointProof::decode(&forced), Err(ProofError::Path));
    }
    assert!(matches!(
        CheckpointProof::extract(&signed, &segments[..0], 2),
        Err(ProofError::Checkpoint(
            CheckpointError::CountMismatch { .. }
        ))
    ));
    assert_eq!(
        CheckpointProof::extract(&signed, &segments, 5),
        Err(ProofError::Index { index: 5, count: 5 })
    );
}

/// The description of the format shows this checkpoint; spaces and line ends between its digits do not count.
#[test]
fn the_example_of_the_format_is_what_is_written() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md");
    let text: String = std::fs::read_to_string(path)
        .unwrap()
        .split_whitespace()
        .collect();
    let mut start = start(&key(7));
    (start.until, start.heads) = (2, Vec::new());
    let id = "4aacf3e47dce34c367ea2adb78faa5dcdc9c3d00f4f86c210a273c747c532aad";
    start.head = CommitId::from_bytes(const_hex::decode_to_array(id).unwrap());
    start.time = HybridTime::new(1_700_000_000_000, 0).unwrap();
    let delete = (OpKind::Delete, EntryKind::TokenSend, "b".to_owned(), vec![]);
    let time = start.time.as_u64();
    let (segments, signed) = seal(start, &[(1, time, put("a", 0xee)), (2, time, delete)]);
    let bytes = signed.encode();
    let mut shown = vec![
        const_hex::encode(&segments[0]),
        const_hex::encode(&bytes[1..bytes.len() - 66]),
        const_hex::encode(signed.signature()),
        signed.id().to_string(),
    ];
    let segment = Segment::decode(&segments[0]).unwrap();
    shown.extend(segment.entries().leaves().map(|(leaf, _)| leaf.to_string()));
    let missing: Vec<_> = shown.iter().filter(|hex| !text.contains(*hex)).collect();
    assert!(missing.is_empty(), "the format does not show {missing:#?}");
}

fn any_entries() -> impl Strategy<Value = Vec<Numbered>> {
    proptest::collection::vec((1_u64..30, 0_u64..3, any_operation()), 0..30).prop_map(|steps| {
        let (mut seq, mut time) = (0, 0);
        let number = |(by, later, operation)| {
            (seq, time) = (seq + by, time + later);
            (seq, time, operation)
        };
        steps.into_iter().map(number).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_checkpoint_comes_back_with_its_entries_and_the_places_of_their_values(
        entries in any_entries(),
    ) {
        let (segments, signed) = seal(start(&key(7)), &entries);
        prop_assert_eq!(signed.header().count as usize, entries.len());
        prop_assert_eq!(SignedCheckpoint::decode(&signed.encode()), Ok(signed.clone()));
        let mut wrote = entries.iter();
        let mut reader = CheckpointReader::new(&signed);
        for bytes in &segments {
            for (entry, place) in reader.segment(bytes).unwrap().entries() {
                let (seq, time, operation) = wrote.next().unwrap();
                prop_assert_eq!((entry.seq, entry.time.as_u64()), (*seq, *time));
                prop_assert_eq!(entry.operation, borrowed(operation));
                prop_assert_eq!(&bytes[place], &operation.3[..]);
            }
        }
        prop_assert_eq!(reader.finish(), Ok(()));
        prop_assert_eq!(wrote.len(), 0);
        // Cut in another way they are the same entries.
        let alone: Vec<Vec<u8>> = entries.iter().map(|one| forced(core::slice::from_ref(one))).collect();
        prop_assert_eq!(read(&signed, &alone), Ok(()));
        prop_assert_eq!(tallied(&signed, &alone), Ok(()));
    }

    #[test]
    fn every_entry_of_a_checkpoint_proves_itself_and_no_other(entries in any_entries()) {
        let (segments, signed) = seal(start(&key(7)), &entries);
        for (index, (seq, time, operation)) in entries.iter().enumerate() {
            let index = u32::try_from(index).unwrap();
            let proof = CheckpointProof::extract(&signed, &segments, index).unwrap();
            let bytes = proof.encode();
            let read = CheckpointProof::decode(&bytes).unwrap();
            prop_assert_eq!(&read, &proof);
            let (stamp, proven) = read.verify().unwrap();
            prop_assert_eq!((stamp.seq, stamp.time.as_u64(), stamp.log), (*seq, *time, signed.header().log));
            prop_assert_eq!(stamp.is_delete, operation.0 == OpKind::Delete);
            prop_assert_eq!(proven, borrowed(operation));
            let other = CheckpointProof::extract(&signed, &segments, 0).unwrap();
            prop_assert_eq!(other.encode() == bytes, index == 0);
        }
    }

    #[test]
    fn bytes_near_a_segment_are_refused_or_encode_to_themselves(
        entries in any_entries(), at: prop::sample::Index, value: u8,
    ) {
        prop_assume!(!entries.is_empty());
        let mut bytes = forced(&entries);
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(segment) = Segment::decode(&bytes) {
            let mut again = Vec::new();
            cbor::head(&mut again, cbor::ARRAY, u64::from(segment.count()));
            for (entry, _) in segment.entries() {
                entry.encode_into(&mut again).unwrap();
            }
            prop_assert_eq!(again, bytes);
        }
    }
}
