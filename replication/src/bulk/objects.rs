use core::fmt;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};

use cid::Cid;
use futures_util::StreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error as ObjectError, ObjectStore, ObjectStoreExt as _};
use uxf_engine::bundles::{CID_TEXT_BYTES_MAX, RetryClass, check_content, parse_cid};

use super::bundle::Bundle;
use super::error::BulkError;
use super::fetch::{get_missing, offer};
use super::limits::BulkLimits;
use super::parallel;
use super::patience::Patience;
use super::stage::Stage;
use super::store::{BulkStore, PinState, Presence};

/// Bundles in an object store: a directory, memory, or whatever else the crate `object_store` knows.
///
/// Three kinds of objects, under a prefix: `blocks/CID` has the bytes of a block, so that blocks of several bundles
/// are stored once; `bundles/CID` lists the ids of a bundle's blocks, one a line, and is written after all of them;
/// `pins/CID` says that something is to be kept. Nothing here deletes blocks.
///
/// Calls block; inside an async runtime they block its thread.
pub struct ObjectBlocks {
    store: Arc<dyn ObjectStore>,
    name: String,
    prefix: Path,
    limits: BulkLimits,
    patience: Patience,
    is_elsewhere: bool,
    /// Taken only when this is dropped.
    runtime: Option<tokio::runtime::Runtime>,
}

impl ObjectBlocks {
    /// Bundles in a store that an application opened, under a prefix, which may be empty. It counts as being elsewhere.
    ///
    /// # Errors
    /// [`BulkError::InvalidOption`] for a prefix that is no path; [`BulkError::Source`] if no runtime can be made.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, BulkError> {
        let prefix = Path::parse(prefix).map_err(|_| BulkError::InvalidOption {
            option: "prefix",
            reason: "is no path of an object store",
        })?;
        // Its one driver is whichever thread calls, so that it costs nothing while nobody does.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(8)
            .enable_all()
            .build()
            .map_err(BulkError::Source)?;
        Ok(Self {
            name: format!("object store {store}"),
            store,
            prefix,
            limits: BulkLimits::REFERENCE,
            patience: Patience::default(),
            is_elsewhere: true,
            runtime: Some(runtime),
        })
    }

    /// Bundles in memory, for tests. They do not count as being elsewhere.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn in_memory() -> Result<Self, BulkError> {
        let made = Self::new(Arc::new(InMemory::new()), "")?;
        Ok(made.elsewhere(false))
    }

    /// Bundles in a directory, which is made if it is not there. What a call has stored has been flushed to the
    /// disk. Only the caller knows whether that disk is another one, so it does not count as being
    /// [`elsewhere`](Self::elsewhere) unless the caller says so.
    ///
    /// # Errors
    /// [`BulkError::Source`] if the directory cannot be made; those of [`new`](Self::new).
    pub fn directory(directory: &FilePath) -> Result<Self, BulkError> {
        std::fs::create_dir_all(directory).map_err(BulkError::Source)?;
        let store = LocalFileSystem::new_with_prefix(directory)
            .map_err(|error| BulkError::Source(error.into()))?;
        let made = Self::new(Arc::new(store.with_fsync(true)), "")?;
        Ok(made.elsewhere(false))
    }

    /// What it may hand over. Default [`BulkLimits::REFERENCE`].
    #[must_use]
    pub const fn limits(mut self, limits: BulkLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How often failed requests are repeated.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Whether what it has survives the loss of this device.
    #[must_use]
    pub const fn elsewhere(mut self, is_elsewhere: bool) -> Self {
        self.is_elsewhere = is_elsewhere;
        self
    }

    fn block_path(&self, cid: &Cid) -> Path {
        self.path("blocks", cid)
    }

    fn path(&self, kind: &'static str, cid: &Cid) -> Path {
        let cid = cid.to_string();
        self.prefix.clone().join(kind).join(cid.as_str())
    }

    /// Runs a request to its end.
    fn run<T: Send>(&self, request: impl Future<Output = T> + Send) -> Result<T, BulkError> {
        let Some(runtime) = &self.runtime else {
            return Err(BulkError::unsupported(&self.name, "work without a runtime"));
        };
        if tokio::runtime::Handle::try_current().is_err() {
            return Ok(runtime.block_on(request));
        }
        // A thread that drives a runtime may not drive a second one.
        let joined = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(request)).join());
        joined.map_err(|_| BulkError::unsupported(&self.name, "survive a panic of its client"))
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), BulkError> {
        self.patience.retry(|| {
            let payload = bytes.to_vec().into();
            let put = self.run(self.store.put(path, payload))?;
            put.map(drop).map_err(|error| self.failed(error))
        })
    }

    /// Length of an object, if it is there.
    fn len_of(&self, path: &Path) -> Result<Option<u64>, BulkError> {
        match self.run(self.store.head(path))? {
            Ok(meta) => Ok(Some(meta.size)),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn get(
        &self,
        path: &Path,
        what: &'static str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, BulkError> {
        let too_large = || BulkError::TooLarge { what, limit };
        let read = async {
            let found = match self.store.get(path).await {
                Ok(found) => found,
                Err(ObjectError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(self.failed(error)),
            };
            if found.meta.size > limit {
                return Err(too_large());
            }
            let mut bytes = Vec::new();
            let mut pieces = found.into_stream();
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|error| self.failed(error))?;
                if bytes.len() as u64 + piece.len() as u64 > limit {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(Some(bytes))
        };
        self.run(read)?
    }

    fn failed(&self, error: ObjectError) -> BulkError {
        let class = match error {
            ObjectError::InvalidPath { .. }
            | ObjectError::NotSupported { .. }
            | ObjectError::NotImplemented { .. }
            | ObjectError::AlreadyExists { .. }
            | ObjectError::Precondition { .. }
            | ObjectError::PermissionDenied { .. }
            | ObjectError::Unauthenticated { .. }
            | ObjectError::UnknownConfigurationKey { .. } => RetryClass::Permanent,
            _ => RetryClass::Transient,
        };
        BulkError::Object {
            store: self.name.clone(),
            source: Box::new(error),
            class,
        }
    }

    /// The blocks of a bundle as they were stored; nothing for a bundle that was not.
    fn listing(&self, root: &Cid) -> Result<Option<Vec<Cid>>, BulkError> {
        let limit = self.limits.blocks_max as u64 * (CID_TEXT_BYTES_MAX as u64 + 1);
        let path = self.path("bundles", root);
        let Some(listing) = self.get(&path, "bytes of a list of blocks", limit)? else {
            return Ok(None);
        };
        let mut cids = Vec::new();
        for line in listing
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            if cids.len() >= self.limits.blocks_max {
                return Err(BulkError::TooLarge {
                    what: "blocks of a bundle",
                    limit: self.limits.blocks_max as u64,
                });
            }
            cids.push(parse_cid(&String::from_utf8_lossy(line))?);
        }
        Ok(Some(cids))
    }
}

impl BulkStore for ObjectBlocks {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    fn put_bundle(&self, bundle: &Bundle<'_>) -> Result<(), BulkError> {
        let mut listing = String::new();
        bundle.for_each_block(|cid, bytes| {
            let path = self.block_path(cid);
            // Its length is no proof of its bytes, but a read-back is, and `put_block` replaces what that finds
            // damaged.
            let there = self.patience.retry(|| self.len_of(&path))?;
            if there != Some(bytes.len() as u64) {
                self.put(&path, bytes)?;
            }
            Ok(())
        })?;
        for block in bundle.blocks() {
            listing.push_str(&block.cid.to_string());
            listing.push('\n');
        }
        self.put(&self.path("bundles", bundle.root()), listing.as_bytes())?;
        for cid in core::iter::once(bundle.root()).chain(bundle.tops()) {
            self.put(&self.path("pins", cid), b"pinned\n")?;
        }
        Ok(())
    }

    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError> {
        check_content(cid, bytes)?;
        self.put(&self.block_path(cid), bytes)
    }

    fn presence(&self, cid: &Cid) -> Result<Presence, BulkError> {
        let stored = self.len_of(&self.block_path(cid))?.is_some();
        let pin = match self.len_of(&self.path("pins", cid))? {
            Some(_) => PinState::Recursive,
            None => PinState::Unpinned,
        };
        Ok(Presence::new(stored, Some(pin)))
    }

    fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, BulkError> {
        let limit = self.limits.block_bytes_max as u64;
        let found = self.get(&self.block_path(cid), "bytes of a block", limit)?;
        let bytes = found.ok_or_else(|| BulkError::not_found(&self.name, cid))?;
        check_content(cid, &bytes)?;
        Ok(bytes)
    }

    fn get_bundle(&self, stage: &mut Stage) -> Result<(), BulkError> {
        if let Some(listed) = self.listing(stage.root())? {
            let width = self.limits.width();
            let stage = Mutex::new(&mut *stage);
            parallel::for_each(&listed, width, |cid| {
                offer(&stage, cid, &self.get_block(cid)?)
            })?;
        }
        get_missing(self, stage, || false)
    }

    fn pin(&self, cid: &Cid) -> Result<(), BulkError> {
        // What lists a bundle was written after all of it.
        if self.listing(cid)?.is_none() {
            let mut stage = Stage::new(cid, self.limits)?;
            get_missing(self, &mut stage, || false)?;
            stage.finish()?;
        }
        self.put(&self.path("pins", cid), b"pinned\n")
    }

    fn unpin(&self, cid: &Cid) -> Result<(), BulkError> {
        match self.run(self.store.delete(&self.path("pins", cid)))? {
            Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }
}

impl Drop for ObjectBlocks {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for ObjectBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The Display of a store names its place; its Debug may name its keys.
        f.debug_struct("ObjectBlocks")
            .field("store", &self.name)
            .field("prefix", &self.prefix.as_ref())
            .finish_non_exhaustive()
    }
}
