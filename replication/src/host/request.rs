use uxf_engine::Error;
use uxf_engine::oplog::identity::{DeviceId, MembershipProof};
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::ProfileId;

use super::event::ConnectionId;
use crate::oplog_sync::History;
use crate::wire::SessionId;
use crate::{Peer, block_exchange, oplog_sync, reconcile};

/// Something to do with the store of a profile. Requests may run side by side, in any order, on any thread; there are never more
/// than a few for each session.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) profile: ProfileId,
    pub(super) work: Work,
}

#[derive(Clone, Debug)]
pub(super) enum Work {
    Prove(ConnectionId, SessionId, [u8; 32]),
    Check(ConnectionId, SessionId, [u8; 32], Box<MembershipProof>),
    Sync(oplog_sync::StoreRequest),
    Reconcile(reconcile::StoreRequest),
    Lone(Peer),
    Blocks(block_exchange::StoreRequest),
}

/// What came of a [`Request`].
#[derive(Debug)]
pub struct Reply {
    pub(super) profile: ProfileId,
    pub(super) done: Done,
}

#[derive(Debug)]
pub(super) enum Done {
    Prove(
        ConnectionId,
        SessionId,
        Result<Box<MembershipProof>, Box<Error>>,
    ),
    Check(ConnectionId, SessionId, Option<DeviceId>),
    Sync(oplog_sync::StoreReply),
    Reconcile(reconcile::StoreReply),
    Lone(Peer, Result<bool, Box<Error>>),
    Blocks(block_exchange::StoreReply),
}

impl Request {
    /// The profile it is for.
    pub const fn profile(&self) -> &ProfileId {
        &self.profile
    }

    /// What it does, in a word for logs.
    pub const fn kind(&self) -> &'static str {
        match &self.work {
            Work::Prove(..) => "prove",
            Work::Check(..) => "check",
            Work::Sync(oplog_sync::StoreRequest::Have) => "have",
            Work::Sync(oplog_sync::StoreRequest::Give { .. }) => "give",
            Work::Sync(oplog_sync::StoreRequest::Take { .. }) => "take",
            Work::Sync(oplog_sync::StoreRequest::CatchUp(request)) => request.kind(),
            Work::Lone(_) => "lone operations",
            Work::Reconcile(reconcile::StoreRequest::First(..)) => "sum up",
            Work::Reconcile(reconcile::StoreRequest::Answer(..)) => "answer ranges",
            Work::Reconcile(reconcile::StoreRequest::Apply(..)) => "take operations",
            Work::Blocks(block_exchange::StoreRequest::Look(_)) => "look",
            Work::Blocks(block_exchange::StoreRequest::Store(_)) => "store blocks",
            Work::Blocks(block_exchange::StoreRequest::Read { .. }) => "read blocks",
        }
    }

    /// Whether it writes. What only reads need not wait for it.
    pub const fn writes(&self) -> bool {
        match &self.work {
            Work::Sync(oplog_sync::StoreRequest::Take { .. })
            | Work::Reconcile(reconcile::StoreRequest::Apply(..))
            | Work::Blocks(block_exchange::StoreRequest::Store(_)) => true,
            Work::Sync(oplog_sync::StoreRequest::CatchUp(request)) => request.writes(),
            _ => false,
        }
    }

    /// Does it. May take as long as a durable commit.
    pub fn run(self, profile: &Profile) -> Reply {
        self.run_with(profile, profile)
    }

    /// The same with another history than that of the profile, for a store that is to give and take its logs in a way of
    /// its own.
    pub fn run_with(self, profile: &Profile, history: &impl History) -> Reply {
        let done = match self.work {
            Work::Prove(connection, session, binding) => {
                let proof = profile.prove_membership(&binding);
                Done::Prove(connection, session, proof.map(Box::new).map_err(Box::new))
            }
            Work::Check(connection, session, binding, proof) => {
                let device = profile.check_membership(&proof, &binding);
                Done::Check(connection, session, device.ok())
            }
            Work::Sync(request) => Done::Sync(request.run(history)),
            Work::Reconcile(request) => Done::Reconcile(request.run_on(profile)),
            Work::Lone(peer) => Done::Lone(peer, profile.has_lone_operations().map_err(Box::new)),
            Work::Blocks(request) => Done::Blocks(request.run(profile.engine())),
        };
        Reply {
            profile: self.profile,
            done,
        }
    }
}
