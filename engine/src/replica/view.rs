use std::collections::BTreeMap;

use crate::oplog::LogHead;
use crate::oplog::identity::{Certificate, DeviceId, LogId, Revocation};
use crate::snapshot::Snapshot;

use super::state::{Parked, Replica};

/// What is known of a profile's logs and devices, and the snapshot it belongs to.
#[derive(Debug)]
pub(crate) struct ReplicaView {
    pub(crate) snapshot: Snapshot,
    /// By log, with their numbers.
    pub(crate) logs: BTreeMap<LogId, (u32, LogHead)>,
    pub(crate) devices: BTreeMap<DeviceId, Certificate>,
    pub(crate) revocations: Vec<Revocation>,
    /// Logs with two histories, and the first sequence number of which there are two.
    pub(crate) forks: BTreeMap<LogId, u64>,
    /// Commits whose time has not come, by log and first sequence number.
    pub(crate) parked: BTreeMap<(LogId, u64), Parked>,
}

impl Replica {
    /// `None` if there is no such profile.
    pub(crate) fn view(&self, profile: u32, snapshot: Snapshot) -> Option<ReplicaView> {
        let state = self.profiles.get(&profile)?;
        let logs = self.logs_of(profile);
        let parked = state.parked.iter();
        Some(ReplicaView {
            snapshot,
            logs: logs
                .map(|(number, head)| (head.log, (number, *head)))
                .collect(),
            devices: state.devices.clone(),
            revocations: state.revocations.clone(),
            forks: state.forks.clone(),
            parked: parked
                .filter_map(|(&(log, seq), parked)| Some(((self.log(log)?.head.log, seq), *parked)))
                .collect(),
        })
    }
}
