//! What the host says is to be done.

use libp2p::PeerId;
use tokio::time::Instant;
use tracing::{debug, info, warn};
use uxf_engine::profile::sealed::ProfileId;

use super::super::error::SyncError;
use super::super::event::NodeEvent;
use super::super::pool::Job;
use super::super::stream::StreamEvent;
use super::Driver;
use crate::Timestamp;
use crate::host::{ConnectionId, Disconnect, Event, Output};
use crate::oplog_sync::Taken;
use crate::reconcile::Reconciled;

impl Driver {
    pub(super) fn on_stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Bytes(connection, bytes) => {
                let received = &mut self.metrics.received_bytes_total;
                *received = received.saturating_add(bytes.len() as u64);
                self.tell(Event::Bytes(connection, &bytes));
            }
            StreamEvent::Written(connection, bytes) => {
                self.tell(Event::Written(connection, bytes));
            }
            StreamEvent::Finished => {}
            StreamEvent::Ended(connection) => {
                if let Some((peer, _)) = self.streams.remove(&connection) {
                    self.tell(Event::Disconnected(connection));
                    self.listeners.tell(&NodeEvent::Closed { peer, why: None });
                    self.fail_waiting(peer, || SyncError::Broken);
                }
            }
        }
    }

    /// Lets something happen to the host and does what it says.
    pub(super) fn tell(&mut self, event: Event<'_>) {
        let now = self.now();
        self.host.handle(event, now);
        while let Some(output) = self.host.poll_output() {
            self.metrics.host.record(&output);
            self.act(output, now);
        }
    }

    fn peer_of(&self, connection: ConnectionId) -> Option<PeerId> {
        Some(self.streams.get(&connection)?.0)
    }

    fn act(&mut self, output: Output, now: Timestamp) {
        match output {
            Output::Bytes(connection, bytes) => {
                if let Some((_, end)) = self.streams.get(&connection) {
                    end.write(bytes);
                }
            }
            Output::Run(request) => self.pool.run(Job::Request(request)),
            Output::Pause(connection) | Output::Resume(connection) => {
                let is_paused = matches!(output, Output::Pause(_));
                if let Some((_, end)) = self.streams.get(&connection) {
                    end.pause(is_paused);
                }
            }
            Output::Close(connection, why) => self.close(connection, &why, now),
            Output::Opened(connection, profile, device) => {
                if let Some(peer) = self.peer_of(connection) {
                    info!(%peer, %device, "a session is open");
                    self.standing.opened(&peer);
                    let opened = NodeEvent::Opened {
                        peer,
                        profile,
                        device,
                    };
                    self.listeners.tell(&opened);
                }
            }
            Output::Refused(connection, ..) => self.refused(connection),
            Output::Pulled(connection, profile, taken) => {
                self.pulled(connection, profile, taken);
            }
            Output::Reconciled(connection, profile, sum) => {
                self.reconciled(connection, profile, sum);
            }
            Output::Pushed(connection, profile) => {
                if let Some(peer) = self.peer_of(connection) {
                    self.listeners.tell(&NodeEvent::Pushed { peer, profile });
                }
            }
            Output::Fetched(profile, root) => {
                self.listeners.tell(&NodeEvent::Fetched { profile, root });
                self.survey(profile);
            }
            Output::FetchFailed(_, root, error) => warn!(%root, %error, "a bundle cannot be had"),
            Output::Told(connection, profile, told) => {
                if let Some(peer) = self.peer_of(connection) {
                    let waiting = self.waiting.iter_mut();
                    for one in waiting.filter(|one| one.peer == peer) {
                        one.told(&profile, &told, Instant::now());
                    }
                }
            }
            Output::HistoryFailed(_, error) => warn!(%error, "the store failed at oplogs"),
            Output::ReconcileFailed(_, error) => warn!(%error, "the store failed at ranges"),
            Output::BlocksFailed(_, error) => warn!(%error, "the store failed at blocks"),
            Output::ProofFailed(_, error) => warn!(%error, "no proof of membership was made"),
            Output::Forked(_, log) => warn!(device = ?log.device, "a device wrote two histories"),
            _ => {}
        }
    }

    fn pulled(&mut self, connection: ConnectionId, profile: ProfileId, taken: Taken) {
        if let Some(peer) = self.peer_of(connection) {
            debug!(%peer, commits = taken.new, "a peer gave all it has");
            let pulled = NodeEvent::Pulled {
                peer,
                profile,
                taken,
            };
            self.listeners.tell(&pulled);
        }
        if taken.new > 0 {
            self.survey(profile);
        }
    }

    fn reconciled(&mut self, connection: ConnectionId, profile: ProfileId, sum: Reconciled) {
        if let Some(peer) = self.peer_of(connection) {
            debug!(%peer, new = sum.new, sent = sum.sent, "what counts was reconciled");
            let reconciled = NodeEvent::Reconciled { peer, profile, sum };
            self.listeners.tell(&reconciled);
        }
        if sum.new > 0 {
            self.survey(profile);
        }
    }

    fn refused(&mut self, connection: ConnectionId) {
        let Some(peer) = self.peer_of(connection) else {
            return;
        };
        debug!(%peer, "a session was refused");
        self.listeners.tell(&NodeEvent::Refused(peer));
        // If others are open, these count.
        if !self.status().any(|(other, _)| other == peer) {
            self.fail_waiting(peer, || SyncError::Refused);
            self.refused_candidate(connection, peer);
        }
    }

    fn close(&mut self, connection: ConnectionId, why: &Disconnect, now: Timestamp) {
        let Some((peer, _)) = self.streams.remove(&connection) else {
            return;
        };
        self.standing.closed(peer, why, now);
        match why {
            Disconnect::Ban(reason) => {
                warn!(%peer, %reason, "a peer is banned");
                // It may be gone by itself.
                self.swarm.disconnect_peer_id(peer).ok();
            }
            Disconnect::BackOff(fault) => info!(%peer, %fault, "a connection was closed"),
            Disconnect::Done => {}
        }
        let closed = NodeEvent::Closed {
            peer,
            why: Some(why.clone()),
        };
        self.listeners.tell(&closed);
        self.fail_waiting(peer, || SyncError::Closed { why: why.clone() });
    }
}
