//! Random histories of devices that share a wallet.
//!
//! Two or three devices import tokens at different states and on branches that contradict each other, save, spend, and give
//! each other nothing but deltas and bundles: as archives or block by block, late, twice, in any order, damaged or not at
//! all; now and then one of them merges bundles, step by step. After any step a device may restart, in order or by losing power. On the way no device shows what it does not
//! know, loses what it knows, or shows what it has spent; what a power cut leaves is what there was after some step. At
//! the end all of them meet until nothing is new. Then all show the same, which is what a pure model makes of everything
//! that was acknowledged; a device that begins with nothing comes to the same.
//!
//! A seed decides everything, so a failure can be made again from the seed it names.

mod counts;
mod judge;
mod model;
mod owner;
mod tokens;
mod world;

pub use counts::WalletCounts;
pub use world::simulate_wallets;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_that_have_met_show_the_same_tokens_whatever_happened_before() {
        let mut counts = WalletCounts::default();
        for seed in 0..12 {
            let found = simulate_wallets(seed, false)
                .unwrap_or_else(|reason| panic!("seed {seed}: {reason}"));
            counts.add(&found);
        }
        assert!(
            counts.spent > 0 && counts.conflicts > 0 && counts.plugs > 0 && counts.refused > 0,
            "{counts}"
        );
    }

    #[test]
    fn a_token_that_goes_missing_is_noticed() {
        for seed in 0..3 {
            assert!(simulate_wallets(seed, true).is_err(), "seed {seed}");
        }
    }
}
