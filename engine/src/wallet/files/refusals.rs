//! What neither file of a profile may be: forged, too large, with two of something, or of another version.

use cid::Cid;
use cid::multihash::Multihash;
use uxf_codec::ElementHash;
use uxf_codec::canonical::{Value, encode_value};

use super::{
    BLOCK_BYTES_MAX, Epoch, FILE_BYTES_MAX, FileEntry, FileHeader, FullExport, LeanRoot,
    LeanSnapshot, ProfileFileError, VALUE_BYTES_MAX,
};
use crate::bundles::{BundleRef, UnixSeconds};

const RAW: u64 = 0x55;
const DAG_CBOR: u64 = 0x71;

fn header() -> FileHeader {
    FileHeader {
        chain_pubkey: "02ab".to_owned(),
        network: "testnet".to_owned(),
        created_at_ms: 5,
    }
}

fn entry(value: &str) -> FileEntry {
    FileEntry {
        key: "addresses.tracked".to_owned(),
        value: value.to_owned(),
    }
}

fn full(refs: &[BundleRef]) -> FullExport {
    FullExport::build(header(), [entry("AAAA")], refs).unwrap()
}

fn lean(refs: &[BundleRef]) -> LeanSnapshot {
    LeanSnapshot::build(header(), Epoch::default(), [entry("AAAA")], refs).unwrap()
}

fn cid_of(codec: u64, block: &[u8]) -> Cid {
    let hash = ElementHash::of(block);
    Cid::new_v1(codec, Multihash::wrap(0x12, hash.as_bytes()).unwrap())
}

fn with_len(bytes: &[u8]) -> Vec<u8> {
    let (mut len, mut out) = (bytes.len(), Vec::new());
    while len > 0x7f {
        out.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap());
    [out.as_slice(), bytes].concat()
}

/// An archive that no writer of ours would make.
fn car(roots: &[Cid], blocks: &[(Cid, &[u8])]) -> Vec<u8> {
    let links = roots.iter().map(|cid| Value::Link(cid.to_bytes()));
    let head = Value::Map(FromIterator::from_iter([
        ("roots".to_owned(), Value::List(links.collect())),
        ("version".to_owned(), Value::Int(1)),
    ]));
    let mut out = with_len(&encode_value(&head));
    for (cid, block) in blocks {
        out.extend(with_len(&[cid.to_bytes().as_slice(), block].concat()));
    }
    out
}

/// The error that an archive is refused with, as one file and as the other.
fn refused(car: &[u8]) -> [ProfileFileError; 2] {
    [
        FullExport::read_car(car).unwrap_err(),
        LeanSnapshot::read_car(car).unwrap_err(),
    ]
}

#[test]
fn a_file_has_one_root_and_begins_with_it() {
    for root in [full(&[]).encode_root(), lean(&[]).to_root().encode()] {
        let cid = cid_of(DAG_CBOR, &root);
        for roots in [&[][..], &[cid, cid]] {
            let found = refused(&car(roots, &[(cid, &root)]));
            assert!(
                found.iter().all(|error| matches!(
                    error,
                    ProfileFileError::Roots { .. } | ProfileFileError::Archive(_)
                )),
                "{found:?}"
            );
        }
        let other = cid_of(RAW, b"other");
        let found = refused(&car(&[cid], &[(other, b"other"), (cid, &root)]));
        assert!(
            found
                .iter()
                .all(|error| matches!(error, ProfileFileError::RootMissing))
        );
    }
}

#[test]
fn a_block_under_the_id_of_another_is_refused() {
    let root = full(&[]).encode_root();
    let cid = cid_of(DAG_CBOR, &root);
    let forged = refused(&car(&[cid], &[(cid, b"forged")]));
    assert!(
        forged
            .iter()
            .all(|error| matches!(error, ProfileFileError::Content(_)))
    );
    let block = (cid_of(RAW, b"block"), &b"forged"[..]);
    let forged = FullExport::read_car(&car(&[cid], &[(cid, &root), block]));
    assert!(matches!(forged, Err(ProfileFileError::Content(_))));
}

#[test]
fn a_file_of_an_older_a_newer_or_the_other_version_is_refused() {
    for root in [full(&[]).encode_root(), lean(&[]).to_root().encode()] {
        let at = root.windows(7).position(|name| name == b"version").unwrap() + 7;
        for version in [0, 1, 4, 5, 23] {
            let mut changed = root.clone();
            changed[at] = version;
            let cid = cid_of(DAG_CBOR, &changed);
            let error = FullExport::decode_root(&changed).unwrap_err();
            let is_of_version = |error| matches!(error, ProfileFileError::Version { .. });
            assert!(is_of_version(error) || root[at] == 3, "{version}");
            let error = LeanRoot::decode(&changed).unwrap_err();
            assert!(is_of_version(error) || root[at] == 2, "{version}");
            refused(&car(&[cid], &[(cid, &changed)]));
        }
    }
    let (full, _) = full(&[]).to_car(|_| None).unwrap();
    assert!(LeanSnapshot::read_car(&full).is_err());
    assert!(FullExport::read_car(&lean(&[]).to_car().unwrap()).is_err());
}

#[test]
fn a_file_is_bounded_as_a_whole_and_in_its_blocks_and_values() {
    let is_over = |error| matches!(error, ProfileFileError::LimitExceeded { .. });
    let found = refused(&vec![0; FILE_BYTES_MAX + 1]);
    assert!(found.into_iter().all(is_over));

    let root = full(&[]).encode_root();
    let cid = cid_of(DAG_CBOR, &root);
    let block = vec![7; BLOCK_BYTES_MAX + 1];
    let large = car(&[cid], &[(cid, &root), (cid_of(RAW, &block), &block)]);
    assert!(is_over(FullExport::read_car(&large).unwrap_err()));

    let value = "A".repeat(VALUE_BYTES_MAX + 1);
    let built = FullExport::build(header(), [entry(&value)], &[]);
    assert!(is_over(built.unwrap_err()));
    let mut export = full(&[]);
    export.entries[0].value = value;
    assert!(is_over(
        FullExport::decode_root(&export.encode_root()).unwrap_err()
    ));
}

#[test]
fn a_bundle_or_a_group_that_is_there_twice_is_refused() {
    let refs = ["bafya", "bafyb"].map(|cid| BundleRef::active(cid, UnixSeconds(1)));
    let is_twice = |error| matches!(error, ProfileFileError::Duplicate { .. });
    let mut export = full(&refs);
    export.bundles[1].cid = export.bundles[0].cid.clone();
    assert!(is_twice(
        FullExport::decode_root(&export.encode_root()).unwrap_err()
    ));
    let mut root = lean(&refs).to_root();
    assert!(LeanRoot::decode(&root.encode()).is_ok());
    root.groups.push(root.groups[0].clone());
    assert!(is_twice(LeanRoot::decode(&root.encode()).unwrap_err()));
}

#[test]
fn what_is_the_same_makes_the_same_bytes_whatever_the_order_it_came_in() {
    let entries = ["a", "b", "DIRECT_0d5508_b1bbbf.sent.1"].map(|key| FileEntry {
        key: key.to_owned(),
        value: "AAAA".to_owned(),
    });
    let refs = ["bafya", "bafyb"].map(|cid| BundleRef::active(cid, UnixSeconds(1)));
    let (mut turned, mut turned_refs) = (entries.clone(), refs.clone());
    turned.reverse();
    turned_refs.reverse();
    let full = |entries, refs: &[BundleRef]| {
        let export = FullExport::build(header(), entries, refs).unwrap();
        export.to_car(|_| None).unwrap().0
    };
    assert_eq!(
        full(entries.clone(), &refs),
        full(turned.clone(), &turned_refs)
    );
    let lean = |entries, refs: &[BundleRef]| {
        let snapshot = LeanSnapshot::build(header(), Epoch::default(), entries, refs);
        snapshot.unwrap().to_car().unwrap()
    };
    assert_eq!(lean(entries, &refs), lean(turned, &turned_refs));
}
