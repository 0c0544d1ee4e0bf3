use uxf_engine::oplog::{
    CheckpointError, CheckpointProof, CheckpointReader, Segment, SegmentTally, SignedCheckpoint,
};

use super::{Verdict, ensure, must};

/// Bytes are refused, or are the one encoding of what they say. The bytes are tried as one record, and, if a checkpoint
/// stands at their start, as that and its segments, each with a length of three bytes before it.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    if let Ok(proof) = CheckpointProof::decode(bytes) {
        ensure(proof.encode() == bytes, || {
            "a proof of an entry has two encodings".to_owned()
        })?;
    }
    if let Ok(segment) = Segment::decode(bytes) {
        check_segment(&segment)?;
    }
    if let Ok(signed) = SignedCheckpoint::decode(bytes) {
        ensure(signed.encode() == bytes, || {
            "a checkpoint has two encodings".to_owned()
        })?;
    }
    let mut records = records(bytes);
    match records.next().map(SignedCheckpoint::decode) {
        Some(Ok(signed)) => check_whole(&signed, &records.collect::<Vec<_>>()),
        _ => Ok(()),
    }
}

/// What follows lengths of three bytes, big-endian.
fn records(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (&[a, b, c], tail) = rest.split_first_chunk::<3>()?;
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let (record, tail) = tail.split_at_checked(len)?;
        rest = tail;
        Some(record)
    })
}

/// Its entries, encoded again, are what follows its head.
fn check_segment(segment: &Segment<'_>) -> Verdict {
    let (mut again, mut count, mut last_seq) = (Vec::new(), 0_u32, 0);
    for (entry, place) in segment.entries() {
        ensure(
            segment.as_bytes().get(place) == Some(entry.operation.value),
            || "a value is not where it is said to be".to_owned(),
        )?;
        ensure(entry.seq > last_seq, || "entries do not ascend".to_owned())?;
        last_seq = entry.seq;
        again.extend(must(
            "an operation that was read",
            entry.operation.encode(),
        )?);
        count += 1;
    }
    ensure(
        count == segment.count()
            && last_seq == segment.last_seq()
            && again.len() < segment.as_bytes().len(),
        || "a segment has other entries than it says".to_owned(),
    )
}

/// Reader and tally agree on segments; entries of a checkpoint that is right prove themselves if its signature is.
fn check_whole(signed: &SignedCheckpoint, segments: &[&[u8]]) -> Verdict {
    let mut reader = CheckpointReader::new(signed);
    let mut tally = SegmentTally::default();
    let mut read = || -> Result<(), CheckpointError> {
        for segment in segments {
            reader.segment(segment)?;
        }
        reader.finish()
    };
    let mut tallied = || -> Result<(), CheckpointError> {
        for segment in segments {
            tally.segment(segment)?;
        }
        tally.finish(signed)
    };
    let right = read().is_ok();
    ensure(right == tallied().is_ok(), || {
        "reader and tally disagree".to_owned()
    })?;
    let Some(last) = signed.header().count.checked_sub(1) else {
        return Ok(());
    };
    let proof = CheckpointProof::extract(signed, segments, last);
    ensure(proof.is_ok() == right, || {
        "a proof of what is not there".to_owned()
    })?;
    if let Ok(proof) = proof {
        let again = must("a proof", CheckpointProof::decode(&proof.encode()))?;
        ensure(
            again == proof && proof.verify().is_ok() == signed.verify().is_ok(),
            || "an entry alone and its checkpoint disagree".to_owned(),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_holds_for_the_checkpoint_of_the_format_and_for_it_with_any_bit_changed() {
        let format = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md");
        let format = std::fs::read_to_string(format).unwrap();
        let example = format.split("**Example of a checkpoint.**").nth(1).unwrap();
        let mut blocks = example
            .split("```")
            .skip(1)
            .step_by(2)
            .map(|block| block.split_whitespace().collect::<String>());
        let mut next = || blocks.next().unwrap();
        let segment = const_hex::decode(next()).unwrap();
        let signed = const_hex::decode(format!("82{}5840{}", next(), next())).unwrap();
        let whole: Vec<u8> = [&signed, &segment]
            .into_iter()
            .flat_map(|record| {
                let len = u32::try_from(record.len()).unwrap().to_be_bytes();
                [&len[1..], record].concat()
            })
            .collect();
        assert!(SignedCheckpoint::decode(&signed).unwrap().verify().is_ok());
        for bytes in [signed, segment, whole] {
            assert_eq!(check(&bytes), Ok(()));
            for at in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[at / 8] ^= 1 << (at % 8);
                assert_eq!(check(&changed), Ok(()));
            }
        }
    }
}
