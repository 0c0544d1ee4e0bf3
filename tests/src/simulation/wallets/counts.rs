use core::fmt;

/// What happened in simulations of wallets.
#[derive(Clone, Debug, Default)]
pub struct WalletCounts {
    /// Simulations.
    pub seeds: u64,
    /// Devices.
    pub devices: u64,
    /// States of tokens that were imported.
    pub imported: u64,
    /// Tokens that were spent.
    pub spent: u64,
    /// Bundles that were saved.
    pub bundles: u64,
    /// Bundles that were taken in on other devices.
    pub taken: u64,
    /// Consolidations that came to their end.
    pub consolidations: u64,
    /// Damaged bundles that were refused.
    pub refused: u64,
    /// Restarts.
    pub restarts: u64,
    /// How many of them by losing power.
    pub plugs: u64,
    /// Steps that were lost that way.
    pub lost: u64,
    /// Tokens that all devices showed at the end.
    pub tokens: u64,
    /// How many of them with contradictions.
    pub conflicts: u64,
}

impl WalletCounts {
    /// Puts others to these.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.devices += other.devices;
        self.imported += other.imported;
        self.spent += other.spent;
        self.bundles += other.bundles;
        self.taken += other.taken;
        self.consolidations += other.consolidations;
        self.refused += other.refused;
        self.restarts += other.restarts;
        self.plugs += other.plugs;
        self.lost += other.lost;
        self.tokens += other.tokens;
        self.conflicts += other.conflicts;
    }
}

impl fmt::Display for WalletCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} histories of {} devices with a wallet: {} states imported, {} tokens spent, {} bundles saved, {} taken in \
             elsewhere and {} refused, {} consolidations, {} restarts ({} by power cut, {} steps lost); {} tokens at the end, {} of them in \
             conflict",
            self.seeds,
            self.devices,
            self.imported,
            self.spent,
            self.bundles,
            self.taken,
            self.refused,
            self.consolidations,
            self.restarts,
            self.plugs,
            self.lost,
            self.tokens,
            self.conflicts
        )
    }
}
