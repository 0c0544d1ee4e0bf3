//! Everything of a node that is not I/O: many connections, many profiles, one state machine.
//!
//! [`Host`] holds the sessions of every connection and, for each profile, its [`OplogSync`](crate::oplog_sync::OplogSync),
//! [`Reconciler`](crate::reconcile::Reconciler) and [`BlockExchange`](crate::block_exchange::BlockExchange), and carries
//! messages between them. What its driver has to do comes out of [`Host::poll_output`]: write bytes to a connection, [run](Request::run) a request to a store on a thread that
//! may block, stop and go on reading, close a connection.
//!
//! **Memory.** Of each peer no more is buffered than a budget. Above it the connection is not read until the store has
//! taken something in; a single round that is longer than the budget, a checkpoint, is let in from one connection at a time,
//! the one that has the turn. What is read for peers waits until what was read before has left.
//!
//! **Reconciling.** Where a log of a peer cannot be had as a log, because the peer keeps its beginning no more, does not
//! give it, or gives what is refused here, what counts is reconciled with that peer: at once, and again when the log
//! has moved or is tried again, at longer and longer intervals while nothing comes of it. What came alone moves no log, so
//! that whoever took it in reconciles with the others as well.
//!
//! **Faults.** A connection is closed either because of [`Misbehaviour`](crate::Misbehaviour), which the peer's own bytes
//! prove and for which it is banned, or for any other [`Fault`], after which one backs off and tries again. [`Standing`]
//! keeps both for a node.
//!
//! It reads no clock, draws no random number and logs nothing.

mod config;
mod connection;
mod event;
mod machine;
mod memory;
mod metrics;
mod reconciling;
mod request;
mod route;
mod served;
mod standing;
mod status;

#[cfg(test)]
mod tests;

pub use config::HostConfig;
pub use connection::NewConnection;
#[cfg(feature = "node")]
pub(crate) use connection::REFUSED_MAX;
pub use event::{ConnectionId, Disconnect, Event, Fault, Output};
pub use machine::Host;
pub use metrics::HostMetrics;
pub use request::{Reply, Request};
pub use standing::{Standing, StandingConfig};
pub use status::{PeerStatus, Problem};
