use cid::Cid;
use uxf_engine::bundles::check_content;

use super::base_url::BaseUrl;
use super::client::{Blocks, Client};
use crate::bulk::bundle::Bundle;
use crate::bulk::error::BulkError;
use crate::bulk::limits::BulkLimits;
use crate::bulk::stage::Stage;
use crate::bulk::store::{BulkStore, Presence};

/// A trustless gateway: it hands out blocks and archives, and nothing can be stored there.
///
/// <https://specs.ipfs.tech/http-gateways/trustless-gateway/>
#[derive(Debug)]
pub struct Gateway {
    client: Client,
    limits: BulkLimits,
}

impl Gateway {
    /// The gateway at an address, as in `https://ipfs.io`.
    ///
    /// # Errors
    /// [`BulkError::InvalidOption`].
    pub fn new(address: &str, limits: BulkLimits) -> Result<Self, BulkError> {
        let base = BaseUrl::parse(address)?;
        Ok(Self {
            client: Client::new(base, None, limits.redirects_max)?,
            limits,
        })
    }

    fn refuse(&self, operation: &'static str) -> Result<(), BulkError> {
        Err(BulkError::unsupported(self.name(), operation))
    }
}

impl BulkStore for Gateway {
    fn name(&self) -> &str {
        self.client.name()
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn put_bundle(&self, _: &Bundle<'_>) -> Result<(), BulkError> {
        self.refuse("store a bundle")
    }

    fn put_block(&self, _: &Cid, _: &[u8]) -> Result<(), BulkError> {
        self.refuse("store a block")
    }

    fn presence(&self, cid: &Cid) -> Result<Presence, BulkError> {
        let path = format!("/ipfs/{cid}?format=raw");
        let answer = self.client.head(&path, self.limits.presence_time)?;
        match answer.status() {
            200 => Ok(Presence::new(true, None)),
            404 | 410 => Ok(Presence::new(false, None)),
            _ => Err(answer.refused()),
        }
    }

    fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, BulkError> {
        let path = format!("/ipfs/{cid}?format=raw");
        let accept = "application/vnd.ipld.raw";
        let answer = self.client.get(&path, accept, self.limits.fetch_time)?;
        let limit = self.limits.block_bytes_max as u64;
        let bytes = answer
            .blocks(Blocks::FromGateway, cid)?
            .read("bytes of a block", limit)?;
        check_content(cid, &bytes)?;
        Ok(bytes)
    }

    fn get_bundle(&self, stage: &mut Stage) -> Result<(), BulkError> {
        let root = *stage.root();
        let path = format!("/ipfs/{root}?format=car&dag-scope=all");
        let accept = "application/vnd.ipld.car; version=1; order=dfs; dups=n";
        let answer = self.client.get(&path, accept, self.limits.fetch_time)?;
        answer.blocks(Blocks::FromGateway, &root)?.read_onto(stage)
    }

    fn pin(&self, _: &Cid) -> Result<(), BulkError> {
        self.refuse("pin")
    }

    fn unpin(&self, _: &Cid) -> Result<(), BulkError> {
        self.refuse("unpin")
    }
}
