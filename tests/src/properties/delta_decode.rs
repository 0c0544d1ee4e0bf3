use std::io::{self, Read};

use uxf_engine::oplog::{DeltaError, DeltaLimits, DeltaReader, DeltaWriter};

use super::{Verdict, ensure, must, violation};

/// A delta that is read is what a writer makes of its records. So that inputs get past the digest, the whole records of
/// one that is cut off are ended properly; they have to be the start of what that gives.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    let Ok(mut reader) = DeltaReader::new(bytes, DeltaLimits::default()) else {
        return Ok(());
    };
    let mut slow = must(
        "the head byte by byte",
        DeltaReader::new(Slow(bytes), DeltaLimits::default()),
    )?;
    let mut writer = must(
        "a writer",
        DeltaWriter::new(Vec::new(), reader.profile(), DeltaLimits::default()),
    )?;
    let mut len = reader.offset();
    loop {
        let (read, read_slowly) = (reader.next_record(), slow.next_record());
        let same = match (&read, &read_slowly) {
            (Ok(one), Ok(other)) => one == other,
            (Err(one), Err(other)) => one.to_string() == other.to_string(),
            _ => false,
        };
        ensure(same, || "the same bytes read as two deltas".to_owned())?;
        match read {
            Ok(Some(record)) => {
                must(
                    "a record that was read",
                    writer.record(record.kind, record.bytes),
                )?;
                len += 5 + record.bytes.len() as u64;
            }
            Ok(None) => {
                let again = must("an end that was read", writer.finish())?;
                return ensure(again == bytes, || "a delta has two encodings".to_owned());
            }
            Err(DeltaError::Truncated { .. }) => return check_start(bytes, len, writer),
            Err(_) => return Ok(()),
        }
    }
}

/// The records so far, ended, start with the first `len` bytes and read as so many records.
fn check_start(bytes: &[u8], len: u64, writer: DeltaWriter<Vec<u8>>) -> Verdict {
    let records = writer.records();
    let whole = match writer.finish() {
        Ok(whole) => whole,
        Err(DeltaError::NoCheckpoint) => return Ok(()),
        Err(error) => return violation(format!("records that cannot be ended: {error}")),
    };
    let start = usize::try_from(len).ok().and_then(|len| bytes.get(..len));
    ensure(start.is_some_and(|start| whole.starts_with(start)), || {
        "the records of a delta are written in another way".to_owned()
    })?;
    let mut reader = must(
        "a head",
        DeltaReader::new(&whole[..], DeltaLimits::default()),
    )?;
    while must("a delta that was written", reader.next_record())?.is_some() {}
    ensure(reader.records() == records, || {
        "records were lost between writing and reading".to_owned()
    })
}

/// Gives out one byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(1);
        self.0.read(out.get_mut(..len).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uxf_engine::oplog::DeltaRecordKind as Kind;
    use uxf_engine::profile::sealed::ProfileId;

    #[test]
    fn the_property_holds_for_a_delta_and_for_it_with_any_bit_changed_or_cut_off_anywhere() {
        let profile = ProfileId::from_bytes([2; 33]);
        let mut writer = DeltaWriter::new(Vec::new(), &profile, DeltaLimits::default()).unwrap();
        for kind in [
            Kind::Certificate,
            Kind::Block,
            Kind::Segment,
            Kind::Checkpoint,
            Kind::Commit,
        ] {
            writer.record(kind, &[7; 30]).unwrap();
        }
        let bytes = writer.finish().unwrap();
        assert_eq!(check(&bytes), Ok(()));
        for at in 0..bytes.len() {
            assert_eq!(check(&bytes[..at]), Ok(()));
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(check(&changed), Ok(()));
            }
        }
    }
}
