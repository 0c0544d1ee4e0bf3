use std::collections::BTreeMap;

use uxf_codec::ElementHash;
use uxf_codec::carriage::car::CarWriter;

use super::archive::Archive;
use super::lean_root::{Epoch, GroupLine, LeanRoot};
use super::parts::{self, FileBundle, FileEntry, FileHeader};
use super::{GROUP_BYTES_MAX, ProfileFileError};
use crate::bundles::BundleRef;
use crate::profile::keys::AddressId;
use crate::profile::merge::JsText;

const GLOBAL: &str = "__global__";

/// The entries of one address, or those of none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryGroup {
    /// The id of the address, or `__global__`.
    pub key: String,
    /// Its entries, in the order of their keys.
    pub entries: Vec<FileEntry>,
}

/// What devices of the reference exchange: all entries of a profile but the times of events, in a block for each address,
/// so that equal parts have equal ids (profile notes, section 12). Seed material does not get in, should it ever be asked.
///
/// ```
/// use uxf_engine::wallet::files::{Epoch, FileEntry, FileHeader, LeanSnapshot};
///
/// let header = FileHeader { chain_pubkey: "02ab".into(), network: "testnet".into(), created_at_ms: 1 };
/// let entry = FileEntry { key: "addresses.tracked".into(), value: "AAAA".into() };
/// let snapshot = LeanSnapshot::build(header, Epoch::default(), [entry], &[]).unwrap();
/// let car = snapshot.to_car().unwrap();
/// assert_eq!(LeanSnapshot::read_car(&car).unwrap(), snapshot);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeanSnapshot {
    /// Whose it is.
    pub header: FileHeader,
    /// Since when the history counts.
    pub epoch: Epoch,
    /// The groups, in order.
    pub groups: Vec<EntryGroup>,
    /// The bundles, in order.
    pub bundles: Vec<FileBundle>,
}

/// The group of a key: the address it begins with.
fn group_of(key: &str) -> &str {
    let Some((address, rest)) = key.split_at_checked(20) else {
        return GLOBAL;
    };
    if AddressId::parse(address).is_ok() && rest.starts_with(['.', '_']) {
        address
    } else {
        GLOBAL
    }
}

impl LeanSnapshot {
    /// Makes a snapshot of entries and references. Tombstones past their retention should be gone before.
    ///
    /// # Errors
    /// [`ProfileFileError::Duplicate`], [`ProfileFileError::LimitExceeded`].
    pub fn build(
        header: FileHeader,
        epoch: Epoch,
        entries: impl IntoIterator<Item = FileEntry>,
        refs: &[BundleRef],
    ) -> Result<Self, ProfileFileError> {
        let kept = entries
            .into_iter()
            .filter(|entry| !parts::is_event_time(&entry.key) && !parts::is_identity(&entry.key));
        let mut groups: BTreeMap<JsText, Vec<FileEntry>> = BTreeMap::new();
        for entry in parts::sorted(kept)? {
            let group = groups.entry(group_of(&entry.key).into()).or_default();
            group.push(entry);
        }
        let groups = groups.into_iter().map(|(key, entries)| EntryGroup {
            key: key.into(),
            entries,
        });
        Ok(Self {
            header,
            epoch,
            groups: groups.collect(),
            bundles: FileBundle::of(refs),
        })
    }

    /// The archive: the root, then the groups. Equal snapshots have equal bytes.
    ///
    /// # Errors
    /// [`ProfileFileError::LimitExceeded`] if a group is too large for a block.
    pub fn to_car(&self) -> Result<Vec<u8>, ProfileFileError> {
        let blocks: Vec<_> = self.groups.iter().map(EntryGroup::encode).collect();
        for block in &blocks {
            ProfileFileError::check("bytes of a group", block.len(), GROUP_BYTES_MAX)?;
        }
        let root = self.root_of(&blocks);
        let root_bytes = root.encode();
        let root_hash = ElementHash::of(&root_bytes);
        let mut car = CarWriter::begin(Vec::new(), &root_hash)?;
        car.put(&root_hash, &root_bytes)?;
        for (line, block) in root.groups.iter().zip(&blocks) {
            car.put(&line.block, block)?;
        }
        Ok(car.finish()?)
    }

    /// The root, which names the groups' blocks.
    pub fn to_root(&self) -> LeanRoot {
        let blocks: Vec<_> = self.groups.iter().map(EntryGroup::encode).collect();
        self.root_of(&blocks)
    }

    fn root_of(&self, blocks: &[Vec<u8>]) -> LeanRoot {
        let groups = self.groups.iter().zip(blocks);
        let lines = groups.map(|(group, block)| GroupLine {
            key: group.key.clone(),
            block: ElementHash::of(block),
            entries: group.entries.len() as u64,
        });
        LeanRoot {
            groups: lines.collect(),
            header: self.header.clone(),
            epoch: self.epoch.clone(),
            bundles: self.bundles.clone(),
        }
    }

    /// Reads an archive, all of it.
    ///
    /// # Errors
    /// [`ProfileFileError`]. Every block must have the hash of its id, every group must be there and be what the root
    /// says.
    pub fn read_car(car: &[u8]) -> Result<Self, ProfileFileError> {
        let archive = Archive::read(car, GROUP_BYTES_MAX)?;
        let root = LeanRoot::decode(&archive.root)?;
        let groups = root.groups.iter().map(|line| {
            let block = archive.blocks.get(&line.cid());
            let block = block.ok_or_else(|| ProfileFileError::GroupMissing {
                group: line.key.clone(),
            })?;
            line.decode(block)
        });
        Ok(Self {
            groups: groups.collect::<Result<_, _>>()?,
            header: root.header,
            epoch: root.epoch,
            bundles: root.bundles,
        })
    }
}

impl EntryGroup {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        parts::write_map(&mut out, 2);
        parts::write_entries(&mut out, &self.entries);
        parts::write_text(&mut out, "groupKey", &self.key);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "DIRECT_0d5508_b1bbbf";

    fn snapshot() -> LeanSnapshot {
        let header = FileHeader {
            chain_pubkey: "02ab".to_owned(),
            network: "testnet".to_owned(),
            created_at_ms: 5,
        };
        let keys = [
            "addresses.tracked".to_owned(),
            format!("{ADDRESS}.sent.1"),
            format!("{ADDRESS}_transaction_history"),
            format!("{ADDRESS}x"),
            "transport.lastWalletEventTs.ab".to_owned(),
            "sphere_mnemonic".to_owned(),
        ];
        let entries = keys.map(|key| FileEntry {
            key,
            value: "AAAA".to_owned(),
        });
        let epoch = Epoch::new(Some(3), Some("why".to_owned())).unwrap();
        LeanSnapshot::build(header, epoch, entries, &[]).unwrap()
    }

    #[test]
    fn entries_are_grouped_by_the_address_their_key_begins_with() {
        let groups = snapshot().groups;
        let shown: Vec<_> = groups
            .iter()
            .map(|group| (group.key.as_str(), group.entries.len()))
            .collect();
        assert_eq!(shown, [(ADDRESS, 2), (GLOBAL, 2)]);
    }

    #[test]
    fn no_changed_byte_goes_unnoticed_and_no_cut() {
        let snapshot = snapshot();
        let car = snapshot.to_car().unwrap();
        assert_eq!(LeanSnapshot::read_car(&car).unwrap(), snapshot);
        for at in 0..car.len() {
            let mut changed = car.clone();
            changed[at] ^= 1;
            if let Ok(read) = LeanSnapshot::read_car(&changed) {
                assert_eq!(read, snapshot, "byte {at}");
            }
            assert!(LeanSnapshot::read_car(&car[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_group_is_read_alone_and_only_as_the_root_says() {
        let snapshot = snapshot();
        let root = LeanRoot::decode(&snapshot.to_root().encode()).unwrap();
        let line = &root.groups[0];
        let block = snapshot.groups[0].encode();
        assert_eq!(line.read(&block).unwrap(), snapshot.groups[0]);
        let other = snapshot.groups[1].encode();
        assert!(matches!(
            line.read(&other),
            Err(ProfileFileError::Content(_))
        ));
        // The right hash of a block that is of another group, or has another number of entries.
        let lying = |line: GroupLine| line.read(&block);
        let renamed = GroupLine {
            key: GLOBAL.to_owned(),
            ..line.clone()
        };
        assert!(matches!(
            lying(renamed),
            Err(ProfileFileError::GroupMismatch { .. })
        ));
        let longer = GroupLine {
            entries: 3,
            ..line.clone()
        };
        assert!(matches!(
            lying(longer),
            Err(ProfileFileError::GroupMismatch { .. })
        ));
    }

    #[test]
    fn a_root_with_a_field_more_or_less_is_refused() {
        let bytes = snapshot().to_root().encode();
        assert_eq!(bytes[0], 0xa8);
        for fields in [0xa6, 0xa7, 0xa9] {
            let mut changed = bytes.clone();
            changed[0] = fields;
            assert!(LeanRoot::decode(&changed).is_err(), "{fields:#x}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(LeanRoot::decode(&longer).is_err());
    }
}
