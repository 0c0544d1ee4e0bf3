//! Properties of the files in which profiles travel, and of the snapshot that a device starts from.

use std::collections::BTreeMap;

use cid::Cid;
use cid::multihash::Multihash;
use uxf_codec::ElementHash;
use uxf_codec::canonical::{Value, encode_value};
use uxf_codec::json::{Kind, Node, Tape, write_value};
use uxf_engine::bundles::{BundleRef, UnixSeconds, check_content};
use uxf_engine::wallet::files::{
    Epoch, FileEntry, FileHeader, FullExport, FullExportFile, GroupLine, LeanRoot, LeanSnapshot,
    LocalSnapshot, ProfileFileError, read_local_snapshot,
};

use super::recipe::Recipe;
use super::{Verdict, ensure, must};

const DAG_CBOR: u64 = 0x71;
const RAW: u64 = 0x55;
const BLOCKS_MAX: usize = 64;
/// The wallet of most snapshots among the golden vectors.
const WALLET: &str = "028b3590688e8568a2e20608c1cf8953e3c0b62cea6e404fd3956f8eb69296badd";

fn header() -> FileHeader {
    FileHeader {
        chain_pubkey: "02ab".to_owned(),
        network: "testnet".to_owned(),
        created_at_ms: 5,
    }
}

/// Bytes are refused as a snapshot, as its root and as one of its groups, or are the one encoding of what is read. What
/// is read is written and read again.
pub(super) fn check_lean(bytes: &[u8]) -> Verdict {
    if let Ok(root) = LeanRoot::decode(bytes) {
        ensure(root.encode() == bytes, || {
            "a root has two encodings".to_owned()
        })?;
    }
    check_group(bytes)?;
    match LeanSnapshot::read_car(bytes) {
        Ok(read) => check_snapshot(&read),
        Err(_) => Ok(()),
    }
}

/// Reads a block as the group that it says it is.
fn check_group(block: &[u8]) -> Verdict {
    let mut line = GroupLine {
        key: String::new(),
        block: ElementHash::of(block),
        entries: u64::MAX,
    };
    let Err(ProfileFileError::GroupMismatch { found, entries, .. }) = line.read(block) else {
        return Ok(());
    };
    line.key = found;
    line.entries = entries as u64;
    let group = must("a group under its own name", line.read(block))?;
    let snapshot = LeanSnapshot {
        header: header(),
        epoch: Epoch::default(),
        groups: vec![group],
        bundles: Vec::new(),
    };
    ensure(snapshot.to_root().groups == [line], || {
        "a group has two encodings".to_owned()
    })?;
    check_snapshot(&snapshot)
}

fn check_snapshot(snapshot: &LeanSnapshot) -> Verdict {
    let car = must("a snapshot that was read", snapshot.to_car())?;
    let again = must("a snapshot that was written", LeanSnapshot::read_car(&car))?;
    ensure(again == *snapshot, || {
        "another snapshot is read than was written".to_owned()
    })?;
    let entries: Vec<FileEntry> = snapshot
        .groups
        .iter()
        .flat_map(|group| group.entries.clone())
        .collect();
    let epoch = snapshot.epoch.clone();
    // One key in two groups is found only here: whoever applies a snapshot joins the entries one by one.
    let Ok(built) = LeanSnapshot::build(snapshot.header.clone(), epoch.clone(), entries, &[])
    else {
        return Ok(());
    };
    let entries: Vec<FileEntry> = built
        .groups
        .iter()
        .flat_map(|group| group.entries.clone())
        .collect();
    let rebuilt = LeanSnapshot::build(snapshot.header.clone(), epoch, entries, &[]);
    ensure(must("entries that were sorted", rebuilt)? == built, || {
        "sorting entries again changes a snapshot".to_owned()
    })
}

/// Bytes are refused as an export and as its root, or are the one encoding of what is read. The bytes are also read as
/// blocks that link to each other, some of them lost, which a file then carries or names.
pub(super) fn check_full(bytes: &[u8]) -> Verdict {
    if let Ok(export) = FullExport::decode_root(bytes) {
        ensure(export.encode_root() == bytes, || {
            "a root has two encodings".to_owned()
        })?;
    }
    if let Ok(file) = FullExport::read_car(bytes) {
        check_file(&file)?;
    }
    check_bundles(Recipe::new(bytes))
}

fn check_file(file: &FullExportFile) -> Verdict {
    for (cid, block) in &file.blocks {
        must("a block of the file", check_content(cid, block))?;
    }
    let fetch = |cid: &Cid| file.blocks.get(cid).cloned();
    let (car, summary) = must("an export that was read", file.export.to_car(fetch))?;
    ensure(summary.incomplete == file.incomplete, || {
        "reader and writer disagree on what is missing".to_owned()
    })?;
    let again = must("an export that was written", FullExport::read_car(&car))?;
    ensure(
        again.export == file.export
            && again.complete == file.complete
            && again.incomplete == file.incomplete,
        || "another export is read than was written".to_owned(),
    )?;
    ensure(again.blocks.len() == summary.blocks, || {
        "blocks are lost".to_owned()
    })
}

fn check_bundles(mut recipe: Recipe<'_>) -> Verdict {
    let (mut blocks, mut known) = (BTreeMap::<Cid, Vec<u8>>::new(), Vec::new());
    let mut refs = BTreeMap::new();
    while !recipe.is_empty() && known.len() < BLOCKS_MAX {
        let how = recipe.byte();
        let len = recipe.number() % 1_024;
        let block = if how & 1 == 0 {
            let links = (0..how >> 4).filter_map(|_| recipe.one_of(&known));
            encode_value(&Value::List(
                links.map(|cid: Cid| Value::Link(cid.to_bytes())).collect(),
            ))
        } else {
            recipe.take(len).to_vec()
        };
        let codec = if how & 2 == 0 { DAG_CBOR } else { RAW };
        let hash = ElementHash::of(&block);
        let digest = must("32 bytes", Multihash::wrap(0x12, hash.as_bytes()))?;
        let cid = Cid::new_v1(codec, digest);
        known.push(cid);
        if how & 4 != 0 {
            let text = cid.to_string();
            refs.insert(cid, BundleRef::active(&text, UnixSeconds(1)));
        }
        if how & 8 == 0 {
            blocks.insert(cid, block);
        }
    }
    let refs: Vec<_> = refs.into_values().collect();
    let export = must(
        "an export of bundles",
        FullExport::build(header(), [], &refs),
    )?;
    let (car, summary) = must("its file", export.to_car(|cid| blocks.get(cid).cloned()))?;
    let file = must("its file", FullExport::read_car(&car))?;
    ensure(
        file.export == export && file.incomplete == summary.incomplete,
        || "a file of bundles is read otherwise than it was written".to_owned(),
    )?;
    check_file(&file)
}

/// A snapshot to start from is refused, or reads as what was written, whatever the token file in it; another wallet's is
/// refused.
pub(super) fn check_local(bytes: &[u8]) -> Verdict {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return Ok(());
    };
    let mut tape = Tape::new();
    if let Ok(Some(read)) = read_local_snapshot(&mut tape, Some(text), WALLET, 0) {
        ensure(read.age_ms == 0 && read.data().is_some(), || {
            "a snapshot without a token file, or of the future".to_owned()
        })?;
    }
    let mut tape = Tape::new();
    let Ok(data) = tape.parse(bytes) else {
        return Ok(());
    };
    // A number beyond all floats cannot be written.
    let Some(canonical) = canonical(data).filter(|_| data.kind() == Kind::Object) else {
        return Ok(());
    };
    let written = LocalSnapshot {
        wallet_id: WALLET,
        address_id: "DIRECT_0d5508_b1bbbf",
        network: "testnet",
        written_at_ms: 1_000,
        epoch: Some(3),
        pointer: Some(data),
        bundle_cids: &["x", "y"],
        data,
    };
    let written = written.format();
    let mut tape = Tape::new();
    let other = read_local_snapshot(&mut tape, Some(&written), "02ab", 0);
    ensure(other.is_err(), || {
        "another wallet's snapshot is started from".to_owned()
    })?;
    let mut tape = Tape::new();
    let read = must(
        "what was written",
        read_local_snapshot(&mut tape, Some(&written), WALLET, 1_500),
    )?;
    let is_same = read.is_some_and(|read| {
        let same =
            |node: Option<Node<'_>>| node.and_then(self::canonical).as_ref() == Some(&canonical);
        same(read.data())
            && same(read.pointer())
            && read.age_ms == 500
            && read.epoch() == Some(3)
            && read.bundle_cids().eq(["x", "y"])
    });
    ensure(is_same, || {
        "another snapshot is read than was written".to_owned()
    })
}

fn canonical(node: Node<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write_value(&mut out, &node.to_value().ok()?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> LeanSnapshot {
        let entries = ["addresses.tracked", "DIRECT_0d5508_b1bbbf.sent.1"];
        let entries = entries.map(|key| FileEntry {
            key: key.to_owned(),
            value: "AAAA".to_owned(),
        });
        let epoch = Epoch::new(Some(3), Some("why".to_owned())).unwrap();
        LeanSnapshot::build(header(), epoch, entries, &[]).unwrap()
    }

    fn changes(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
        (0..bytes.len() * 8).map(|at| {
            let mut changed = bytes.to_vec();
            changed[at / 8] ^= 1 << (at % 8);
            changed
        })
    }

    #[test]
    fn the_property_holds_for_a_lean_snapshot_and_its_blocks_with_any_bit_changed() {
        let snapshot = snapshot();
        let group = snapshot.to_root().groups[0].clone();
        let car = snapshot.to_car().unwrap();
        let block = (0..car.len())
            .find_map(|at| {
                (at..car.len())
                    .find(|end| group.read(&car[at..*end]).is_ok())
                    .map(|end| &car[at..end])
            })
            .unwrap();
        for bytes in [&car, &snapshot.to_root().encode(), block] {
            assert_eq!(check_lean(bytes), Ok(()));
            for changed in changes(bytes) {
                assert_eq!(check_lean(&changed), Ok(()), "{changed:?}");
            }
        }
    }

    #[test]
    fn the_property_holds_for_a_full_export_with_any_bit_changed_and_for_random_bundles() {
        let entry = FileEntry {
            key: "addresses.tracked".to_owned(),
            value: "AAAA".to_owned(),
        };
        let refs = [BundleRef::active("bafy", UnixSeconds(1)).with_token_count(3)];
        let export = FullExport::build(header(), [entry], &refs).unwrap();
        let (car, _) = export.to_car(|_| None).unwrap();
        for bytes in [car, export.encode_root()] {
            assert_eq!(check_full(&bytes), Ok(()));
            for changed in changes(&bytes) {
                assert_eq!(check_full(&changed), Ok(()), "{changed:?}");
            }
        }
        let mut rng = uxf_testkit::Rng::new(1);
        for _ in 0..500 {
            let mut bytes = [0; 400];
            rng.fill(&mut bytes);
            assert_eq!(check_full(&bytes), Ok(()), "{bytes:?}");
        }
    }

    #[test]
    fn the_property_holds_for_any_token_file_in_a_local_snapshot() {
        for text in [
            r#"{"z":1.50,"a":[1e21,-0.0,"\u00e9\u0001"],"7":null,"3":{}}"#,
            r#"{"a":1e999}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"version":1}"#,
            "[]",
        ] {
            assert_eq!(check_local(text.as_bytes()), Ok(()), "{text}");
        }
    }
}
