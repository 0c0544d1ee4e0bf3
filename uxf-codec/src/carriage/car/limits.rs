use crate::limits::{BLOCK_BYTES_MAX, CAR_BLOCKS_MAX, CAR_BYTES_MAX};

/// What a CAR may hold before reading it is refused, or before an export is cut into several.
///
/// Every cap is checked before anything of that size is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarLimits {
    /// Largest archive, in bytes. Default 64 MiB. A longer one is refused with
    /// [`LimitExceeded`](crate::Error::LimitExceeded).
    pub bytes_max: u64,
    /// Most blocks, envelope and manifest included. Default 10,000. More are refused with
    /// [`InvalidPackage`](crate::Error::InvalidPackage).
    pub blocks_max: usize,
    /// Largest block, in bytes. Default 64 KiB. A larger one is refused with
    /// [`InvalidPackage`](crate::Error::InvalidPackage).
    pub block_bytes_max: usize,
}

impl CarLimits {
    /// The caps the reference implementation imports with: what keeps to them can be read everywhere.
    pub const REFERENCE: Self = Self {
        bytes_max: CAR_BYTES_MAX,
        blocks_max: CAR_BLOCKS_MAX,
        block_bytes_max: BLOCK_BYTES_MAX,
    };
}

impl Default for CarLimits {
    fn default() -> Self {
        Self::REFERENCE
    }
}
