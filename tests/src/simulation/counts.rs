use core::fmt;

/// What happened in simulations.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Simulations.
    pub seeds: u64,
    /// Devices.
    pub devices: u64,
    /// Operations that were acknowledged.
    pub operations: u64,
    /// Deltas that were taken in.
    pub deltas: u64,
    /// Deltas that were refused because something before them was lost.
    pub refused: u64,
    /// Commits that were parked.
    pub parked: u64,
    /// Restarts.
    pub restarts: u64,
    /// How many of them by losing power.
    pub plugs: u64,
    /// Buffered operations that were lost that way.
    pub lost: u64,
    /// Checkpoints of the engines.
    pub checkpoints: u64,
    /// Logs that were compacted.
    pub compactions: u64,
    /// Checkpoints of other devices' logs that were taken in.
    pub adopted: u64,
}

impl Counts {
    /// Puts others to these.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.devices += other.devices;
        self.operations += other.operations;
        self.deltas += other.deltas;
        self.refused += other.refused;
        self.parked += other.parked;
        self.restarts += other.restarts;
        self.plugs += other.plugs;
        self.lost += other.lost;
        self.checkpoints += other.checkpoints;
        self.compactions += other.compactions;
        self.adopted += other.adopted;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} histories of {} devices: {} operations, {} deltas taken and {} refused, {} commits parked, {} restarts \
             ({} by power cut, {} buffered operations lost), {} checkpoints, {} compactions and {} taken from others",
            self.seeds,
            self.devices,
            self.operations,
            self.deltas,
            self.refused,
            self.parked,
            self.restarts,
            self.plugs,
            self.lost,
            self.checkpoints,
            self.compactions,
            self.adopted
        )
    }
}
