use cid::{Cid, Version};

use super::TransferError;
use crate::carriage::car::{check_framing, root_cids};
use crate::error::Error;
use crate::limits::CAR_ROOT_PROBE_BYTES;

/// The root of an archive as text: CID version 1 of any codec, base32.
///
/// An archive of more than 4 KiB is judged by its header alone, so that a hostile one costs nothing; a smaller one must
/// be well framed to its end. What its blocks hold is not looked at.
///
/// # Errors
/// [`TransferError::InvalidCar`] if it cannot be read, [`TransferError::MultiRoot`] unless it has exactly one root,
/// [`TransferError::RootVersion`] if that is a CID of version 0.
pub fn extract_root(car: &[u8]) -> Result<String, TransferError> {
    let roots = read_roots(car).map_err(TransferError::InvalidCar)?;
    let [root] = roots.as_slice() else {
        return Err(TransferError::MultiRoot { roots: roots.len() });
    };
    if root.version() != Version::V1 {
        return Err(TransferError::RootVersion);
    }
    Ok(root.to_string())
}

fn read_roots(car: &[u8]) -> Result<Vec<Cid>, Error> {
    if let Some((probe, _)) = car.split_at_checked(CAR_ROOT_PROBE_BYTES)
        && car.len() > CAR_ROOT_PROBE_BYTES
        && let Ok(roots) = root_cids(probe)
    {
        return Ok(roots);
    }
    check_framing(car)?;
    root_cids(car)
}
