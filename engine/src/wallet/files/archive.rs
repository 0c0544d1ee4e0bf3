use std::collections::BTreeMap;

use cid::Cid;
use uxf_codec::carriage::car::{CarLimits, CarReader};

use super::ProfileFileError;
use super::parts::{BLOCKS_MAX, FILE_BYTES_MAX};
use crate::bundles::check_content;

/// The blocks of a file: the root first, then others, each under its id and with the hash it says.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) root: Vec<u8>,
    pub(super) blocks: BTreeMap<Cid, Vec<u8>>,
}

impl Archive {
    /// Reads all of an archive into memory.
    ///
    /// The root may be as large as the file; the other blocks are at most `block_bytes_max`.
    pub(super) fn read(car: &[u8], block_bytes_max: usize) -> Result<Self, ProfileFileError> {
        ProfileFileError::check("bytes of a file", car.len(), FILE_BYTES_MAX)?;
        let limits = CarLimits {
            bytes_max: FILE_BYTES_MAX as u64,
            blocks_max: BLOCKS_MAX,
            // No block is larger than the file, which is there.
            block_bytes_max: car.len(),
        };
        let mut reader = CarReader::new(car, limits)?;
        let [root_cid] = reader.roots() else {
            let found = reader.roots().len();
            return Err(ProfileFileError::Roots { found });
        };
        let root_cid = *root_cid;
        let root = match reader.next_block()? {
            Some(block) if block.cid.is(&root_cid) => block.bytes.to_vec(),
            _ => return Err(ProfileFileError::RootMissing),
        };
        check_content(&root_cid, &root)?;
        let mut blocks = BTreeMap::new();
        while let Some(block) = reader.next_block()? {
            ProfileFileError::check("bytes of a block", block.bytes.len(), block_bytes_max)?;
            // A digest longer than any in use belongs to no id that anything could name.
            let Some(cid) = block.cid.to_cid() else {
                continue;
            };
            check_content(&cid, block.bytes)?;
            blocks.insert(cid, block.bytes.to_vec());
        }
        Ok(Self { root, blocks })
    }
}
