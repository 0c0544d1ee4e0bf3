use cid::Cid;
use uxf_codec::ElementHash;
use uxf_codec::canonical::VerifiedElement;
use uxf_engine::bundles::check_content;
use uxf_engine::{Engine, Import, WriteBatch};

use super::bundle::Bundle;
use super::error::BulkError;
use super::stage::Stage;
use super::store::{BulkStore, Presence};

/// The blocks of a store on this device: the first place to look for a bundle, and where one lands before a wallet
/// takes it in.
///
/// What is put stays at least as long as this lives, and longer once a wallet or a token needs it. Pins of blocks
/// are the engine's own affair (tokens and bundles have them), so [`pin`](BulkStore::pin) is refused here.
#[derive(Debug)]
pub struct LocalBlocks {
    engine: Engine,
    /// Keeps what nothing refers to yet from being swept.
    _held: Import,
}

impl LocalBlocks {
    /// The blocks of a store.
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            _held: engine.begin_import(),
        }
    }
}

impl BulkStore for LocalBlocks {
    fn name(&self) -> &'static str {
        "this device"
    }

    fn is_elsewhere(&self) -> bool {
        false
    }

    fn put_bundle(&self, bundle: &Bundle<'_>) -> Result<(), BulkError> {
        let mut batch = self.engine.begin();
        bundle.for_each_block(|cid, bytes| put(&mut batch, cid, bytes))?;
        batch.commit()?;
        Ok(())
    }

    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError> {
        check_content(cid, bytes)?;
        let mut batch = self.engine.begin();
        put(&mut batch, cid, bytes)?;
        batch.commit()?;
        Ok(())
    }

    fn presence(&self, cid: &Cid) -> Result<Presence, BulkError> {
        let stored = match hash_of(cid) {
            Some(hash) => self.engine.snapshot()?.contains(&hash)?,
            None => false,
        };
        Ok(Presence::new(stored, None))
    }

    fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, BulkError> {
        let snapshot = self.engine.snapshot()?;
        let found = match hash_of(cid) {
            Some(hash) => snapshot.get(&hash)?,
            None => None,
        };
        let found = found.ok_or_else(|| BulkError::not_found(self.name(), cid))?;
        check_content(cid, found.as_ref())?;
        Ok(found.as_ref().to_vec())
    }

    fn get_bundle(&self, stage: &mut Stage) -> Result<(), BulkError> {
        let snapshot = self.engine.snapshot()?;
        loop {
            let wanted: Vec<Cid> = stage.missing().chain(stage.wished()).copied().collect();
            let mut found_any = false;
            for cid in wanted {
                let Some(hash) = hash_of(&cid) else { continue };
                let Some(found) = snapshot.get(&hash)? else {
                    continue;
                };
                match stage.offer(&cid, found.as_ref()) {
                    Ok(()) => found_any = true,
                    // What is damaged here may be whole elsewhere.
                    Err(BulkError::Content(error)) => tracing::warn!(%error, "a damaged block"),
                    Err(error) => return Err(error),
                }
            }
            if !found_any {
                return Ok(());
            }
        }
    }

    fn pin(&self, _: &Cid) -> Result<(), BulkError> {
        Err(BulkError::unsupported(self.name(), "pin"))
    }

    fn unpin(&self, _: &Cid) -> Result<(), BulkError> {
        Err(BulkError::unsupported(self.name(), "unpin"))
    }
}

/// The engine knows blocks by their SHA-256, whatever codec their id has.
fn hash_of(cid: &Cid) -> Option<ElementHash> {
    let digest = <[u8; 32]>::try_from(cid.hash().digest()).ok()?;
    (cid.hash().code() == 0x12).then(|| ElementHash::from_bytes(digest))
}

fn put(batch: &mut WriteBatch, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError> {
    match VerifiedElement::read(bytes) {
        Ok(element) if hash_of(cid) == Some(element.hash()) => batch.put_verified(&element)?,
        _ => {
            batch.put_opaque(bytes)?;
        }
    }
    Ok(())
}
