use std::collections::VecDeque;

use super::config::HostConfig;
use super::request::Work;
use crate::Peer;
use crate::block_exchange::BlockExchange;
use crate::oplog_sync::OplogSync;
use crate::reconcile::Reconciler;

/// A profile that is served.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) sync: OplogSync,
    pub(super) reconciler: Reconciler,
    pub(super) exchange: BlockExchange,
    /// What is to be read for peers, held back until there is room for it.
    pub(super) held_back: VecDeque<(Peer, Work)>,
}

impl Served {
    pub(super) fn new(config: &HostConfig) -> Self {
        let (sync, exchange) = config.of_profiles();
        Self {
            sync: OplogSync::new(sync),
            reconciler: Reconciler::new(config.reconcile),
            exchange: BlockExchange::new(exchange),
            held_back: VecDeque::new(),
        }
    }
}
