use std::collections::BTreeMap;

use cid::Cid;
use uxf_codec::ElementHash;
use uxf_codec::carriage::car::CarWriter;

use super::archive::Archive;
use super::bundle_blocks::{Completeness, gather};
use super::parts::{
    self, BLOCKS_MAX, BlockReader, FILE_BYTES_MAX, FileBundle, FileEntry, FileHeader,
};
use super::{BLOCK_BYTES_MAX, ProfileFileError};
use crate::bundles::{BUNDLE_KEY_PREFIX, BundleRef, consolidation::LOCK_KEY};
use crate::profile::keys::{Class, classify, to_profile_key};

const VERSION: u64 = 2;

/// A profile in one file, with the bundles it names (profile notes, section 12).
///
/// Left out is what belongs to one device: references and locks (the bundles are listed beside the entries), the times
/// of events, and what is only cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullExport {
    /// Whose it is.
    pub header: FileHeader,
    /// The entries.
    pub entries: Vec<FileEntry>,
    /// The bundles.
    pub bundles: Vec<FileBundle>,
}

/// A full export as it was read.
#[derive(Clone, Debug)]
pub struct FullExportFile {
    /// What it says.
    pub export: FullExport,
    /// The blocks of its bundles, each verified against its id.
    pub blocks: BTreeMap<Cid, Vec<u8>>,
    /// Ids of the bundles all of whose blocks are there.
    pub complete: Vec<String>,
    /// Ids of the bundles of which a block is absent. They are dropped; the rest of the file counts.
    pub incomplete: Vec<String>,
}

/// What writing a file came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FullExportSummary {
    /// Ids of bundles that are named in the file although not all of their blocks are in it.
    pub incomplete: Vec<String>,
    /// Blocks beside the root.
    pub blocks: usize,
}

fn is_left_out(key: &str) -> bool {
    let is_of_bundles = key.starts_with(BUNDLE_KEY_PREFIX) || key == LOCK_KEY;
    let translated = to_profile_key(key, None);
    let class = classify(&translated.profile_key);
    let is_of_one_device = matches!(class, Class::CacheOnly | Class::Identity);
    is_of_bundles || is_of_one_device || translated.excluded || parts::is_event_time(key)
}

impl FullExport {
    /// Makes an export of entries and references.
    ///
    /// # Errors
    /// [`ProfileFileError::Duplicate`], [`ProfileFileError::LimitExceeded`].
    pub fn build(
        header: FileHeader,
        entries: impl IntoIterator<Item = FileEntry>,
        refs: &[BundleRef],
    ) -> Result<Self, ProfileFileError> {
        let kept = entries.into_iter().filter(|entry| !is_left_out(&entry.key));
        Ok(Self {
            header,
            entries: parts::sorted(kept)?,
            bundles: FileBundle::of(refs),
        })
    }

    /// The root block.
    pub fn encode_root(&self) -> Vec<u8> {
        let mut out = Vec::new();
        parts::write_map(&mut out, 6);
        parts::write_bundles(&mut out, &self.bundles);
        parts::write_entries(&mut out, &self.entries);
        parts::write_kind(&mut out, &self.header, VERSION);
        parts::write_origin(&mut out, &self.header);
        out
    }

    /// Reads a root block. The caller has checked its hash.
    ///
    /// # Errors
    /// [`ProfileFileError`].
    pub fn decode_root(bytes: &[u8]) -> Result<Self, ProfileFileError> {
        let mut reader = BlockReader::new(bytes, "root");
        reader.map_of(6, "a root of six fields")?;
        let bundles = reader.bundles()?;
        let entries = reader.entries()?;
        let network = reader.kind(VERSION)?;
        let header = reader.header(network)?;
        reader.end()?;
        let export = Self {
            header,
            entries,
            bundles,
        };
        Ok(export)
    }

    /// The archive: the root, then all blocks of all bundles, each once, in the order of their ids as text. `fetch` gives
    /// a block, whose hash the caller has checked, or nothing. Of a bundle with an absent block nothing is written that
    /// no other bundle needs. Equal exports have equal bytes.
    ///
    /// ```
    /// use uxf_engine::wallet::files::{FileHeader, FullExport};
    ///
    /// let header = FileHeader { chain_pubkey: "02ab".into(), network: "testnet".into(), created_at_ms: 1 };
    /// let export = FullExport::build(header, [], &[]).unwrap();
    /// let (car, _) = export.to_car(|_| None).unwrap();
    /// assert_eq!(FullExport::read_car(&car).unwrap().export, export);
    /// ```
    ///
    /// # Errors
    /// [`ProfileFileError::LimitExceeded`] for a file over one of its limits.
    pub fn to_car(
        &self,
        mut fetch: impl FnMut(&Cid) -> Option<Vec<u8>>,
    ) -> Result<(Vec<u8>, FullExportSummary), ProfileFileError> {
        let mut blocks: BTreeMap<String, (Cid, Vec<u8>)> = BTreeMap::new();
        let mut summary = FullExportSummary::default();
        let mut bytes = 0_usize;
        for bundle in &self.bundles {
            let Some(found) = gather(&bundle.cid, &mut fetch)? else {
                summary.incomplete.push(bundle.cid.clone());
                continue;
            };
            for (cid, block) in found {
                bytes = bytes.saturating_add(block.len());
                blocks.insert(cid.to_string(), (cid, block));
            }
            ProfileFileError::check("blocks", blocks.len() + 1, BLOCKS_MAX)?;
            ProfileFileError::check("bytes of a file", bytes, FILE_BYTES_MAX)?;
        }
        let root = self.encode_root();
        let root_hash = ElementHash::of(&root);
        let mut car = CarWriter::begin(Vec::new(), &root_hash)?;
        car.put(&root_hash, &root)?;
        for (cid, block) in blocks.values() {
            car.put_under(cid, block)?;
        }
        summary.blocks = blocks.len();
        let car = car.finish()?;
        ProfileFileError::check("bytes of a file", car.len(), FILE_BYTES_MAX)?;
        Ok((car, summary))
    }

    /// Reads an archive, all of it.
    ///
    /// # Errors
    /// [`ProfileFileError`]. A bundle with missing blocks is no error.
    pub fn read_car(car: &[u8]) -> Result<FullExportFile, ProfileFileError> {
        let archive = Archive::read(car, BLOCK_BYTES_MAX)?;
        let export = Self::decode_root(&archive.root)?;
        let mut found = Completeness::of(&archive.blocks);
        let (mut complete, mut incomplete) = (Vec::new(), Vec::new());
        for bundle in &export.bundles {
            let list = if found.has_all_of(&bundle.cid) {
                &mut complete
            } else {
                &mut incomplete
            };
            list.push(bundle.cid.clone());
        }
        Ok(FullExportFile {
            export,
            blocks: archive.blocks,
            complete,
            incomplete,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundle_blocks::DAG_CBOR;
    use super::*;
    use crate::bundles::UnixSeconds;
    use cid::multihash::Multihash;
    use std::collections::BTreeSet;
    use uxf_codec::canonical::{Value, encode_value};

    fn header() -> FileHeader {
        FileHeader {
            chain_pubkey: "02ab".to_owned(),
            network: "testnet".to_owned(),
            created_at_ms: 5,
        }
    }

    fn entry(key: &str) -> FileEntry {
        FileEntry {
            key: key.to_owned(),
            value: "AAAA".to_owned(),
        }
    }

    fn cid_of(codec: u64, block: &[u8]) -> Cid {
        let hash = ElementHash::of(block);
        Cid::new_v1(codec, Multihash::wrap(0x12, hash.as_bytes()).unwrap())
    }

    /// A bundle of two blocks, one old bundle that is a single raw block, and one of which a block is lost.
    fn store() -> (BTreeMap<Cid, Vec<u8>>, [String; 3]) {
        let mut blocks = BTreeMap::new();
        let mut put = |codec, block: Vec<u8>| {
            let cid = cid_of(codec, &block);
            blocks.insert(cid, block);
            cid
        };
        let linking = |links: &[Cid]| {
            let links = links.iter().map(|cid| Value::Link(cid.to_bytes()));
            encode_value(&Value::List(links.collect()))
        };
        let leaf = put(DAG_CBOR, linking(&[]));
        let whole = put(DAG_CBOR, linking(&[leaf, leaf]));
        let raw = put(0x55, b"an old bundle".to_vec());
        let lost = cid_of(DAG_CBOR, b"lost");
        let broken = put(DAG_CBOR, linking(&[leaf, lost]));
        (blocks, [whole, raw, broken].map(|cid| cid.to_string()))
    }

    #[test]
    fn a_file_carries_whole_bundles_and_names_the_others() {
        let (blocks, [whole, raw, broken]) = store();
        let refs = [&whole, &raw, &broken].map(|cid| BundleRef::active(cid, UnixSeconds(1)));
        let export = FullExport::build(header(), [entry("x")], &refs).unwrap();
        let (car, summary) = export.to_car(|cid| blocks.get(cid).cloned()).unwrap();
        assert_eq!(summary.incomplete, core::slice::from_ref(&broken));
        assert_eq!(summary.blocks, 3, "a shared block is there once");
        let (again, _) = export.to_car(|cid| blocks.get(cid).cloned()).unwrap();
        assert_eq!(car, again);
        let read = FullExport::read_car(&car).unwrap();
        assert_eq!(read.export, export);
        assert_eq!(read.incomplete, [broken]);
        assert_eq!(
            BTreeSet::from_iter(read.complete),
            BTreeSet::from([whole, raw])
        );
        assert!(
            read.blocks
                .iter()
                .all(|(cid, block)| blocks.get(cid) == Some(block))
        );
    }

    /// Looked at from each bundle anew, these would be looked at four hundred million times.
    #[test]
    fn bundles_that_share_all_their_blocks_cost_no_more_than_their_blocks() {
        let mut blocks = BTreeMap::new();
        let linking = |links: &[Cid], number: i128| {
            let links = links.iter().map(|cid| Value::Link(cid.to_bytes()));
            encode_value(&Value::List(links.chain([Value::Int(number)]).collect()))
        };
        let mut put = |block: Vec<u8>| {
            let cid = cid_of(DAG_CBOR, &block);
            blocks.insert(cid, block);
            cid
        };
        let leaves: Vec<_> = (0..20_000)
            .map(|number| put(linking(&[], number)))
            .collect();
        let shared = put(linking(&leaves, 0));
        let bundles = (1..20_000).map(|number| put(linking(&[shared], number)));
        let refs: Vec<_> = bundles
            .map(|cid| BundleRef::active(&cid.to_string(), UnixSeconds(1)))
            .collect();
        let mut found = Completeness::of(&blocks);
        assert!(refs.iter().all(|bundle| found.has_all_of(bundle.cid())));
        let mut less = blocks.clone();
        less.remove(&leaves[7]);
        let mut found = Completeness::of(&less);
        assert!(!refs.iter().any(|bundle| found.has_all_of(bundle.cid())));
    }

    #[test]
    fn what_belongs_to_one_device_is_in_no_file() {
        let left_out = [
            "tokens.bundle.c",
            "consolidation.pending",
            "last_wallet_event_ts_ab",
            "transport.lastDmEventTs.ab",
            "identity.masterKey",
            "mnemonic",
            "prices.cache",
            "ipfs_seq_x",
        ];
        let kept = ["DIRECT_0d5508_b1bbbf.sent.1", "addresses.tracked"];
        let entries = left_out.iter().chain(&kept).map(|key| entry(key));
        let unverified = BundleRef::unverified("c", UnixSeconds(1));
        let export = FullExport::build(header(), entries, &[unverified]).unwrap();
        let keys: Vec<_> = export
            .entries
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        assert_eq!(keys, kept);
        assert!(export.bundles.is_empty());
    }

    #[test]
    fn no_changed_byte_goes_unnoticed_and_no_cut() {
        let (blocks, [whole, ..]) = store();
        let refs = [BundleRef::active(&whole, UnixSeconds(1))];
        let export = FullExport::build(header(), [entry("x")], &refs).unwrap();
        let (car, _) = export.to_car(|cid| blocks.get(cid).cloned()).unwrap();
        for at in 0..car.len() {
            let mut changed = car.clone();
            changed[at] ^= 1;
            if let Ok(read) = FullExport::read_car(&changed) {
                assert_eq!(read.export, export, "byte {at}");
                assert!(
                    read.blocks
                        .iter()
                        .all(|(cid, block)| cid_of(cid.codec(), block) == *cid)
                );
            }
            // A cut between two blocks loses blocks, and the bundle says so.
            if let Ok(read) = FullExport::read_car(&car[..at]) {
                assert_eq!(read.incomplete.len(), 1, "cut at {at}");
            }
        }
    }

    #[test]
    fn one_key_twice_is_refused_on_either_side() {
        let twice = FullExport::build(header(), [entry("x"), entry("x")], &[]);
        assert!(matches!(twice, Err(ProfileFileError::Duplicate { .. })));
        let mut export = FullExport::build(header(), [entry("x"), entry("y")], &[]).unwrap();
        export.entries[1].key = "x".to_owned();
        let read = FullExport::decode_root(&export.encode_root());
        assert!(matches!(read, Err(ProfileFileError::Duplicate { .. })));
    }

    #[test]
    fn a_root_that_says_it_has_more_fields_is_refused() {
        let export = FullExport::build(header(), [entry("x")], &[]).unwrap();
        let mut root = export.encode_root();
        assert_eq!(root[0], 0xa6);
        root[0] = 0xa7;
        assert!(FullExport::decode_root(&root).is_err());
    }

    #[test]
    fn a_count_that_lies_costs_nothing() {
        let mut root = Vec::new();
        parts::write_map(&mut root, 6);
        crate::cbor::text(&mut root, "bundles");
        crate::cbor::head(&mut root, crate::cbor::ARRAY, u64::MAX);
        let read = FullExport::decode_root(&root);
        assert!(matches!(read, Err(ProfileFileError::LimitExceeded { .. })));
    }
}
