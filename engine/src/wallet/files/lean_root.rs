use std::collections::HashSet;

use cid::Cid;
use uxf_codec::ElementHash;

use super::lean_snapshot::EntryGroup;
use super::parts::{self, BlockReader, ENTRIES_MAX, FileBundle, FileHeader};
use super::{GROUP_BYTES_MAX, ProfileFileError};
use crate::bundles::check_content;
use crate::cbor;

/// Highest epoch: 2^20.
pub const EPOCH_MAX: u64 = 1 << 20;
/// Longest reason for a new epoch, in bytes.
pub const RESET_REASON_BYTES_MAX: usize = 256;
/// Most groups: every one has an entry.
const GROUPS_MAX: usize = ENTRIES_MAX;
const VERSION: u64 = 3;
/// What stands in front of the 32 bytes of a link's hash: tag 42, 37 bytes, a zero, CIDv1, dag-cbor, SHA-256, 32 bytes.
const LINK: [u8; 9] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];

/// What the root says of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLine {
    /// The id of the address, or `__global__`.
    pub key: String,
    /// Address of the group's block.
    pub block: ElementHash,
    /// Entries in it.
    pub entries: u64,
}

/// Since when the history counts, and why it was begun anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// Its number, if there is one.
    number: Option<u64>,
    /// Why it began.
    reset_reason: Option<String>,
}

impl Epoch {
    /// An epoch and why it began.
    ///
    /// # Errors
    /// [`ProfileFileError::LimitExceeded`] over [`EPOCH_MAX`] or [`RESET_REASON_BYTES_MAX`].
    pub fn new(
        number: Option<u64>,
        reset_reason: Option<String>,
    ) -> Result<Self, ProfileFileError> {
        if let Some(found) = number.filter(|number| *number > EPOCH_MAX) {
            return Err(ProfileFileError::LimitExceeded {
                what: "an epoch",
                limit: EPOCH_MAX,
                found,
            });
        }
        let reason_bytes = reset_reason.as_ref().map_or(0, String::len);
        ProfileFileError::check("bytes of a reason", reason_bytes, RESET_REASON_BYTES_MAX)?;
        Ok(Self {
            number,
            reset_reason,
        })
    }

    /// Its number.
    pub const fn number(&self) -> Option<u64> {
        self.number
    }

    /// Why it began.
    pub fn reset_reason(&self) -> Option<&str> {
        self.reset_reason.as_deref()
    }
}

/// The root of a snapshot: enough to know which groups to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeanRoot {
    /// Whose it is.
    pub header: FileHeader,
    /// Since when the history counts.
    pub epoch: Epoch,
    /// The groups, in order.
    pub groups: Vec<GroupLine>,
    /// The bundles, in order.
    pub bundles: Vec<FileBundle>,
}

impl LeanRoot {
    /// The root block.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let epoch = &self.epoch;
        let optional =
            usize::from(epoch.number.is_some()) + usize::from(epoch.reset_reason.is_some());
        parts::write_map(&mut out, 6 + optional);
        if let Some(number) = epoch.number {
            parts::write_number(&mut out, "epoch", number);
        }
        parts::write_bundles(&mut out, &self.bundles);
        parts::write_kind(&mut out, &self.header, VERSION);
        parts::write_origin(&mut out, &self.header);
        cbor::text(&mut out, "entryGroups");
        cbor::head(&mut out, cbor::ARRAY, self.groups.len() as u64);
        for group in &self.groups {
            parts::write_map(&mut out, 3);
            parts::write_text(&mut out, "groupKey", &group.key);
            cbor::text(&mut out, "entriesCid");
            out.extend_from_slice(&LINK);
            out.extend_from_slice(group.block.as_bytes());
            parts::write_number(&mut out, "entryCount", group.entries);
        }
        if let Some(reason) = &epoch.reset_reason {
            parts::write_text(&mut out, "epochResetReason", reason);
        }
        out
    }

    /// Reads a root, for a reader that then fetches only some groups ([`GroupLine::read`]). The caller has checked its
    /// hash.
    ///
    /// # Errors
    /// [`ProfileFileError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProfileFileError> {
        let mut reader = BlockReader::new(bytes, "root");
        let fields = reader.map("a root")?;
        let number = match reader.clone().key("epoch") {
            Ok(()) => Some(reader.number_at("epoch")?),
            Err(_) => None,
        };
        let bundles = reader.bundles()?;
        let network = reader.kind(VERSION)?;
        let header = reader.header(network)?;
        let groups = read_lines(&mut reader)?;
        let has_reason = fields == 7 + u64::from(number.is_some());
        let reason = match has_reason {
            true => Some(reader.text_at("epochResetReason", RESET_REASON_BYTES_MAX)?),
            false if fields == 6 + u64::from(number.is_some()) => None,
            false => return Err(reader.refuse("a root of six to eight fields")),
        };
        reader.end()?;
        let total = groups
            .iter()
            .fold(0_u64, |sum, line| sum.saturating_add(line.entries));
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        ProfileFileError::check("entries", total, ENTRIES_MAX)?;
        Ok(Self {
            header,
            epoch: Epoch::new(number, reason)?,
            groups,
            bundles,
        })
    }
}

fn read_lines(reader: &mut BlockReader<'_>) -> Result<Vec<GroupLine>, ProfileFileError> {
    let count = reader.list_at("entryGroups", GROUPS_MAX)?;
    let (mut lines, mut seen) = (Vec::new(), HashSet::new());
    for _ in 0..count {
        reader.map_of(3, "a group")?;
        let key = reader.text_at("groupKey", parts::HEADER_TEXT_BYTES_MAX)?;
        reader.key("entriesCid")?;
        reader.literal(&LINK, "a link to a dag-cbor block")?;
        let block = ElementHash::from_bytes(reader.bytes_of("the whole of a hash")?);
        let entries = reader.number_at("entryCount")?;
        if !seen.insert(key.clone()) {
            return Err(parts::duplicate("the group", key));
        }
        lines.push(GroupLine {
            key,
            block,
            entries,
        });
    }
    Ok(lines)
}

impl GroupLine {
    /// The content id of the group's block.
    pub fn cid(&self) -> Cid {
        // The bytes are those of a CID by construction; any other would be found in no archive.
        Cid::try_from(self.block.to_cid_bytes().as_slice()).unwrap_or_default()
    }

    /// Reads the group's block as it was fetched: its hash must be that of the link, its name and number of entries what
    /// the root says.
    ///
    /// # Errors
    /// [`ProfileFileError`].
    pub fn read(&self, block: &[u8]) -> Result<EntryGroup, ProfileFileError> {
        ProfileFileError::check("bytes of a group", block.len(), GROUP_BYTES_MAX)?;
        check_content(&self.cid(), block)?;
        self.decode(block)
    }

    pub(super) fn decode(&self, block: &[u8]) -> Result<EntryGroup, ProfileFileError> {
        let mut reader = BlockReader::new(block, "group");
        reader.map_of(2, "a group")?;
        let entries = reader.entries()?;
        let key = reader.text_at("groupKey", parts::HEADER_TEXT_BYTES_MAX)?;
        reader.end()?;
        if key != self.key || entries.len() as u64 != self.entries {
            return Err(ProfileFileError::GroupMismatch {
                group: self.key.clone(),
                found: key,
                entries: entries.len(),
            });
        }
        Ok(EntryGroup { key, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_a_bound_and_so_has_its_reason() {
        assert!(Epoch::new(Some(EPOCH_MAX), None).is_ok());
        assert!(Epoch::new(Some(EPOCH_MAX + 1), None).is_err());
        let long = "x".repeat(RESET_REASON_BYTES_MAX + 1);
        assert!(Epoch::new(None, Some(long)).is_err());
    }
}
