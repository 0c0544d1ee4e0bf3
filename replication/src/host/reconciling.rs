//! When this side begins to reconcile what counts with a peer.
//!
//! A reason is a log that cannot be had as a log, or something that came alone from somebody else, before or now. There is one reconciliation
//! with a peer at a time. While nothing comes of it the next one waits longer and longer; a log that has moved on, or
//! something new, is worth a try soon.

use core::time::Duration;
use std::collections::BTreeMap;

use uxf_engine::oplog::LOGS_MAX;
use uxf_engine::oplog::identity::LogId;
use uxf_engine::profile::sealed::ProfileId;

use super::config::HostConfig;
use super::event::Output;
use super::machine::Host;
use crate::reconcile::{Event, Reconciled, SourceError};
use crate::{Peer, Timestamp, reconcile};

/// Whether and when to begin with a peer.
#[derive(Debug, Default)]
pub(super) struct Reconciling {
    is_wanted: bool,
    /// Whether one goes on that this side began.
    goes_on: bool,
    /// When the last one began.
    begun: Option<Timestamp>,
    /// How long after its beginning the next one waits.
    wait: Duration,
    /// How far the logs were at the peer that were a reason before.
    logs: BTreeMap<LogId, u64>,
}

impl Reconciling {
    /// Something brought by somebody else may be new to the peer.
    pub(super) const fn want(&mut self, config: &HostConfig) {
        self.is_wanted = true;
        self.wait = config.reconcile_interval;
    }

    /// A log that the peer has up to an operation cannot be had as a log.
    pub(super) fn want_log(&mut self, config: &HostConfig, log: LogId, next_seq: u64) {
        if self.logs.len() >= LOGS_MAX {
            self.logs.clear();
        }
        self.is_wanted = true;
        if self.logs.insert(log, next_seq) != Some(next_seq) {
            self.wait = config.reconcile_interval;
        }
    }

    /// When to begin, if there is a reason.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let is_wanted = self.is_wanted && !self.goes_on;
        let due = self.begun.map_or(Timestamp::default(), |at| at + self.wait);
        is_wanted.then_some(due)
    }

    const fn begin(&mut self, now: Timestamp) {
        self.is_wanted = false;
        self.goes_on = true;
        self.begun = Some(now);
    }

    /// It is over; so many operations came that count.
    fn done(&mut self, config: &HostConfig, new: u64) {
        if !core::mem::take(&mut self.goes_on) {
            return;
        }
        let longer = self.wait.max(config.reconcile_interval).saturating_mul(2);
        self.wait = if new > 0 {
            config.reconcile_interval
        } else {
            longer.min(config.reconcile_interval_max)
        };
    }

    /// The store failed.
    fn failed(&mut self, config: &HostConfig) {
        self.done(config, 0);
        self.is_wanted = true;
    }
}

impl Host {
    /// A log of a peer cannot be had as a log.
    pub(super) fn want_log(&mut self, peer: Peer, log: LogId, next_seq: u64) {
        if let Some(place) = self.peers.get_mut(&peer) {
            place.reconciling.want_log(&self.config, log, next_seq);
            self.to_reconcile.insert(peer);
        }
    }

    /// Whether the profile has operations that came alone, of which a new peer hears from nobody.
    pub(super) fn found_lone(
        &mut self,
        profile: &ProfileId,
        peer: Peer,
        found: Result<bool, Box<uxf_engine::Error>>,
    ) {
        match (found, self.peers.get_mut(&peer)) {
            (Ok(true), Some(place)) => {
                place.reconciling.want(&self.config);
                self.to_reconcile.insert(peer);
            }
            (Ok(_), _) => {}
            (Err(error), _) => {
                let output = Output::ReconcileFailed(*profile, SourceError::Store(error));
                self.outputs.push_back(output);
            }
        }
    }

    /// Begins what is due, with who has said how far it is and has given what it gives of the oplogs: an operation is not
    /// taken without the certificate of its device.
    pub(super) fn begin_reconciling(&mut self, now: Timestamp) {
        let peers: Vec<Peer> = self.to_reconcile.iter().copied().collect();
        for peer in peers {
            let Some(place) = self.peers.get_mut(&peer) else {
                self.to_reconcile.remove(&peer);
                continue;
            };
            let is_due = place.reconciling.due().is_some_and(|at| at <= now);
            let profile = place.profile;
            let served = self.profiles.get(&profile);
            if !is_due || !served.is_some_and(|served| served.sync.is_settled(peer)) {
                continue;
            }
            place.reconciling.begin(now);
            self.to_reconcile.remove(&peer);
            let output = Output::Reconciling(place.connection, profile);
            self.outputs.push_back(output);
            self.tell_reconciler(&profile, Event::Begin(peer), now);
        }
    }

    /// When the next one is due. Who is not ready is looked at when it is.
    pub(super) fn reconciling_due(&self) -> Option<Timestamp> {
        let due = |peer: &Peer| {
            let place = self.peers.get(peer)?;
            let served = self.profiles.get(&place.profile)?;
            let is_settled = served.sync.is_settled(*peer);
            place.reconciling.due().filter(|_| is_settled)
        };
        self.to_reconcile.iter().filter_map(due).min()
    }

    pub(super) fn carry_reconciler(&mut self, profile: &ProfileId, now: Timestamp) {
        while let Some(served) = self.profiles.get_mut(profile) {
            let Some(output) = served.reconciler.poll_output() else {
                return;
            };
            match output {
                reconcile::Output::Send(peer, message) => self.send(peer, message, now),
                reconcile::Output::Store(request) => self.read_or_take(profile, request),
                reconcile::Output::Done(peer, sum) => self.reconciled(peer, &sum),
                reconcile::Output::StoreFailed(peer, error) => {
                    if let Some(place) = self.peers.get_mut(&peer) {
                        place.reconciling.failed(&self.config);
                        self.to_reconcile.insert(peer);
                    }
                    let output = Output::ReconcileFailed(*profile, error);
                    self.outputs.push_back(output);
                }
                reconcile::Output::Disconnect(peer, reason) => {
                    if let Some(connection) = self.connection_of(peer) {
                        self.blame(connection, reason, now);
                    }
                }
            }
        }
    }

    fn reconciled(&mut self, peer: Peer, sum: &Reconciled) {
        let Some(place) = self.peers.get_mut(&peer) else {
            return;
        };
        place.reconciling.done(&self.config, sum.new);
        if place.reconciling.due().is_some() {
            self.to_reconcile.insert(peer);
        }
        place.reconciled.add(sum);
        let (connection, profile) = (place.connection, place.profile);
        let output = Output::Reconciled(connection, profile, *sum);
        self.outputs.push_back(output);
        if sum.new == 0 {
            return;
        }
        // No log has moved, so nobody else would hear of it.
        let others = self.peers.iter_mut();
        let others = others.filter(|(other, place)| **other != peer && place.profile == profile);
        for (other, place) in others {
            place.reconciling.want(&self.config);
            self.to_reconcile.insert(*other);
        }
    }
}
