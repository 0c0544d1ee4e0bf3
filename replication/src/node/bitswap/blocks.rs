use core::fmt;
use std::collections::BTreeSet;

use cid::Cid;
use libp2p::Multiaddr;
use tokio::sync::mpsc;

use super::super::block_on::block_on;
use super::super::command::Command;
use super::super::error::NodeError;
use super::super::handle::NodeHandle;
use super::super::keep::KnownPeer;
use super::Answers;
use crate::bitswap::NotFound;
use crate::bulk::{BulkError, BulkStore, Bundle, Presence, Stage};

/// Blocks that are asked for at once.
const AT_ONCE: usize = 64;

/// The blocks of IPFS nodes, over bitswap: a place from which [`fetch_bundle`](crate::bulk::fetch_bundle) can fetch.
///
/// Every block is checked against its id. Nothing can be stored in it. Its calls block until each of the nodes has had ten seconds to
/// answer, and must not be made on a thread of an asynchronous runtime.
#[derive(Clone)]
pub struct BitswapBlocks {
    node: NodeHandle,
    peers: Vec<KnownPeer>,
}

impl fmt::Debug for BitswapBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = self.peers.iter().map(|peer| peer.peer);
        f.debug_list().entries(peers).finish()
    }
}

impl BitswapBlocks {
    pub(in super::super) fn new(node: NodeHandle, peers: &[Multiaddr]) -> Result<Self, NodeError> {
        let peers = peers.iter().map(KnownPeer::of);
        let peers = peers.collect::<Result<_, _>>()?;
        Ok(Self { node, peers })
    }

    /// Asks for blocks and hands out each answer as it comes, until all are there or one is not taken.
    fn fetch(
        &self,
        cids: &[Cid],
        mut take: impl FnMut(Cid, Result<Vec<u8>, NotFound>) -> Result<(), BulkError>,
    ) -> Result<(), BulkError> {
        let (answers, mut answered): (Answers, _) = mpsc::unbounded_channel();
        let command = Command::Blocks(self.peers.clone(), cids.to_vec(), answers);
        let closed =
            || BulkError::unsupported(self.name(), "bitswap on a node that does not run it");
        block_on(self.node.send(command), None).ok_or_else(closed)?;
        for _ in cids {
            let answer = block_on(answered.recv(), None).flatten();
            let (cid, block) = answer.ok_or_else(closed)?;
            take(cid, block)?;
        }
        Ok(())
    }
}

impl BulkStore for BitswapBlocks {
    fn name(&self) -> &'static str {
        "bitswap"
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn put_bundle(&self, _: &Bundle<'_>) -> Result<(), BulkError> {
        Err(BulkError::unsupported(self.name(), "put"))
    }

    fn put_block(&self, _: &Cid, _: &[u8]) -> Result<(), BulkError> {
        Err(BulkError::unsupported(self.name(), "put"))
    }

    fn presence(&self, cid: &Cid) -> Result<Presence, BulkError> {
        let mut stored = false;
        self.fetch(&[*cid], |_, block| {
            stored = block.is_ok();
            Ok(())
        })?;
        Ok(Presence::new(stored, None))
    }

    fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, BulkError> {
        let mut found = Err(BulkError::not_found(self.name(), cid));
        self.fetch(&[*cid], |_, block| {
            if let Ok(block) = block {
                found = Ok(block);
            }
            Ok(())
        })?;
        found
    }

    fn get_bundle(&self, stage: &mut Stage) -> Result<(), BulkError> {
        // What nobody has who was asked is for others to give, and must not stand in the way of the rest.
        let mut asked = BTreeSet::new();
        loop {
            let wanted = stage.missing().chain(stage.wished()).copied();
            let wanted = wanted.filter(|cid| !asked.contains(cid));
            let wanted: Vec<Cid> = wanted.take(AT_ONCE).collect();
            if wanted.is_empty() {
                return Ok(());
            }
            self.fetch(&wanted, |cid, block| match block {
                Ok(block) => stage.offer(&cid, &block),
                Err(_) => Ok(()),
            })?;
            asked.extend(wanted);
        }
    }

    fn pin(&self, _: &Cid) -> Result<(), BulkError> {
        Err(BulkError::unsupported(self.name(), "pin"))
    }

    fn unpin(&self, _: &Cid) -> Result<(), BulkError> {
        Err(BulkError::unsupported(self.name(), "unpin"))
    }
}
