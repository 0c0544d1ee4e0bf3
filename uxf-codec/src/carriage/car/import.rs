use std::io::Read;

use cid::Cid;

use super::ahead::HashesAhead;
use super::bundle::{check_roots, decode_envelope, decode_manifest, oversized};
use super::cid::check_block_hash;
use super::framing::{Framing, block_too_large, too_many_blocks};
use super::limits::CarLimits;
use super::package_reader::{PackageReader, absent, single_root, verify_element};
use crate::canonical::VerifiedElement;
use crate::element::MemoryForm;
use crate::error::Error;
use crate::instance_chain::rebuild_from_heads;
use crate::limits::{BLOCK_BYTES_MAX, CAR_BLOCKS_MAX, CAR_BYTES_MAX};
use crate::package::{Envelope, Manifest, Package, Pool};

impl Package {
    /// Reads a package from an archive in memory, with the reference's caps and its order of checks (format notes,
    /// section 11.3), so that a bad archive gives the same error here and there.
    ///
    /// Extra blocks, repeated blocks and elements in any order are accepted, and so are absent children and absent
    /// roots, which `verify` reports. Instance chains and indexes are rebuilt.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`], [`Error::InvalidPackage`], [`Error::Serialization`], [`Error::VerificationFailed`],
    /// [`Error::InvalidInstanceChain`] as in the notes; [`Error::MalformedCar`] and [`Error::MalformedCbor`] where
    /// the reference lets a library's exception through.
    pub fn from_car(car: &[u8]) -> Result<Self, Error> {
        if car.len() as u64 > CAR_BYTES_MAX {
            return Err(Error::LimitExceeded {
                what: "CAR bytes",
                limit: CAR_BYTES_MAX,
                found: car.len() as u64,
            });
        }
        let root = single_root(Framing::unlimited(car)?.roots())?;
        let envelope = find_block(car, &root)?.ok_or_else(|| absent("envelope"))?;
        check_block_hash(&envelope, &root, "envelope")?;
        let (envelope, manifest_cid) = decode_envelope(within_cap(&envelope)?)?;
        let manifest = find_block(car, &manifest_cid)?.ok_or_else(|| absent("manifest"))?;
        check_block_hash(&manifest, &manifest_cid, "manifest")?;
        let manifest = decode_manifest(within_cap(&manifest)?)?;
        let elements = read_elements(car, [&root, &manifest_cid])?;
        Self::imported(envelope, manifest, elements)
    }

    /// Reads a package from a stream. See [`PackageReader`] for which error is told where there are several.
    ///
    /// # Errors
    /// Those of [`PackageReader`] and of [`Package::from_car`].
    pub fn read_car(input: impl Read, limits: CarLimits) -> Result<Self, Error> {
        let mut reader = PackageReader::new(input, limits)?;
        let mut elements = Elements::default();
        while let Some(element) = reader.next_element()? {
            elements.insert(&element);
        }
        let (envelope, manifest) = reader.finish()?;
        Self::imported(envelope, manifest, elements)
    }

    fn imported(envelope: Envelope, manifest: Manifest, elements: Elements) -> Result<Self, Error> {
        check_roots(&elements.pool, &manifest)?;
        let mut package = Self::new(envelope);
        if elements.any_predecessor {
            package.chains = rebuild_from_heads(&elements.pool)?;
        }
        package.manifest = manifest;
        package.pool = elements.pool;
        package.rebuild_indexes();
        Ok(package)
    }
}

/// What has been read so far.
#[derive(Default)]
struct Elements {
    pool: Pool,
    /// Whether any of them continues another one. Most archives hold no chain and need no search for one.
    any_predecessor: bool,
}

impl Elements {
    fn insert(&mut self, element: &VerifiedElement<'_>) {
        self.any_predecessor |= element.view().predecessor().is_some();
        self.pool
            .insert(element.hash(), element.bytes(), MemoryForm::CANONICAL);
    }
}

fn within_cap(bytes: &[u8]) -> Result<&[u8], Error> {
    if bytes.len() > BLOCK_BYTES_MAX {
        return Err(oversized(bytes));
    }
    Ok(bytes)
}

/// Every block but envelope and manifest, in the order of the file.
///
/// A repeated envelope or manifest is passed over unread, as in the reference.
fn read_elements(car: &[u8], skip: [&Cid; 2]) -> Result<Elements, Error> {
    let mut framing = Framing::unlimited(car)?;
    let mut hashes = HashesAhead::default();
    let mut elements = Elements::default();
    let mut blocks = 0;
    while framing.advance()? {
        let Some(section) = framing.current()? else {
            break;
        };
        blocks += 1;
        if blocks > CAR_BLOCKS_MAX {
            return Err(too_many_blocks(CAR_BLOCKS_MAX));
        }
        if section.bytes.len() > BLOCK_BYTES_MAX {
            return Err(block_too_large(section.bytes.len(), BLOCK_BYTES_MAX));
        }
        if skip.iter().any(|cid| section.cid.is(cid)) {
            continue;
        }
        let hash = hashes.of_current(&mut framing)?;
        if let (Some(hash), Some(section)) = (hash, framing.current()?) {
            elements.insert(&verify_element(section.cid, section.bytes, hash)?);
        }
    }
    Ok(elements)
}

/// The first block with a CID; `None` if there is none.
fn find_block(car: &[u8], wanted: &Cid) -> Result<Option<Vec<u8>>, Error> {
    let mut framing = Framing::unlimited(car)?;
    while framing.advance()? {
        match framing.current()? {
            Some(section) if section.cid.is(wanted) => return Ok(Some(section.bytes.to_vec())),
            _ => {}
        }
    }
    Ok(None)
}
