//! A host on real sockets: rust-libp2p carries its bytes, a pool of threads runs its requests.
//!
//! A [`Node`] is a handle to a thread with a tokio runtime of its own, so that an application needs neither. There is one
//! event loop, which alone holds the [`Host`](crate::host::Host) and the swarm; tasks of streams only read and write bytes, and
//! requests to stores run on a bounded number of threads that may block. The node has no rules of its own.
//!
//! One long-lived stream carries all sessions between two nodes. Who opens it is the dialler of these sessions, and the transport's
//! identities of both ends bind them, so that nobody in between can pass them on.
//!
//! Bundles that a profile names are fetched over the same stream as soon as the profile names them, and taken in by the wallets the
//! node was given.
//!
//! With [`NodeBuilder::bitswap`] it speaks to IPFS nodes as well, on streams of their protocol, in a task of its own.
//!
//! With the feature `mdns` and [`NodeBuilder::mdns`] it finds other nodes on the local network; an application that finds them in another way
//! says so with [`NodeHandle::found`]. Either way that is only where to try: who is a device of a profile its membership says.
//!
//! With the feature `gossip` and [`NodeBuilder::gossip`] it announces what is written here to whoever listens, readable to who knows the profile.
//!
//! With the feature `discovery` and [`NodeBuilder::discovery`] it finds peers by their identities and reaches them over relays.
//!
//! What is not here yet: blocks on a stream of their own.

mod behaviour;
mod bitswap;
mod block_on;
mod builder;
mod bundles;
mod candidates;
mod command;
#[cfg(feature = "discovery")]
mod discovery;
mod driver;
mod error;
mod event;
#[cfg(feature = "gossip")]
mod gossip;
mod handle;
mod keep;
mod network;
mod pool;
mod status;
mod stream;
mod waiting;
mod written;

#[cfg(test)]
mod tests;

pub use bitswap::{BitswapBlocks, Gives};
pub use builder::NodeBuilder;
#[cfg(feature = "discovery")]
pub use discovery::{Discovery, RelayLimits};
pub use error::{NodeError, SyncError};
pub use event::{Events, NodeEvent};
pub use handle::{Node, NodeHandle};
pub use libp2p::{Multiaddr, PeerId};
pub use status::{KnownStatus, NodeMetrics, NodeStatus, Synced};
