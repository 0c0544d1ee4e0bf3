use core::fmt;

use thiserror::Error;
use uxf_codec::ElementHash;
use uxf_engine::oplog::identity::{DeviceId, LogId};
use uxf_engine::profile::sealed::ProfileId;

use super::connection::NewConnection;
use super::request::{Reply, Request};
use crate::Misbehaviour;
use crate::block_exchange::{BlocksError, FetchError, Role};
use crate::oplog_sync::{HistoryError, Taken};
use crate::reconcile::{Reconciled, SourceError};
use crate::wire::Refused;

/// A connection, as the driver of a host numbers it. No number is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What happens to a host.
#[derive(Debug)]
pub enum Event<'e> {
    /// A profile is served from now on, and sessions of it are opened on all connections.
    Serve(ProfileId),
    /// A profile is not served any more; its sessions are closed.
    Leave(ProfileId),
    /// There is a connection.
    Connected(ConnectionId, NewConnection),
    /// A connection is gone.
    Disconnected(ConnectionId),
    /// Bytes came over a connection.
    Bytes(ConnectionId, &'e [u8]),
    /// So many of the bytes that were handed out for a connection have left.
    Written(ConnectionId, usize),
    /// A request was run. Every request wants one reply, in whatever order.
    Reply(Reply),
    /// Something was written to a profile here.
    Changed(ProfileId),
    /// The peers of a connection are to be asked once more for all that they have.
    Refresh(ConnectionId),
    /// A root is wanted with all below it.
    Fetch(ProfileId, ElementHash, Role),
    /// A root is wanted no more.
    Cancel(ProfileId, ElementHash),
    /// The peer of a profile on a connection is to say which of these blocks it has, at most
    /// [`WANTS_MAX`](crate::wire::WANTS_MAX). While an answer is awaited, a further question is dropped.
    Ask(ConnectionId, ProfileId, Vec<ElementHash>),
    /// All sessions are to be closed, and the connections once that is said.
    ShutDown,
    /// The time that was asked for has come.
    Timeout,
}

/// What the driver of a host has to do, or may want to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Write bytes to a connection, and say when they have left.
    Bytes(ConnectionId, Vec<u8>),
    /// Run a request, on a thread that may block, and give the reply back.
    Run(Request),
    /// Do not read a connection until it is to be resumed. What was read before is still welcome.
    Pause(ConnectionId),
    /// Read a connection again.
    Resume(ConnectionId),
    /// Close a connection, once what was handed out for it has left or cannot leave. It is forgotten here.
    Close(ConnectionId, Disconnect),
    /// A session is open: both sides are devices of the profile.
    Opened(ConnectionId, ProfileId, DeviceId),
    /// A session ended while its connection did not.
    Ended(ConnectionId, ProfileId),
    /// The other side refused a session of a profile.
    Refused(ConnectionId, ProfileId, Refused),
    /// A peer gave all it has of the oplogs; what came is taken in.
    Pulled(ConnectionId, ProfileId, Taken),
    /// A peer has taken in all it was given of the oplogs.
    Pushed(ConnectionId, ProfileId),
    /// A peer does not keep the beginning of a log any more: it has to be had elsewhere. What counts of it is reconciled.
    Cut(ConnectionId, ProfileId, LogId),
    /// What counts is being reconciled with a peer; this side began.
    Reconciling(ConnectionId, ProfileId),
    /// What counts was reconciled with a peer, whoever began.
    Reconciled(ConnectionId, ProfileId, Reconciled),
    /// A device wrote two histories; the proof is in the store.
    Forked(ProfileId, LogId),
    /// A root is in the store with all below it.
    Fetched(ProfileId, ElementHash),
    /// A peer said which blocks it has, of those it was asked about.
    Told(ConnectionId, ProfileId, Vec<(ElementHash, bool)>),
    /// A root cannot be had.
    FetchFailed(ProfileId, ElementHash, FetchError),
    /// The store failed at oplogs. What was asked of it is tried again later.
    HistoryFailed(ProfileId, HistoryError),
    /// The store failed at what was to be reconciled. It is begun again later.
    ReconcileFailed(ProfileId, SourceError),
    /// The store failed at blocks. What was asked of it is tried again later.
    BlocksFailed(ProfileId, BlocksError),
    /// The store of this side could not prove that it is a device of the profile.
    ProofFailed(ProfileId, Box<uxf_engine::Error>),
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The peer is to be banned: what it sent proves that it does not keep to the protocol.
    Ban(Misbehaviour),
    /// Nothing is proven; a while later the peer may be tried again.
    BackOff(Fault),
    /// This side is done.
    Done,
}

/// Why a peer is better left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// It did not answer in time, or left a session half open.
    #[error("it did not answer in time")]
    Silent,
    /// What is sent to it does not leave.
    #[error("it does not read what it is sent")]
    NotReading,
    /// It took too long to bring a long round that others waited for.
    #[error("it brought a long round too slowly while others waited")]
    Slow,
    /// It serves none of the profiles, and came or was found by itself.
    #[error("it serves none of the profiles")]
    Stranger,
    /// This side has as many connections as it may.
    #[error("there are too many connections")]
    Full,
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ban(misbehaviour) => misbehaviour.fmt(f),
            Self::BackOff(fault) => fault.fmt(f),
            Self::Done => f.write_str("this side is done"),
        }
    }
}
