//! Who may be read.

use std::collections::{BTreeMap, BTreeSet};

use super::config::HostConfig;
use super::event::ConnectionId;
use crate::Timestamp;

/// What is buffered of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) bytes: usize,
    /// Whether some of it waits for the store, so that it becomes less by itself.
    pub(super) is_storing: bool,
}

/// What is buffered of all connections that have more than a little, and who of them may bring more.
#[derive(Debug, Default)]
pub(super) struct Memory {
    loads: BTreeMap<ConnectionId, Load>,
    paused: BTreeSet<ConnectionId>,
    /// Who may go beyond the budget, and since when.
    turn: Option<(ConnectionId, Timestamp)>,
    /// Whether somebody waits for the turn.
    is_wanted: bool,
}

impl Memory {
    /// Connections of which more than a little is buffered, or that are not read.
    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        let loads = self.loads.keys();
        loads.chain(&self.paused).copied().collect()
    }

    pub(super) fn set(&mut self, config: &HostConfig, connection: ConnectionId, load: Load) {
        if load.bytes > config.small_bytes.min(config.peer_bytes) {
            self.loads.insert(connection, load);
        } else {
            self.loads.remove(&connection);
        }
    }

    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.loads.remove(&connection);
        self.paused.remove(&connection);
        if self.turn.is_some_and(|(holder, _)| holder == connection) {
            self.turn = None;
        }
    }

    pub(super) fn is_paused(&self, connection: ConnectionId) -> bool {
        self.paused.contains(&connection)
    }

    /// What is buffered of all of them.
    pub(super) fn total(&self) -> usize {
        self.loads.values().map(|load| load.bytes).sum()
    }

    /// Decides who may be read. Says what has changed: the connection and whether it is paused.
    pub(super) fn decide(
        &mut self,
        config: &HostConfig,
        now: Timestamp,
    ) -> Vec<(ConnectionId, bool)> {
        let is_tight = self.total() > config.total_bytes;
        let over = |load: &Load| is_tight || load.bytes > config.peer_bytes;
        // The turn is over once what it was for is taken in.
        if let Some((holder, _)) = self.turn
            && !self.loads.get(&holder).is_some_and(over)
        {
            self.turn = None;
        }
        let stuck = |load: &Load| over(load) && !load.is_storing;
        if self.turn.is_none() {
            // Who waits the longest is not known; whoever has most makes the most room.
            let waiting = self.loads.iter().filter(|(_, load)| stuck(load));
            let next = waiting.max_by_key(|(_, load)| load.bytes);
            self.turn = next.map(|(connection, _)| (*connection, now));
        }
        let holder = self.turn.map(|(holder, _)| holder);
        let loads = self.loads.iter();
        let paused: BTreeSet<ConnectionId> = loads
            .filter(|(connection, load)| {
                over(load) && (load.is_storing || Some(**connection) != holder)
            })
            .map(|(connection, _)| *connection)
            .collect();
        self.is_wanted = self
            .loads
            .iter()
            .any(|(connection, load)| stuck(load) && Some(*connection) != holder);
        let changed = paused.symmetric_difference(&self.paused);
        let changed = changed.map(|one| (*one, paused.contains(one))).collect();
        self.paused = paused;
        changed
    }

    /// Who has the turn, and until when it may have it.
    pub(super) fn turn_deadline(&self, config: &HostConfig) -> Option<(ConnectionId, Timestamp)> {
        let (holder, since) = self.turn.filter(|_| self.is_wanted)?;
        Some((holder, since + config.turn_timeout))
    }
}
