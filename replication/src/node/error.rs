use libp2p::Multiaddr;
use thiserror::Error;

use crate::host::Disconnect;

/// Why a node could not be started or is of no use any more.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// An address of a peer that does not end in its identity, `/p2p/...`.
    #[error("{address} does not name the peer, as /p2p/ and its identity at the end would")]
    Unnamed {
        /// The address.
        address: Multiaddr,
    },
    /// The system's random numbers, threads or sockets.
    #[error("the system refused")]
    System(#[source] std::io::Error),
    /// The transport could not be made, or does not listen on an address.
    #[error("the transport failed")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node has been shut down.
    #[error("the node is shut down")]
    Closed,
}

/// Why a peer was not synchronised with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SyncError {
    /// See there.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// It cannot be reached.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// It refused: it serves none of the profiles, or this device is not one of theirs.
    #[error("the peer serves none of the profiles")]
    Refused,
    /// The connection was closed on the way.
    #[error("the connection was closed: {why}")]
    Closed {
        /// Why.
        why: Disconnect,
    },
    /// The connection broke on the way.
    #[error("the connection broke")]
    Broken,
    /// It took longer than it may.
    #[error("it took too long")]
    Timeout,
}
