use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uxf_engine::profile::sealed::ProfileId;

use super::config::HostConfig;
use crate::session::{self, ConnectionBinding, Sessions, Side};
use crate::wire::SessionId;
use crate::{Peer, Timestamp};

/// Refused sessions with which a connection is left alone: one more than these and the other side might take it for
/// guessing.
pub(crate) const REFUSED_MAX: usize = 7;

/// What a host has to know of a new connection.
#[derive(Clone, Copy)]
pub struct NewConnection {
    /// Which end of it this is.
    pub side: Side,
    /// What both ends know of it and no other connection has.
    pub binding: ConnectionBinding,
    /// Drawn at random for this connection alone.
    pub seed: [u8; 32],
}

impl core::fmt::Debug for NewConnection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut out = f.debug_struct("NewConnection");
        out.field("side", &self.side).finish_non_exhaustive()
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sessions: Sessions,
    side: Side,
    /// The peer of each open session.
    pub(super) open: BTreeMap<SessionId, Peer>,
    /// Bytes that were handed out and did not leave.
    queued: usize,
    /// Since when nothing has left.
    stuck_since: Option<Timestamp>,
    /// Whose machines want to hear that there is room for more.
    pub(super) awaiting: BTreeSet<Peer>,
    /// Profiles of which sessions are to be opened, and how many are being opened and were refused.
    to_open: VecDeque<ProfileId>,
    opening: usize,
    refused: usize,
}

impl Connection {
    pub(super) fn new(config: &HostConfig, new: NewConnection, serves: Vec<ProfileId>) -> Self {
        let NewConnection {
            side,
            binding,
            seed,
        } = new;
        let mut sessions = Sessions::new(config.sessions, side, binding, seed);
        sessions.serve(serves);
        Self {
            sessions,
            side,
            open: BTreeMap::new(),
            queued: 0,
            stuck_since: None,
            awaiting: BTreeSet::new(),
            to_open: VecDeque::new(),
            opening: 0,
            refused: 0,
        }
    }

    /// Has a session of a profile opened, as soon as that may be.
    pub(super) fn open(&mut self, profile: ProfileId, now: Timestamp) {
        self.to_open.push_back(profile);
        self.open_next(now);
    }

    /// A session that this side asked for is open or was refused.
    pub(super) fn answered(&mut self, is_refused: bool, now: Timestamp) {
        self.opening = self.opening.saturating_sub(1);
        self.refused = self.refused.saturating_add(usize::from(is_refused));
        self.open_next(now);
    }

    fn open_next(&mut self, now: Timestamp) {
        while self.opening.saturating_add(self.refused) < REFUSED_MAX {
            let Some(profile) = self.to_open.pop_front() else {
                return;
            };
            self.opening = self.opening.saturating_add(1);
            self.sessions.handle(session::Event::Open(profile), now);
        }
    }

    /// Whether this side asked for a session of this number.
    pub(super) const fn asked_for(&self, session: SessionId) -> bool {
        self.side.opens(session)
    }

    pub(super) const fn queued(&self) -> usize {
        self.queued
    }

    /// So many bytes were handed out.
    pub(super) fn queue(&mut self, bytes: usize, now: Timestamp) {
        self.queued = self.queued.saturating_add(bytes);
        self.stuck_since.get_or_insert(now);
    }

    /// So many bytes have left.
    pub(super) fn written(&mut self, bytes: usize, now: Timestamp) {
        self.queued = self.queued.saturating_sub(bytes);
        if bytes > 0 {
            self.stuck_since = (self.queued > 0).then_some(now);
        }
    }

    /// When the connection is given up unless something leaves.
    pub(super) fn write_deadline(&self, config: &HostConfig) -> Option<Timestamp> {
        Some(self.stuck_since? + config.write_timeout)
    }
}
