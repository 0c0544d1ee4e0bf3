use core::time::Duration;

use crate::block_exchange::ExchangeConfig;
use crate::oplog_sync::SyncConfig;
use crate::reconcile::ReconcileConfig;
use crate::session::SessionsConfig;

/// Limits of a host.
#[derive(Clone, Copy, Debug)]
pub struct HostConfig {
    /// Most connections. Default 1,024. Further ones are closed at once.
    pub connections_max: usize,
    /// Bytes that came from one peer and are not taken in yet, from which on its connection is not read. Default 8 MiB.
    /// Only one peer at a time may go beyond, by the rest of one round.
    pub peer_bytes: usize,
    /// The same of all peers together. Default 64 MiB.
    pub total_bytes: usize,
    /// What every connection may have, however much the others do. Default 64 KiB.
    pub small_bytes: usize,
    /// Bytes that were handed out for one connection and did not leave, with which it is closed. Default 8 MiB.
    pub queued_bytes_max: usize,
    /// Bytes that were handed out for a connection and did not leave, below which there is room for more. Default 128 KiB.
    pub queued_bytes_low: usize,
    /// Bytes that were read for peers and did not leave, all together, from which on no further rounds are read. Default
    /// 64 MiB.
    pub given_bytes: usize,
    /// Rounds, and answers to ranges, that are read for peers at once. Default 4; at least 1. Each may be as long as a
    /// checkpoint is.
    pub gives_max: usize,
    /// Longest time in which nothing leaves although something is to. Default 30 s.
    pub write_timeout: Duration,
    /// How long one connection may have the turn to bring a long round while others wait for it. Default 2 minutes.
    pub turn_timeout: Duration,
    /// Least time after which a reconciliation with a peer is begun once more. Default 5 s; twice as long each time that
    /// nothing came of one.
    pub reconcile_interval: Duration,
    /// The longest it comes to. Default 15 minutes.
    pub reconcile_interval_max: Duration,
    /// Limits of the sessions of a connection.
    pub sessions: SessionsConfig,
    /// Limits of the synchronising of each profile. How many peers there may be and what is buffered of them is said here
    /// above.
    pub sync: SyncConfig,
    /// Limits of the reconciling of each profile.
    pub reconcile: ReconcileConfig,
    /// Limits of the exchange of blocks of each profile. How many peers there may be is said here above; what is held of
    /// blocks that wait for others counts for the profile and not for a peer.
    pub exchange: ExchangeConfig,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            peer_bytes: 8 << 20,
            total_bytes: 64 << 20,
            small_bytes: 64 << 10,
            queued_bytes_max: 8 << 20,
            queued_bytes_low: 128 << 10,
            given_bytes: 64 << 20,
            gives_max: 4,
            write_timeout: Duration::from_secs(30),
            turn_timeout: Duration::from_secs(120),
            reconcile_interval: Duration::from_secs(5),
            reconcile_interval_max: Duration::from_secs(15 * 60),
            sessions: SessionsConfig::default(),
            sync: SyncConfig::default(),
            reconcile: ReconcileConfig::default(),
            exchange: ExchangeConfig::default(),
        }
    }
}

impl HostConfig {
    /// The limits as the machines of a profile are to have them.
    pub(super) fn of_profiles(&self) -> (SyncConfig, ExchangeConfig) {
        // Both ends may open a session of one profile at once; one of the two is closed soon.
        let peers_max = self.connections_max.saturating_mul(2);
        let sync = SyncConfig {
            peers_max,
            // Reading stops long before; this bounds what is left behind by peers that are gone.
            buffer_bytes_max: self
                .total_bytes
                .saturating_mul(2)
                .saturating_add(self.sync.round_bytes_max),
            ..self.sync
        };
        let exchange = ExchangeConfig {
            peers_max,
            ..self.exchange
        };
        (sync, exchange)
    }
}
