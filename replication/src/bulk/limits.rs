use core::time::Duration;

use uxf_codec::carriage::car::CarLimits;
use uxf_codec::limits::{CAR_BLOCKS_MAX, CAR_BYTES_MAX};

/// What bulk storage may hand over, and how long it may take (profile notes, section 6).
///
/// Every cap holds before anything of that size is allocated. A store that passes one is refused, not cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkLimits {
    /// Largest block, in bytes. Default 50 MiB.
    pub block_bytes_max: usize,
    /// Largest block that is searched for links, in bytes. Default 1 MiB, the largest in any file of a profile.
    /// Reading one takes up to 32 times its size in memory, so this and not
    /// [`block_bytes_max`](Self::block_bytes_max) bounds it.
    pub linked_block_bytes_max: usize,
    /// Most blocks of a bundle, and most ids that its blocks may name. Default 10,000.
    pub blocks_max: usize,
    /// Largest bundle as an archive, and most bytes that a store is listened to for it. Default 64 MiB, what the
    /// reference implementation imports.
    pub bundle_bytes_max: u64,
    /// Longest request that fetches a bundle or a block, answer included. Default 30 s.
    pub fetch_time: Duration,
    /// Longest fetch over all stores and rounds; a request that is under way then is not cut. Default 120 s.
    pub fetch_time_total: Duration,
    /// Longest request that stores or pins something. Default 60 s.
    pub put_time: Duration,
    /// Longest request that only asks whether something is there. Default 10 s.
    pub presence_time: Duration,
    /// Redirects that a gateway may answer with before it is given up. Default 3. Nodes may not redirect at all.
    pub redirects_max: u32,
    /// Blocks that are asked for or stored at a time. Default 5; 1 to 64.
    pub parallel: usize,
}

impl BulkLimits {
    /// The caps of the reference implementation.
    pub const REFERENCE: Self = Self {
        block_bytes_max: 50 << 20,
        linked_block_bytes_max: 1 << 20,
        blocks_max: CAR_BLOCKS_MAX,
        bundle_bytes_max: CAR_BYTES_MAX,
        fetch_time: Duration::from_secs(30),
        fetch_time_total: Duration::from_secs(120),
        put_time: Duration::from_secs(60),
        presence_time: Duration::from_secs(10),
        redirects_max: 3,
        parallel: 5,
    };

    /// What an archive may hold; its blocks are counted where it is read.
    pub(super) const fn car(&self) -> CarLimits {
        CarLimits {
            bytes_max: self.bundle_bytes_max,
            blocks_max: usize::MAX,
            block_bytes_max: self.block_bytes_max,
        }
    }

    pub(super) fn width(&self) -> usize {
        self.parallel.clamp(1, 64)
    }
}

impl Default for BulkLimits {
    fn default() -> Self {
        Self::REFERENCE
    }
}
