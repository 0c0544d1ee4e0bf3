use std::io::{self, Read};

use cid::Cid;
use serde_json::Value;
use uxf_codec::ElementHash;
use uxf_codec::carriage::car::CarWriter;
use uxf_engine::bundles::{check_content, parse_cid};

use super::authorization::Authorization;
use super::base_url::BaseUrl;
use super::client::{ANSWER_BYTES_MAX, Answer, Blocks, Client, carry};
use super::multipart::{Form, Pieces};
use crate::bulk::bundle::Bundle;
use crate::bulk::error::{BulkError, shown};
use crate::bulk::limits::BulkLimits;
use crate::bulk::parallel;
use crate::bulk::patience::Patience;
use crate::bulk::stage::Stage;
use crate::bulk::store::{BulkStore, PinState, Presence};

/// An IPFS node over the RPC of Kubo: blocks are stored and pinned there, and read back from what the node itself has.
///
/// The node is asked to be offline in every call: it does not go and search with others what it lacks, so that what it
/// gives is what it keeps. To have it search, ask its gateway ([`Gateway`](super::Gateway)).
///
/// <https://docs.ipfs.tech/reference/kubo/rpc/>
#[derive(Debug)]
pub struct KuboNode {
    client: Client,
    limits: BulkLimits,
    patience: Patience,
}

/// Largest block that nodes take without being told to, in bytes.
const BLOCK_BYTES_UNASKED: usize = 1 << 20;
const RAW: u64 = 0x55;

impl KuboNode {
    /// The node with its RPC at an address, as in `http://127.0.0.1:5001`.
    ///
    /// # Errors
    /// [`BulkError::InvalidOption`], also for an authorization that would travel in the clear.
    pub fn new(
        address: &str,
        authorization: Option<Authorization>,
        limits: BulkLimits,
    ) -> Result<Self, BulkError> {
        Ok(Self {
            // A command that is sent elsewhere is not sent there.
            client: Client::new(BaseUrl::parse(address)?, authorization, 0)?,
            limits,
            patience: Patience::default(),
        })
    }

    /// How often failed requests that store something are repeated.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Sends a bundle as an archive; `false` if the node takes none.
    fn import(&self, bundle: &Bundle<'_>) -> Result<bool, BulkError> {
        let Ok(root) = ElementHash::from_cid(bundle.root()) else {
            return Ok(false);
        };
        let is_big = bundle
            .blocks()
            .iter()
            .any(|block| block.len > BLOCK_BYTES_UNASKED);
        let path = format!("/api/v0/dag/import?pin-roots=true&allow-big-block={is_big}");
        let form = Form::new(&self.patience)?;
        let mut body = form.around(archive(bundle, &root)?);
        let body: (&str, &mut dyn Read) = (&form.content_type(), &mut body);
        let answer = self.client.post(&path, Some(body), self.limits.put_time)?;
        if matches!(answer.status(), 404 | 405 | 501) {
            return Ok(false);
        }
        self.check_imported(bundle.root(), &read_ok(answer)?)?;
        Ok(true)
    }

    /// Looks for the root among what a node says it pinned, one document a line.
    fn check_imported(&self, root: &Cid, answer: &[u8]) -> Result<(), BulkError> {
        let mut other = None;
        for line in answer.split(|byte| *byte == b'\n') {
            let Ok(line) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            let Some(pinned) = line.get("Root") else {
                continue;
            };
            let found = pinned
                .pointer("/Cid/~1")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if parse_cid(found) != Ok(*root) {
                other = Some(found.to_owned());
                continue;
            }
            return match pinned.get("PinErrorMsg").and_then(Value::as_str) {
                None | Some("") => Ok(()),
                Some(reason) => Err(self.not_done(reason)),
            };
        }
        match other {
            Some(found) => Err(self.other_id(root, &found)),
            None => Err(self.not_done("it does not say that it pinned the root")),
        }
    }

    fn put_blocks(&self, bundle: &Bundle<'_>) -> Result<(), BulkError> {
        let width = self.limits.width();
        let mut batch = Vec::with_capacity(width);
        let put = |batch: &mut Vec<(Cid, Vec<u8>)>| {
            let put = |(cid, bytes): &(Cid, Vec<u8>)| self.put_block(cid, bytes);
            let result = parallel::for_each(batch, width, put);
            batch.clear();
            result
        };
        bundle.for_each_block(|cid, bytes| {
            batch.push((*cid, bytes.to_vec()));
            if batch.len() == width {
                put(&mut batch)
            } else {
                Ok(())
            }
        })?;
        put(&mut batch)?;
        self.pin(bundle.root())
    }

    fn put_block_once(&self, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError> {
        let codec = if cid.codec() == RAW {
            "raw"
        } else {
            "dag-cbor"
        };
        let is_big = bytes.len() > BLOCK_BYTES_UNASKED;
        let path = format!(
            "/api/v0/block/put?cid-codec={codec}&mhtype=sha2-256&pin=false&allow-big-block={is_big}"
        );
        let form = Form::new(&self.patience)?;
        let mut body = form.around(bytes);
        let body: (&str, &mut dyn Read) = (&form.content_type(), &mut body);
        let answer = self.client.post(&path, Some(body), self.limits.put_time)?;
        let said = document(&read_ok(answer)?);
        let key = said.get("Key").and_then(Value::as_str).unwrap_or_default();
        if parse_cid(key) == Ok(*cid) {
            return Ok(());
        }
        Err(self.other_id(cid, key))
    }

    fn pin_once(&self, cid: &Cid) -> Result<(), BulkError> {
        let path = format!("/api/v0/pin/add?arg={cid}&recursive=true&offline=true");
        let answer = self.client.post(&path, None, self.limits.put_time)?;
        let said = document(&read_ok(answer).map_err(|error| lacks(error, cid))?);
        let pins = said.get("Pins").and_then(Value::as_array);
        let mut pins = pins.into_iter().flatten().filter_map(Value::as_str);
        if pins.any(|pin| parse_cid(pin) == Ok(*cid)) {
            return Ok(());
        }
        Err(self.not_done("it does not say that it pinned the block"))
    }

    fn pin_state(&self, cid: &Cid) -> Result<PinState, BulkError> {
        let path = format!("/api/v0/pin/ls?arg={cid}&type=all&offline=true");
        let answer = self.client.post(&path, None, self.limits.presence_time)?;
        let said = match read_ok(answer) {
            Ok(said) => document(&said),
            Err(BulkError::Refused { message, .. }) if message.contains("not pinned") => {
                return Ok(PinState::Unpinned);
            }
            Err(error) => return Err(error),
        };
        let keys = said.get("Keys").and_then(Value::as_object);
        let found = keys
            .into_iter()
            .flatten()
            .find(|(key, _)| parse_cid(key) == Ok(*cid));
        let state = found
            .and_then(|(_, row)| row.get("Type")?.as_str())
            .unwrap_or_default();
        Ok(match state {
            "recursive" => PinState::Recursive,
            "direct" => PinState::Direct,
            state if state.starts_with("indirect") => PinState::Indirect,
            _ => PinState::Unpinned,
        })
    }

    fn other_id(&self, expected: &Cid, found: &str) -> BulkError {
        BulkError::OtherId {
            store: self.name().to_owned(),
            expected: Box::new(*expected),
            found: shown(found),
        }
    }

    /// It answered that all is well, and something is not; the next time it may be.
    fn not_done(&self, reason: &str) -> BulkError {
        BulkError::Refused {
            store: self.name().to_owned(),
            status: 200,
            message: shown(reason),
        }
    }
}

impl BulkStore for KuboNode {
    fn name(&self) -> &str {
        self.client.name()
    }

    /// A node on this machine is lost with it.
    fn is_elsewhere(&self) -> bool {
        !self.client.is_loopback()
    }

    fn put_bundle(&self, bundle: &Bundle<'_>) -> Result<(), BulkError> {
        if !self.patience.retry(|| self.import(bundle))? {
            self.put_blocks(bundle)?;
        }
        for top in bundle.tops() {
            self.pin(top)?;
        }
        Ok(())
    }

    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError> {
        check_content(cid, bytes)?;
        self.patience.retry(|| self.put_block_once(cid, bytes))
    }

    fn presence(&self, cid: &Cid) -> Result<Presence, BulkError> {
        let path = format!("/api/v0/block/stat?arg={cid}&offline=true");
        let answer = self.client.post(&path, None, self.limits.presence_time)?;
        match read_ok(answer).map_err(|error| lacks(error, cid)) {
            Ok(_) => Ok(Presence::new(true, Some(self.pin_state(cid)?))),
            Err(BulkError::NotFound { .. }) => Ok(Presence::new(false, None)),
            Err(error) => Err(error),
        }
    }

    fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, BulkError> {
        let path = format!("/api/v0/block/get?arg={cid}&offline=true");
        let answer = self.client.post(&path, None, self.limits.fetch_time)?;
        let answer = answer
            .blocks(Blocks::FromNode, cid)
            .map_err(|error| lacks(error, cid))?;
        let bytes = answer.read("bytes of a block", self.limits.block_bytes_max as u64)?;
        check_content(cid, &bytes)?;
        Ok(bytes)
    }

    fn get_bundle(&self, stage: &mut Stage) -> Result<(), BulkError> {
        let root = *stage.root();
        let path = format!("/api/v0/dag/export?arg={root}&progress=false&offline=true");
        let answer = self.client.post(&path, None, self.limits.fetch_time)?;
        let answer = answer
            .blocks(Blocks::FromNode, &root)
            .map_err(|error| lacks(error, &root))?;
        answer.read_onto(stage)
    }

    fn pin(&self, cid: &Cid) -> Result<(), BulkError> {
        self.patience.retry(|| self.pin_once(cid))
    }

    fn unpin(&self, cid: &Cid) -> Result<(), BulkError> {
        let path = format!("/api/v0/pin/rm?arg={cid}&recursive=true");
        let unpin = || read_ok(self.client.post(&path, None, self.limits.put_time)?);
        let is_unpinned = |error: &BulkError| matches!(error, BulkError::Refused { message, .. } if message.contains("not pinned"));
        match unpin() {
            Err(error) if !is_unpinned(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

fn read_ok(answer: Answer<'_>) -> Result<Vec<u8>, BulkError> {
    if answer.status() != 200 {
        return Err(answer.refused());
    }
    answer.read("bytes of an answer", ANSWER_BYTES_MAX)
}

fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// Nodes answer 500 for whatever is wrong, and say in words that a block is not there.
fn lacks(error: BulkError, cid: &Cid) -> BulkError {
    match error {
        BulkError::Refused { store, message, .. }
            if message.contains("not found") || message.contains("could not find") =>
        {
            BulkError::not_found(&store, cid)
        }
        error => error,
    }
}

/// A bundle as an archive, checked again block by block while it is sent.
fn archive<'b>(bundle: &Bundle<'b>, root: &ElementHash) -> Result<impl Read + 'b, BulkError> {
    let (mut blocks, root) = (bundle.checked_blocks()?, *root);
    let mut is_begun = false;
    let in_memory = |_| io::Error::from(io::ErrorKind::OutOfMemory);
    Ok(Pieces::new(move || {
        let writer = CarWriter::begin(Vec::new(), &root).map_err(in_memory)?;
        if !is_begun {
            is_begun = true;
            return writer.finish().map(Some).map_err(in_memory);
        }
        let Some((cid, bytes)) = blocks.next().map_err(carry)? else {
            return Ok(None);
        };
        let mut writer = writer;
        let header = usize::try_from(writer.bytes()).unwrap_or(0);
        writer.put_under(&cid, bytes).map_err(in_memory)?;
        Ok(Some(writer.finish().map_err(in_memory)?.split_off(header)))
    }))
}
