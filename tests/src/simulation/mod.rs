//! Random histories of devices that share a profile.
//!
//! Two to nine devices write to few keys, each with a clock of its own that may be ten years off, and give each other
//! deltas that arrive twice, late, out of order, in parts or not at all; devices restart, some by losing power. At the
//! end every clock passes every time and all of them meet until nothing is new. Then all show the same bytes, which are
//! those of a pure model of all operations; a replica that starts from nothing comes to the same, and no merged
//! value has lost what was acknowledged. On the way each device shows at any time what the model makes of the operations
//! it has, a write is later than everything its device had seen and can be read at once, and what is refused changes
//! nothing.
//!
//! A seed decides everything, so a failure can be made again from the seed it names.

mod counts;
pub(crate) mod device;
mod meeting;
pub(crate) mod model;
pub(crate) mod values;
mod wallets;
mod world;

pub use counts::Counts;
pub use wallets::{WalletCounts, simulate_wallets};
pub use world::simulate;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_that_have_met_show_the_same_whatever_happened_before() {
        let mut counts = Counts::default();
        for seed in 0..120 {
            let found =
                simulate(seed, false).unwrap_or_else(|reason| panic!("seed {seed}: {reason}"));
            counts.add(&found);
        }
        assert!(
            counts.parked > 0 && counts.refused > 0 && counts.restarts > 0,
            "{counts}"
        );
    }

    #[test]
    fn an_operation_that_goes_missing_is_noticed() {
        for seed in 0..3 {
            assert!(simulate(seed, true).is_err(), "seed {seed}");
        }
    }
}
