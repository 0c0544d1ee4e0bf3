use cid::Cid;
use indexmap::IndexMap;
use uxf_codec::carriage::car::{CarReader, CarWriter};
use uxf_codec::{ElementHash, Error as CodecError};
use uxf_engine::bundles::check_content;

use super::error::BulkError;
use super::graph::{Graph, Reach};
use super::limits::BulkLimits;
use super::links::links_of;

/// Where a bundle is gathered that comes in pieces, perhaps from several stores: bounded, every block checked, and
/// of no effect on anything until it is whole.
///
/// ```
/// use uxf_codec::ElementHash;
/// use uxf_engine::bundles::parse_cid;
/// use uxf_replication::bulk::{BulkLimits, Stage};
///
/// let envelope = [0xa0]; // an empty map, which names nothing
/// let root = parse_cid(&ElementHash::of(&envelope).to_cid_text()).unwrap();
/// let mut stage = Stage::new(&root, BulkLimits::REFERENCE).unwrap();
/// assert!(stage.offer(&root, b"something else").is_err());
/// assert!(!stage.is_whole());
/// stage.offer(&root, &envelope).unwrap();
/// assert_eq!(stage.finish().unwrap().blocks().count(), 1);
/// ```
#[derive(Debug)]
pub struct Stage {
    root: Cid,
    limits: BulkLimits,
    graph: Graph,
    blocks: IndexMap<Cid, Vec<u8>>,
    bytes: u64,
}

/// A whole bundle of verified blocks, its root first.
///
/// Nothing is in it but what the root leads to: a newer instance of an element that nobody asked for, which a store
/// could have added, is not.
#[derive(Debug)]
pub struct StagedBundle {
    root: Cid,
    blocks: IndexMap<Cid, Vec<u8>>,
    wished: usize,
}

impl Stage {
    /// An empty stage for a bundle.
    ///
    /// # Errors
    /// [`BulkError::Content`] and [`BulkError::Codec`] for a root that nothing can be checked by.
    pub fn new(root: &Cid, limits: BulkLimits) -> Result<Self, BulkError> {
        check_id(root)?;
        Ok(Self {
            root: *root,
            limits,
            graph: Graph::new(root, &limits),
            blocks: IndexMap::new(),
            bytes: 0,
        })
    }

    /// The bundle.
    pub const fn root(&self) -> &Cid {
        &self.root
    }

    /// What it may hold.
    pub const fn limits(&self) -> &BulkLimits {
        &self.limits
    }

    /// Takes a block if it is what it claims to be. One that is here already changes nothing; one that nothing
    /// names so far is kept within the limits in case something comes to.
    ///
    /// # Errors
    /// [`BulkError::Content`] for a lie; [`BulkError::Codec`], [`BulkError::Block`], [`BulkError::TooLarge`].
    pub fn offer(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError> {
        check_content(cid, bytes)?;
        if self.blocks.contains_key(cid) {
            return Ok(());
        }
        let over = |what, limit| Err(BulkError::TooLarge { what, limit });
        if bytes.len() > self.limits.block_bytes_max {
            return over("bytes of a block", self.limits.block_bytes_max as u64);
        }
        if self.blocks.len() >= self.limits.blocks_max {
            return over("blocks of a bundle", self.limits.blocks_max as u64);
        }
        let total = self.bytes.saturating_add(bytes.len() as u64);
        if total > self.limits.bundle_bytes_max {
            return over("bytes of a bundle", self.limits.bundle_bytes_max);
        }
        self.bytes = total;
        self.blocks.insert(*cid, bytes.to_vec());
        if self.graph.reach_of(cid) > Reach::No {
            self.walk_from(*cid)?;
        }
        Ok(())
    }

    /// Takes the blocks of an archive as they come, and keeps those that were good if it breaks off.
    ///
    /// # Errors
    /// Those of [`offer`](Self::offer); [`BulkError::OtherRoot`] unless it is the archive of this bundle alone;
    /// [`BulkError::Archive`].
    pub fn offer_car(&mut self, store: &str, car: impl std::io::Read) -> Result<(), BulkError> {
        let mut reader = read_header(store, &self.root, car, &self.limits)?;
        let limits = self.limits;
        let broken = |source| archive_error(store, source, &limits);
        let mut blocks = 0;
        while let Some(block) = reader.next_block().map_err(broken)? {
            count_block(&mut blocks, &limits)?;
            let cid = block.cid.to_cid().ok_or_else(|| no_cid(store))?;
            self.offer(&cid, block.bytes)?;
        }
        Ok(())
    }

    /// Adds an id that the caller knows to belong to the bundle though nothing in it names it, as that of a newer
    /// instance.
    ///
    /// # Errors
    /// Those of [`offer`](Self::offer).
    pub fn want(&mut self, cid: &Cid) -> Result<(), BulkError> {
        check_id(cid)?;
        self.graph.add_root(cid)?;
        self.walk_reached()
    }

    /// Blocks that are known to be missing. Behind them there may be more.
    pub fn missing(&self) -> impl Iterator<Item = &Cid> {
        self.graph.missing(Reach::Needed)
    }

    /// Blocks that would be good to have and without which the bundle is whole for other implementations: name-tags
    /// that only transactions name.
    pub fn wished(&self) -> impl Iterator<Item = &Cid> {
        self.graph.missing(Reach::Wished)
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.missing().next().is_none()
    }

    /// Forgets blocks that nothing leads to, so that who sent them cannot use up what others may send.
    pub(super) fn drop_unnamed(&mut self) {
        let graph = &self.graph;
        self.blocks.retain(|cid, _| graph.reach_of(cid) > Reach::No);
        self.bytes = self.blocks.values().map(|block| block.len() as u64).sum();
    }

    /// Gives the bundle out.
    ///
    /// # Errors
    /// [`BulkError::Incomplete`].
    pub fn finish(mut self) -> Result<StagedBundle, BulkError> {
        if let Some(first) = self.missing().next() {
            return Err(BulkError::Incomplete {
                root: Box::new(self.root),
                missing: self.missing().count(),
                first: Box::new(*first),
            });
        }
        let mut blocks = IndexMap::new();
        for cid in self.graph.reached() {
            if let Some(bytes) = self.blocks.swap_remove(cid) {
                blocks.insert(*cid, bytes);
            }
        }
        Ok(StagedBundle {
            root: self.root,
            blocks,
            wished: self.graph.missing(Reach::Wished).count(),
        })
    }

    fn walk_from(&mut self, cid: Cid) -> Result<(), BulkError> {
        self.walk(cid)?;
        self.walk_reached()
    }

    fn walk_reached(&mut self) -> Result<(), BulkError> {
        loop {
            let reached = self.graph.take_reached();
            if reached.is_empty() {
                return Ok(());
            }
            for cid in reached {
                self.walk(cid)?;
            }
        }
    }

    /// Follows the links of a block, if it is here.
    fn walk(&mut self, cid: Cid) -> Result<(), BulkError> {
        let Some(bytes) = self.blocks.get(&cid) else {
            return Ok(());
        };
        let links = links_of(&cid, bytes, &self.limits);
        let walked = links.and_then(|links| self.graph.walk(&cid, &links));
        if walked.is_err() {
            // What cannot be walked is part of no bundle, whoever sends it.
            self.blocks.swap_remove(&cid);
        }
        walked
    }
}

impl StagedBundle {
    /// The bundle.
    pub const fn root(&self) -> &Cid {
        &self.root
    }

    /// Its blocks, the root first.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = (&Cid, &[u8])> {
        self.blocks
            .iter()
            .map(|(cid, bytes)| (cid, bytes.as_slice()))
    }

    /// A block of it.
    pub fn block(&self, cid: &Cid) -> Option<&[u8]> {
        self.blocks.get(cid).map(Vec::as_slice)
    }

    /// Bytes of its blocks.
    pub fn byte_len(&self) -> u64 {
        self.blocks.values().map(|block| block.len() as u64).sum()
    }

    /// Name-tags that only transactions name and that nobody had. Bundles of other implementations mostly lack these.
    pub const fn wished(&self) -> usize {
        self.wished
    }

    /// The bundle as an archive for [`Inventory::import_car`](uxf_engine::Inventory::import_car) or a wallet. Of a
    /// bundle of old wallets, whose id is that of a whole archive, that archive.
    ///
    /// # Errors
    /// [`BulkError::Archive`] if it cannot be written, which is only so if memory is at its end.
    pub fn to_car(&self) -> Result<Vec<u8>, BulkError> {
        let broken = |source| BulkError::Archive {
            store: "staging".to_owned(),
            source,
        };
        let Ok(root) = ElementHash::from_cid(&self.root) else {
            return Ok(self.block(&self.root).unwrap_or_default().to_vec());
        };
        let mut writer = CarWriter::begin(Vec::new(), &root).map_err(broken)?;
        for (cid, bytes) in self.blocks() {
            writer.put_under(cid, bytes).map_err(broken)?;
        }
        writer.finish().map_err(broken)
    }
}

/// Refuses an id by which no bytes can be checked or no bundle can be walked.
pub(super) fn check_id(cid: &Cid) -> Result<(), BulkError> {
    match cid.codec() {
        0x71 | 0x55 => {}
        codec => {
            let cid = Box::new(*cid);
            return Err(BulkError::Codec { cid, codec });
        }
    }
    // Against bytes of another hash the only complaint left is about those.
    match check_content(cid, &[]) {
        Err(error @ uxf_engine::bundles::ContentError::UnknownMultihash { .. }) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// Reads the header of an archive, which must name a root alone.
pub(super) fn read_header<R: std::io::Read>(
    store: &str,
    root: &Cid,
    car: R,
    limits: &BulkLimits,
) -> Result<CarReader<R>, BulkError> {
    let reader =
        CarReader::new(car, limits.car()).map_err(|source| archive_error(store, source, limits))?;
    if reader.roots() != [*root] {
        return Err(BulkError::OtherRoot {
            store: store.to_owned(),
            expected: Box::new(*root),
            found: reader.roots().len(),
        });
    }
    Ok(reader)
}

/// What a failure of reading the blocks of an archive means.
pub(super) fn archive_error(store: &str, source: CodecError, limits: &BulkLimits) -> BulkError {
    match source {
        CodecError::Stream(error) => BulkError::Source(error),
        CodecError::LimitExceeded { .. } => BulkError::TooLarge {
            what: "bytes of a bundle",
            limit: limits.bundle_bytes_max,
        },
        // Behind the header the reader has this for nothing else, since blocks are counted here.
        CodecError::InvalidPackage { .. } => BulkError::TooLarge {
            what: "bytes of a block",
            limit: limits.block_bytes_max as u64,
        },
        source => BulkError::Archive {
            store: store.to_owned(),
            source,
        },
    }
}

/// Counts a block of an archive, those included that come twice.
pub(super) fn count_block(blocks: &mut usize, limits: &BulkLimits) -> Result<(), BulkError> {
    *blocks += 1;
    if *blocks > limits.blocks_max {
        return Err(BulkError::TooLarge {
            what: "blocks of a bundle",
            limit: limits.blocks_max as u64,
        });
    }
    Ok(())
}

pub(super) fn no_cid(store: &str) -> BulkError {
    let source = CodecError::MalformedCar {
        offset: 0,
        reason: "a block under an id with a digest longer than any that is in use",
    };
    BulkError::Archive {
        store: store.to_owned(),
        source,
    }
}
