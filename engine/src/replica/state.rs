use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use crate::oplog::identity::{Certificate, DeviceId, LogId, Revocation};
use crate::oplog::{CommitId, HybridClock, HybridTime, LogHead, OpKind};
use crate::profile::change::OperationPart;
use crate::profile::session::Session;
use crate::tables::profile_rows::{LogRow, ProfileRow};

use super::recent::LogNumbers;

/// Everything about profiles that the writer keeps in memory: a few hundred bytes for each device and log.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) profiles: BTreeMap<u32, ProfileState>,
    /// By number.
    pub(crate) logs: Vec<LogRow>,
    /// What readers share of the logs.
    pub(crate) numbers: Arc<LogNumbers>,
    /// From which row of `alone-1` on the next checkpoint looks for what can go.
    pub(crate) alone_next: Vec<u8>,
}

/// What is known of one profile.
#[derive(Debug)]
pub(crate) struct ProfileState {
    pub(crate) row: ProfileRow,
    pub(crate) clock: HybridClock,
    pub(crate) devices: BTreeMap<DeviceId, Certificate>,
    pub(crate) revocations: Vec<Revocation>,
    /// Logs with two histories, and the first sequence number of which there are two.
    pub(crate) forks: BTreeMap<LogId, u64>,
    /// Commits whose time has not come, by the log's number and the first sequence number.
    pub(crate) parked: BTreeMap<(u32, u64), Parked>,
    /// How far the own log has named each other log.
    pub(crate) named: HashMap<u32, u64>,
    /// The keys, while a handle of the profile is open.
    pub(crate) session: Weak<Session>,
    /// Whether the row must be written again.
    pub(crate) dirty: bool,
}

/// A commit that waits for its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parked {
    pub(crate) id: CommitId,
    pub(crate) last_seq: u64,
    pub(crate) time: HybridTime,
    pub(crate) bytes: usize,
}

impl ProfileState {
    pub(crate) fn new(row: ProfileRow) -> Self {
        Self {
            row,
            clock: HybridClock::at(HybridTime::ZERO),
            devices: BTreeMap::new(),
            revocations: Vec::new(),
            forks: BTreeMap::new(),
            parked: BTreeMap::new(),
            named: HashMap::new(),
            session: Weak::new(),
            dirty: false,
        }
    }

    /// Counts what the own log sealed.
    pub(crate) fn count_seals(&mut self, operations: &[OperationPart]) {
        let sealed = operations.iter().filter(|part| part.kind != OpKind::Delete);
        self.row.seals = self.row.seals.saturating_add(sealed.count() as u64);
    }

    /// The log this store appends to.
    pub(crate) const fn own_log(&self) -> LogId {
        LogId {
            device: self.row.device,
            epoch: self.row.epoch,
        }
    }
}

impl Replica {
    pub(crate) fn log(&self, number: u32) -> Option<&LogRow> {
        self.logs.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn log_mut(&mut self, number: u32) -> Option<&mut LogRow> {
        self.logs.get_mut(usize::try_from(number).ok()?)
    }

    /// The number of a log, given to it if it is new.
    pub(crate) fn number_of(&mut self, profile: u32, log: LogId) -> u32 {
        let number = self.numbers.add(profile, log);
        if usize::try_from(number) == Ok(self.logs.len()) {
            let head = LogHead::empty(log);
            self.logs.push(LogRow { profile, head });
        }
        number
    }

    /// What is known of a log, whether it has a number or not.
    pub(crate) fn head_of(&self, profile: u32, log: LogId) -> LogHead {
        let number = self.numbers.number(profile, log);
        let row = number.and_then(|number| self.log(number));
        row.map_or(LogHead::empty(log), |row| row.head)
    }

    /// The logs of a profile, with their numbers.
    pub(crate) fn logs_of(&self, profile: u32) -> impl Iterator<Item = (u32, &LogHead)> {
        (0..)
            .zip(&self.logs)
            .filter(move |(_, row)| row.profile == profile)
            .map(|(number, row)| (number, &row.head))
    }
}
