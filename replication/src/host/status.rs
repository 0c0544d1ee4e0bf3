use thiserror::Error;
use uxf_engine::oplog::identity::{DeviceId, LogId};
use uxf_engine::profile::sealed::ProfileId;

use super::event::ConnectionId;
use super::reconciling::Reconciling;
use crate::Timestamp;
use crate::oplog_sync::{Progress, Taken};
use crate::reconcile::Reconciled;
use crate::wire::SessionId;

/// How things stand with a peer: a device of a profile on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The connection.
    pub connection: ConnectionId,
    /// The profile.
    pub profile: ProfileId,
    /// The device.
    pub device: DeviceId,
    /// Since when the session is open.
    pub since: Timestamp,
    /// What this side has, wants of it, and it lacks; `None` before both have said how far they are.
    pub progress: Option<Progress>,
    /// What it has brought.
    pub taken: Taken,
    /// Commits and checkpoints that it was given.
    pub given: u64,
    /// What reconciling with it came to.
    pub reconciled: Reconciled,
    /// Bytes that it sent and that are not taken in yet.
    pub buffered_bytes: usize,
    /// Bytes that were read for it and not sent yet; those that wait in its connection not included.
    pub queued_bytes: usize,
    /// Whether it has taken in all that it asked for, and what it was told of here last.
    pub is_acknowledged: bool,
    /// Whether `progress` counts all that is in the store, the peer is not in the middle of giving more, and nothing is being
    /// reconciled with it.
    pub is_fresh: bool,
    /// Whether its connection is not read for now.
    pub is_paused: bool,
    /// What went wrong last and did not end the connection.
    pub problem: Option<Problem>,
}

/// What may be wrong with a peer that is nobody's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It does not keep the beginning of a log any more.
    #[error("it does not keep the beginning of {log:?} any more")]
    Cut {
        /// The log.
        log: LogId,
    },
    /// What it has of a log it does not give, or it is not taken here.
    #[error("{log:?} cannot be had from it")]
    Stuck {
        /// The log.
        log: LogId,
    },
}

/// What a host keeps of a peer.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) connection: ConnectionId,
    pub(super) session: SessionId,
    pub(super) profile: ProfileId,
    pub(super) device: DeviceId,
    pub(super) since: Timestamp,
    pub(super) taken: Taken,
    pub(super) reconciled: Reconciled,
    pub(super) reconciling: Reconciling,
    pub(super) problem: Option<Problem>,
}
