use std::io::{self, Read, Write};

use super::DeltaRecordKind::{
    Block, Certificate, Checkpoint, Commit, ForkProof, Revocation, Segment,
};
use super::*;
use crate::oplog::COMMIT_BYTES_MAX;

const LIMITS: DeltaLimits = DeltaLimits {
    block_bytes: DELTA_BLOCK_BYTES_DEFAULT,
    records: DELTA_RECORDS_MAX,
};
/// One record of each kind, two segments and two commits, in order.
const KINDS: [DeltaRecordKind; 9] = [
    Certificate,
    Revocation,
    ForkProof,
    Block,
    Segment,
    Segment,
    Checkpoint,
    Commit,
    Commit,
];

fn profile() -> ProfileId {
    ProfileId::from_bytes([2; 33])
}

fn writer() -> DeltaWriter<Vec<u8>> {
    DeltaWriter::new(Vec::new(), &profile(), LIMITS).unwrap()
}

/// A record of 28 bytes and more, a little longer than the one before.
fn content(index: usize) -> Vec<u8> {
    vec![u8::try_from(index).unwrap(); 28 + index]
}

fn delta(kinds: &[DeltaRecordKind]) -> Vec<u8> {
    let mut writer = writer();
    for (index, kind) in kinds.iter().enumerate() {
        writer.record(*kind, &content(index)).unwrap();
    }
    writer.finish().unwrap()
}

/// A head and what follows it, with an end that counts `records` and has the right digest.
fn ended(body: &[u8], records: u32) -> Vec<u8> {
    let mut bytes = [&head(&profile())[..], body].concat();
    bytes.extend(record_head(END, END_BYTES));
    bytes.extend(records.to_be_bytes());
    let digest = blake3::hash(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}

type Content = Result<Vec<(DeltaRecordKind, Vec<u8>)>, DeltaError>;

fn read_with(source: impl Read, limits: DeltaLimits) -> Content {
    let mut reader = DeltaReader::new(source, limits)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push((record.kind, record.bytes.to_vec()));
    }
    assert!(matches!(reader.next_record(), Ok(None)));
    Ok(records)
}

fn read(bytes: &[u8]) -> Content {
    read_with(bytes, LIMITS)
}

/// Gives out one byte at a time, every second time after an interruption.
struct Slow<'a>(&'a [u8], bool);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = out.len().min(1);
        self.0.read(&mut out[..len])
    }
}

/// Has room for the head and one record, fails once, then has room again.
struct Full(usize);
impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += 1;
        if self.0 == 4 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_kind_of_record_comes_back_in_its_place_also_byte_by_byte() {
    let bytes = delta(&KINDS);
    let records: Vec<_> = KINDS
        .into_iter()
        .enumerate()
        .map(|(index, kind)| (kind, content(index)))
        .collect();
    assert_eq!(read(&bytes).unwrap(), records);
    assert_eq!(read_with(Slow(&bytes, false), LIMITS).unwrap(), records);
    let reader = DeltaReader::new(&bytes[..], LIMITS).unwrap();
    assert_eq!((reader.profile(), reader.offset()), (&profile(), 38));
    assert_eq!(read(&delta(&[])).unwrap(), []);
}

#[test]
fn every_cut_is_seen_as_one_and_no_flipped_bit_is_overlooked() {
    let bytes = delta(&KINDS);
    for at in 0..bytes.len() {
        let cut = read(&bytes[..at]);
        assert!(
            matches!(cut, Err(DeltaError::Truncated { offset }) if offset <= at as u64),
            "byte {at}"
        );
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(read(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
    let mut last = bytes.clone();
    *last.last_mut().unwrap() ^= 1;
    assert!(matches!(read(&last), Err(DeltaError::Digest)));
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(read(&longer), Err(DeltaError::AfterEnd)));
    let twice = [&bytes[..], &bytes].concat();
    assert!(matches!(read(&twice), Err(DeltaError::AfterEnd)));
}

#[test]
fn another_file_and_another_version_are_told_apart() {
    let mut bytes = delta(&[]);
    bytes[4] = 2;
    assert!(matches!(
        read(&bytes),
        Err(DeltaError::Version { found: 2 })
    ));
    bytes[0] = b'u';
    assert!(matches!(read(&bytes), Err(DeltaError::Magic)));
}

#[test]
fn records_out_of_order_are_neither_written_nor_read() {
    for (before, found) in [
        (&[Block][..], Certificate),
        (&[Segment, Checkpoint], Block),
        (&[Segment], ForkProof),
        (&[Commit], Checkpoint),
        (&[Commit], Segment),
        (&[Checkpoint], Revocation),
    ] {
        let mut writer = writer();
        let mut body = Vec::new();
        for kind in before {
            writer.record(*kind, &[1; 28]).unwrap();
            body.extend(record_head(kind.number(), 28));
            body.extend([1; 28]);
        }
        let wanted = *before.last().unwrap();
        let is_seen = |error: DeltaError| matches!(error, DeltaError::Order { after, found: kind } if (after, kind) == (wanted, found));
        assert!(is_seen(writer.record(found, &[1; 28]).unwrap_err()));
        // What was refused was not written.
        if wanted != Segment {
            assert!(read(&writer.finish().unwrap()).is_ok());
        }
        body.extend(record_head(found.number(), 28));
        body.extend([1; 28]);
        let count = u32::try_from(before.len()).unwrap() + 1;
        assert!(is_seen(read(&ended(&body, count)).unwrap_err()));
    }
    // A log without anything that counts has a checkpoint and no segment; several logs follow each other.
    assert!(read(&delta(&[Checkpoint, Segment, Checkpoint, Commit])).is_ok());
}

#[test]
fn segments_without_their_checkpoint_are_neither_ended_nor_followed_by_a_commit() {
    let mut writer = writer();
    writer.record(Segment, &[1; 28]).unwrap();
    let refused = writer.record(Commit, &[1; 28]);
    assert!(matches!(refused, Err(DeltaError::NoCheckpoint)));
    assert!(matches!(writer.finish(), Err(DeltaError::NoCheckpoint)));
    let segment = [&record_head(5, 28)[..], &[1; 28]].concat();
    let refused = read(&ended(&segment, 1));
    assert!(matches!(refused, Err(DeltaError::NoCheckpoint)));
    let commit = [&segment[..], &record_head(7, 28), &[1; 28]].concat();
    let refused = read(&ended(&commit, 2));
    assert!(matches!(refused, Err(DeltaError::NoCheckpoint)));
}

#[test]
fn each_kind_keeps_its_cap_when_written_and_when_read() {
    let small = DeltaLimits {
        block_bytes: 100,
        ..LIMITS
    };
    for (kind, most) in [
        (Certificate, 197),
        (Revocation, 155),
        (ForkProof, 11_719),
        (Block, 100),
        (Segment, 131_615),
        (Checkpoint, 89_400),
        (Commit, 4 << 20),
    ] {
        for (len, fits) in [(most, true), (most + 1, false), (0, false)] {
            let content = vec![1; len];
            let mut writer = DeltaWriter::new(Vec::new(), &profile(), small).unwrap();
            let written = writer.record(kind, &content);
            let mut body = record_head(kind.number(), u32::try_from(len).unwrap()).to_vec();
            body.extend(&content);
            let checkpoint = [&record_head(6, 1)[..], &[1]].concat();
            let after = if kind == Segment {
                &checkpoint[..]
            } else {
                &[]
            };
            body.extend(after);
            let count = if after.is_empty() { 1 } else { 2 };
            let read = read_with(&ended(&body, count)[..], small);
            assert_eq!(
                (written.is_ok(), read.is_ok()),
                (fits, fits),
                "{kind} of {len}"
            );
            if !fits {
                for refused in [written.unwrap_err(), read.unwrap_err()] {
                    assert!(
                        matches!(refused, DeltaError::Length { found, .. } if found == len as u64)
                    );
                }
            }
        }
    }
    // A block is sealed, so it has at least a nonce and a tag.
    let refused = writer().record(Block, &[1; 27]);
    assert!(matches!(refused, Err(DeltaError::Length { least: 28, .. })));
    let mut writer = writer();
    writer.record(Block, &vec![1; 1_048_604]).unwrap();
    assert!(writer.record(Block, &vec![1; 1_048_605]).is_err());
}

#[test]
fn a_length_that_is_only_promised_costs_no_memory() {
    let most = u32::try_from(COMMIT_BYTES_MAX).unwrap();
    let bytes = [&head(&profile())[..], &record_head(7, most), &[1; 100]].concat();
    let mut reader = DeltaReader::new(&bytes[..], LIMITS).unwrap();
    let cut = reader.next_record().map(|_| ());
    assert!(matches!(cut, Err(DeltaError::Truncated { offset: 43 })));
    assert!(reader.buffer.capacity() < 4_096);
    let bytes = [&head(&profile())[..], &record_head(7, u32::MAX), &[1; 100]].concat();
    assert!(matches!(read(&bytes), Err(DeltaError::Length { .. })));
}

#[test]
fn more_records_than_the_cap_are_neither_written_nor_read() {
    let two = DeltaLimits {
        records: 2,
        ..LIMITS
    };
    let mut writer = DeltaWriter::new(Vec::new(), &profile(), two).unwrap();
    for _ in 0..2 {
        writer.record(Commit, &[1]).unwrap();
    }
    let refused = writer.record(Commit, &[1]);
    assert!(matches!(refused, Err(DeltaError::RecordCount { limit: 2 })));
    assert_eq!(writer.records(), 2);
    assert!(read_with(&writer.finish().unwrap()[..], two).is_ok());
    let three = delta(&[Commit, Commit, Commit]);
    let refused = read_with(&three[..], two);
    assert!(matches!(refused, Err(DeltaError::RecordCount { limit: 2 })));
    // The format's own cap stands whatever is asked for.
    let endless = DeltaLimits {
        records: u32::MAX,
        ..LIMITS
    };
    assert_eq!(endless.count(DELTA_RECORDS_MAX - 1).unwrap(), 1 << 24);
    let refused = endless.count(DELTA_RECORDS_MAX);
    assert!(matches!(refused, Err(DeltaError::RecordCount { .. })));
}

#[test]
fn unknown_types_and_ends_that_do_not_fit_are_refused_although_the_digest_is_right() {
    for number in (0..=u8::MAX).filter(|number| !matches!(number, 1..=7 | 0xff)) {
        let body = [&record_head(number, 28)[..], &[1; 28]].concat();
        let refused = read(&ended(&body, 1));
        assert!(
            matches!(refused, Err(DeltaError::UnknownType { offset: 38, found }) if found == number)
        );
    }
    let commit = [&record_head(7, 28)[..], &[1; 28]].concat();
    assert!(read(&ended(&commit, 1)).is_ok());
    for expected in [0, 2, u32::MAX] {
        let refused = read(&ended(&commit, expected));
        assert!(
            matches!(refused, Err(DeltaError::CountMismatch { expected: count, found: 1 }) if count == expected)
        );
    }
    let mut long = ended(&commit, 1);
    let at = long.len() - 37;
    long[at] += 1;
    assert!(matches!(
        read(&long),
        Err(DeltaError::EndLength { found: 37 })
    ));
}

#[test]
fn nothing_more_is_read_or_written_after_a_failure() {
    let mut bytes = delta(&[Commit, Commit]);
    bytes[38] = 9;
    let mut reader = DeltaReader::new(&bytes[..], LIMITS).unwrap();
    assert!(matches!(
        reader.next_record(),
        Err(DeltaError::UnknownType { .. })
    ));
    assert!(matches!(reader.next_record(), Err(DeltaError::Broken)));
    let mut writer = DeltaWriter::new(Full(0), &profile(), LIMITS).unwrap();
    writer.record(Commit, &[1]).unwrap();
    assert!(matches!(
        writer.record(Commit, &[1]),
        Err(DeltaError::Io(_))
    ));
    assert!(matches!(
        writer.record(Commit, &[1]),
        Err(DeltaError::Broken)
    ));
    assert!(matches!(writer.finish(), Err(DeltaError::Broken)));
}

/// The description of the format shows head and end of this delta around its worked example.
#[test]
fn the_example_of_the_format_is_what_is_written() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = |title| {
        let part = text.split(title).nth(1).unwrap_or_default();
        let blocks = part.split("```").skip(1).step_by(2);
        blocks
            .map(|block| block.split_whitespace().collect::<String>())
            .collect::<Vec<_>>()
    };
    let commit = blocks("**Worked example.**");
    let commit = format!("83{}82{}5840{}", commit[0], commit[1], commit[2]);
    let commit = const_hex::decode(commit).unwrap();
    let profile = crate::oplog::Commit::decode(&commit)
        .unwrap()
        .header()
        .profile;
    let mut writer = DeltaWriter::new(Vec::new(), &profile, LIMITS).unwrap();
    writer.record(Commit, &commit).unwrap();
    let bytes = const_hex::encode(writer.finish().unwrap());
    let commit = const_hex::encode(&commit);
    let shown = blocks("**Example of a delta.**").join(&commit);
    assert!(bytes == shown, "the format shows {shown}, it is {bytes}");
}
