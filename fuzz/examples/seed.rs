//! Makes seed corpora out of the golden vectors: `cargo run --manifest-path fuzz/Cargo.toml --example seed`.
//!
//! Every target gets the vectors of its kind, a file each, in `fuzz/corpus/TARGET/`. Running it again changes nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uxf_codec::carriage::car::{CarLimits, CarReader};
use uxf_tests::conformance::json::{parse, sha256_hex};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = root.join("../tests/vectors/uxf");
    let corpus = root.join("corpus");
    copy(
        &vectors,
        &["tokens"],
        "json",
        &corpus,
        &["token_deconstruct", "json_tape"],
    )?;
    copy(
        &vectors,
        &["packages", "invalid"],
        "json",
        &corpus,
        &["uxf_json_read", "json_tape"],
    )?;
    copy(
        &vectors,
        &["packages", "invalid"],
        "car",
        &corpus,
        &["car_read"],
    )?;
    copy(
        &vectors,
        &["transfer"],
        "car",
        &corpus,
        &["transfer_payload", "car_read"],
    )?;
    for file in files(&vectors.join("expect"), "json")? {
        let elements = preimages(&parse(&fs::read(file)?)?);
        for element in &elements {
            put(&corpus, "element_decode", element)?;
        }
        put(&corpus, "reassemble_hostile", &recipe(&elements))?;
    }
    put(&corpus, "commit_decode", &commit()?)?;
    put(&corpus, "delta_decode", &delta()?)?;
    for seed in 0..32_u8 {
        let bytes = decisions(seed);
        for target in [
            "delta_ingest",
            "fold_operations",
            "sealed_open",
            "full_export_read",
        ] {
            put(&corpus, target, &bytes)?;
        }
    }
    let (segment, checkpoint) = checkpoint()?;
    let whole = [&checkpoint, &segment].map(|record| lengthened(record));
    put(&corpus, "checkpoint_decode", &whole.concat())?;
    put(&corpus, "checkpoint_decode", &segment)?;
    put(&corpus, "checkpoint_decode", &checkpoint)?;
    put_bundle_blocks(&vectors.join("packages"), &corpus)?;
    put_profile_files(&root.join("../tests/vectors/profile"), &corpus)?;
    put_streams(&corpus)?;
    put_payloads(&vectors, &corpus)
}

/// A close and the wants, blocks and presences of one block, as `docs/WIRE.md` and the specification of bitswap have them.
fn put_streams(corpus: &Path) -> io::Result<()> {
    put(corpus, "wire_frames", &[0, 0, 0, 4, 0, 0, 6, 1])?;
    let id = "015512202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let message = [
        "6d0a320a2e0a24",
        id,
        "10011801200128011001",
        "1a0d0a0401551220120568656c6c6f22280a24",
        id,
        "1001",
    ];
    let message = const_hex::decode(message.concat()).map_err(io::Error::other)?;
    put(corpus, "bitswap_messages", &message)
}

/// The texts that carry tokens from hand to hand.
fn put_payloads(vectors: &Path, corpus: &Path) -> io::Result<()> {
    let payloads = parse(&fs::read(vectors.join("transfer/payloads.json"))?)?;
    for (list, field) in [
        ("encode", "encoded"),
        ("decode", "content"),
        ("base64", "input"),
    ] {
        for case in payloads
            .get(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = case.get(field).and_then(Value::as_str).unwrap_or_default();
            put(corpus, "transfer_payload", text.as_bytes())?;
        }
    }
    Ok(())
}

/// Envelope and manifest of every package, which come first in its archive.
fn put_bundle_blocks(packages: &Path, corpus: &Path) -> io::Result<()> {
    for file in files(packages, "car")? {
        let car = fs::read(file)?;
        let reader = CarReader::new(car.as_slice(), CarLimits::REFERENCE);
        let mut reader = reader.map_err(io::Error::other)?;
        for _ in 0..2 {
            if let Some(block) = reader.next_block().map_err(io::Error::other)? {
                put(corpus, "bundle_blocks_read", block.bytes)?;
            }
        }
    }
    Ok(())
}

/// The files of profiles, in bytes and in text.
fn put_profile_files(vectors: &Path, corpus: &Path) -> io::Result<()> {
    let snapshots = parse(&fs::read(vectors.join("profile-snapshots.json"))?)?;
    let lists = ["cases", "must_fail"].map(|list| snapshots.get(list).and_then(Value::as_array));
    for case in lists.into_iter().flatten().flatten() {
        let car = case.get("car_hex").and_then(Value::as_str);
        let car = const_hex::decode(car.unwrap_or_default()).map_err(io::Error::other)?;
        put(corpus, "lean_snapshot_read", &car)?;
        put(corpus, "full_export_read", &car)?;
    }
    let blobs = parse(&fs::read(vectors.join("local-snapshot-blob.json"))?)?;
    let cases = blobs.get("cases").and_then(Value::as_array);
    for case in cases.into_iter().flatten() {
        let text = case.get("text").and_then(Value::as_str).unwrap_or_default();
        put(corpus, "local_snapshot_read", text.as_bytes())?;
    }
    copy(
        &vectors.join("../uxf"),
        &["tokens"],
        "json",
        corpus,
        &["local_snapshot_read"],
    )
}

/// Bytes that are read as decisions, different for each seed.
fn decisions(seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes().first().copied().unwrap_or_default()
    };
    (0..40 + usize::from(seed) * 16).map(|_| next()).collect()
}

/// The canonical bytes that an expectation tells, children before parents.
fn preimages(expected: &Value) -> Vec<Vec<u8>> {
    let elements = expected
        .get("elements")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    elements
        .filter_map(|element| const_hex::decode(element.get("preimage")?.as_str()?).ok())
        .collect()
}

/// The commit of the worked example in `docs/FORMAT.md`.
fn commit() -> io::Result<Vec<u8>> {
    let blocks = example("**Worked example.**")?;
    let [header, operations, signature, ..] = blocks.as_slice() else {
        return Err(io::Error::other("the format shows no commit"));
    };
    const_hex::decode(format!("83{header}82{operations}5840{signature}")).map_err(io::Error::other)
}

/// The segment and the checkpoint of the example in `docs/FORMAT.md`.
fn checkpoint() -> io::Result<(Vec<u8>, Vec<u8>)> {
    let blocks = example("**Example of a checkpoint.**")?;
    let [segment, header, signature, ..] = blocks.as_slice() else {
        return Err(io::Error::other("the format shows no checkpoint"));
    };
    let segment = const_hex::decode(segment).map_err(io::Error::other)?;
    let checkpoint = const_hex::decode(format!("82{header}5840{signature}"));
    Ok((segment, checkpoint.map_err(io::Error::other)?))
}

/// The delta of the example in `docs/FORMAT.md`.
fn delta() -> io::Result<Vec<u8>> {
    let blocks = example("**Example of a delta.**")?;
    let [head, end, ..] = blocks.as_slice() else {
        return Err(io::Error::other("the format shows no delta"));
    };
    let head = const_hex::decode(head).map_err(io::Error::other)?;
    let end = const_hex::decode(end).map_err(io::Error::other)?;
    Ok([head, commit()?, end].concat())
}

/// A record after its length in three bytes, as `checkpoint_decode` takes it apart.
fn lengthened(record: &[u8]) -> Vec<u8> {
    let len = record.len().to_be_bytes();
    [len.last_chunk::<3>().map_or(&[][..], |len| len), record].concat()
}

/// The blocks of hexadecimal digits that follow a title in `docs/FORMAT.md`.
fn example(title: &str) -> io::Result<Vec<String>> {
    let format = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md");
    let format = fs::read_to_string(format)?;
    let example = format.split(title).nth(1).unwrap_or_default();
    let blocks = example.split("```").skip(1).step_by(2);
    Ok(blocks
        .map(|block| block.split_whitespace().collect())
        .collect())
}

/// An input of `reassemble_hostile` that puts honest elements in and assembles the last at its latest state.
fn recipe(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut recipe = vec![0x1f];
    for element in elements {
        if let Ok(len) = u16::try_from(element.len()) {
            recipe.push(0);
            recipe.extend_from_slice(&len.to_le_bytes());
            recipe.extend_from_slice(element);
        }
    }
    recipe
}

fn copy(
    vectors: &Path,
    folders: &[&str],
    extension: &str,
    corpus: &Path,
    targets: &[&str],
) -> io::Result<()> {
    for folder in folders {
        for file in files(&vectors.join(folder), extension)? {
            let bytes = fs::read(file)?;
            for target in targets {
                put(corpus, target, &bytes)?;
            }
        }
    }
    Ok(())
}

fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

fn put(corpus: &Path, target: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(sha256_hex(bytes)), bytes)
}
