use uxf_engine::oplog::{
    Commit, ForkProof, LoneOperation, VersionVector, block_hash, verify_batch,
};

use super::{Verdict, ensure, must};

/// Bytes are refused, or are the one encoding of what they say; proofs taken out of a commit hold if its signature does.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    if let Ok(vector) = VersionVector::decode(bytes) {
        ensure(vector.encode() == bytes, || {
            "a version vector has two encodings".to_owned()
        })?;
    }
    if let Ok(proof) = ForkProof::decode(bytes) {
        ensure(proof.encode() == bytes, || {
            "a fork proof has two encodings".to_owned()
        })?;
    }
    if let Ok(alone) = LoneOperation::decode(bytes) {
        ensure(alone.encode() == bytes, || {
            "a lone operation has two encodings".to_owned()
        })?;
    }
    let Ok(commit) = Commit::decode(bytes) else {
        return Ok(());
    };
    check_operations(&commit, bytes)?;
    let genuine = commit.verify().is_ok();
    ensure(
        verify_batch(core::slice::from_ref(&commit)).is_ok() == genuine,
        || "a batch of one and one alone disagree".to_owned(),
    )?;
    let last = commit.header().count.saturating_sub(1);
    let alone = must(
        "an operation cannot be taken out",
        LoneOperation::extract(&commit, last),
    )?;
    ensure(alone.verify().is_ok() == genuine, || {
        "an operation alone and its commit disagree".to_owned()
    })?;
    ensure(block_hash(bytes) != *commit.id().as_bytes(), || {
        "the content hash is the id".to_owned()
    })
}

/// Header, operations and signature, encoded again, are the bytes.
fn check_operations(commit: &Commit<'_>, bytes: &[u8]) -> Verdict {
    let (mut again, mut count) = (vec![0x83], 0_u32);
    again.extend_from_slice(commit.header_bytes());
    let head = bytes.get(again.len()..).unwrap_or_default();
    // The head of an array of up to 4,096.
    let head_len = match commit.header().count {
        0..=23 => 1,
        24..=0xff => 2,
        _ => 3,
    };
    again.extend_from_slice(head.get(..head_len).unwrap_or_default());
    for (operation, place) in commit.operations() {
        ensure(bytes.get(place) == Some(operation.value), || {
            "a value is not where it is said to be".to_owned()
        })?;
        again.extend(must("an operation that was read", operation.encode())?);
        count += 1;
    }
    again.extend_from_slice(&[0x58, 64]);
    again.extend_from_slice(commit.signature());
    ensure(count == commit.header().count && again == bytes, || {
        "a commit has two encodings".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_holds_for_the_commit_of_the_format_and_for_it_with_any_bit_changed() {
        let format = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md");
        let format = std::fs::read_to_string(format).unwrap();
        let example = format.split("**Worked example.**").nth(1).unwrap();
        let mut blocks = example
            .split("```")
            .skip(1)
            .step_by(2)
            .map(|block| block.split_whitespace().collect::<String>());
        let mut next = || blocks.next().unwrap();
        let text = format!("83{}82{}5840{}", next(), next(), next());
        let bytes = const_hex::decode(text).unwrap();
        assert!(Commit::decode(&bytes).unwrap().verify().is_ok());
        assert_eq!(check(&bytes), Ok(()));
        for at in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert_eq!(check(&changed), Ok(()));
        }
    }
}
