use std::io::Read;

use cid::Cid;

use super::ahead::HashesAhead;
use super::bundle::{decode_envelope, decode_manifest};
use super::cid::{BlockCid, check_block_hash};
use super::limits::CarLimits;
use super::reader::{CarBlock, CarReader};
use crate::canonical::{ElementView, VerifiedElement};
use crate::element::ElementHash;
use crate::error::Error;
use crate::package::{Envelope, Manifest};

/// Reads the archive of a package from a stream, holding one block and a buffer at a time.
///
/// Elements come verified, in the order of the file; envelope and manifest are kept aside until the end. Where an
/// archive has several faults the one told is the first met, which need not be the one that
/// [`Package::from_car`](crate::package::Package::from_car) tells.
///
/// ```
/// use uxf_codec::carriage::car::{CarLimits, CarProfile, PackageReader};
/// use uxf_codec::package::{Envelope, Package, Timestamp};
///
/// let car = Package::new(Envelope::new(Timestamp::from_secs(7))).to_car(CarProfile::Exact).unwrap();
/// let mut reader = PackageReader::new(car.as_slice(), CarLimits::REFERENCE).unwrap();
/// while let Some(element) = reader.next_element().unwrap() {
///     println!("{} is a {}", element.hash(), element.view().element_type());
/// }
/// let (envelope, manifest) = reader.finish().unwrap();
/// assert_eq!(envelope.created_at, Timestamp::from_secs(7));
/// assert!(manifest.is_empty());
/// ```
#[derive(Debug)]
pub struct PackageReader<R> {
    car: CarReader<R>,
    hashes: HashesAhead,
    root: Cid,
    envelope: Option<Envelope>,
    manifest_cid: Option<Cid>,
    manifest: Option<Manifest>,
    /// A block in front of the envelope that is no element, so it must be the manifest.
    held: Option<Held>,
}

/// A block that is kept until the envelope says what it is.
#[derive(Debug)]
struct Held {
    /// The manifest has to be under its own CID, as it has to be behind the envelope.
    cid: Cid,
    bytes: Vec<u8>,
}

/// What a block turned out to be.
enum Role {
    Element,
    Other,
}

impl<R: Read> PackageReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::InvalidPackage`] unless there is exactly one root; those of [`CarReader::new`].
    pub fn new(input: R, limits: CarLimits) -> Result<Self, Error> {
        let car = CarReader::new(input, limits)?;
        let root = single_root(car.roots())?;
        Ok(Self {
            car,
            hashes: HashesAhead::default(),
            root,
            envelope: None,
            manifest_cid: None,
            manifest: None,
            held: None,
        })
    }

    /// The CID of the envelope: the identity of the bundle.
    pub const fn root(&self) -> &Cid {
        &self.root
    }

    /// The envelope, once it has been met.
    pub const fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// The manifest, once it has been met; in what this crate and the reference write that is before any element.
    pub const fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Bytes taken from the stream so far, the element last shown not counted.
    pub const fn offset(&self) -> u64 {
        self.car.offset()
    }

    /// The next element; `None` behind the last block. An element may come more than once.
    ///
    /// # Errors
    /// [`Error::Serialization`] for a CID that is no element's, an envelope or a manifest of the wrong shape;
    /// [`Error::VerificationFailed`] for bytes that do not have the hash of their CID; those of
    /// [`ElementView::parse`] and of [`CarReader::next_block`].
    pub fn next_element(&mut self) -> Result<Option<VerifiedElement<'_>>, Error> {
        while self.car.advance()? {
            if matches!(self.take_part()?, Role::Element) {
                break;
            }
        }
        let hash = self.car.current_hash(&mut self.hashes)?;
        match (self.car.current()?, hash) {
            (Some(block), Some(hash)) => verify_element(block.cid, block.bytes, hash).map(Some),
            _ => Ok(None),
        }
    }

    /// Envelope and manifest, after [`Self::next_element`] has given `None`.
    ///
    /// What the manifest names is to be checked with [`check_roots`](super::check_roots) once the elements can be looked up.
    ///
    /// # Errors
    /// [`Error::Serialization`] if there was no envelope or no manifest.
    pub fn finish(self) -> Result<(Envelope, Manifest), Error> {
        let envelope = self.envelope.ok_or_else(|| absent("envelope"))?;
        let manifest = self.manifest.ok_or_else(|| absent("manifest"))?;
        Ok((envelope, manifest))
    }

    /// Keeps the current block if it is envelope or manifest.
    fn take_part(&mut self) -> Result<Role, Error> {
        let Some(block) = self.car.current()? else {
            return Ok(Role::Other);
        };
        if block.cid.is(&self.root) {
            if self.envelope.is_none() {
                check_block_hash(block.bytes, &self.root, "envelope")?;
                let (envelope, manifest_cid) = decode_envelope(block.bytes)?;
                self.envelope = Some(envelope);
                self.settle_held(manifest_cid)?;
            }
            return Ok(Role::Other);
        }
        if let Some(manifest_cid) = &self.manifest_cid {
            if !block.cid.is(manifest_cid) {
                return Ok(Role::Element);
            }
            if self.manifest.is_none() {
                self.manifest = Some(read_manifest(block.bytes, manifest_cid)?);
            }
            return Ok(Role::Other);
        }
        Self::hold(&mut self.held, block)
    }

    /// In front of the envelope nobody knows which block the manifest is; it is the only one that is no element.
    fn hold(held: &mut Option<Held>, block: CarBlock<'_>) -> Result<Role, Error> {
        let Err(error) = ElementView::parse(block.bytes) else {
            return Ok(Role::Element);
        };
        match (held.as_ref(), block.cid.to_cid()) {
            (None, Some(cid)) => {
                let bytes = block.bytes.to_vec();
                *held = Some(Held { cid, bytes });
                Ok(Role::Other)
            }
            // The same block again.
            (Some(first), Some(cid)) if first.cid == cid && first.bytes == block.bytes => {
                Ok(Role::Other)
            }
            _ => Err(error),
        }
    }

    fn settle_held(&mut self, manifest_cid: Cid) -> Result<(), Error> {
        if let Some(held) = self.held.take() {
            if held.cid != manifest_cid {
                return Err(absent("manifest"));
            }
            self.manifest = Some(read_manifest(&held.bytes, &manifest_cid)?);
        }
        self.manifest_cid = Some(manifest_cid);
        Ok(())
    }
}

/// An element, if its bytes, which have the hash `found`, are what the CID says.
pub(super) fn verify_element<'a>(
    cid: BlockCid<'a>,
    bytes: &'a [u8],
    found: ElementHash,
) -> Result<VerifiedElement<'a>, Error> {
    VerifiedElement::expect_found(bytes, cid.element_hash()?, found)
}

fn read_manifest(bytes: &[u8], cid: &Cid) -> Result<Manifest, Error> {
    check_block_hash(bytes, cid, "manifest")?;
    decode_manifest(bytes)
}

pub(super) fn single_root(roots: &[Cid]) -> Result<Cid, Error> {
    match roots {
        [root] => Ok(*root),
        _ => Err(Error::InvalidPackage {
            reason: format!("the CAR has {} roots where one is needed", roots.len()),
        }),
    }
}

pub(super) fn absent(what: &str) -> Error {
    Error::Serialization {
        at: "CAR".to_owned(),
        reason: format!("the {what} block is not in it"),
    }
}
