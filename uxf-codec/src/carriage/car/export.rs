use std::io::Write;

use super::bundle::{BundleBlocks, check_exportable};
use super::walk::Walk;
use super::writer::CarWriter;
use crate::element::{ElementHash, ElementSource};
use crate::error::Error;
use crate::instance_chain::ChainIndex;
use crate::package::{Envelope, Manifest, Package};

/// Which elements an export takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum CarProfile {
    /// What the reference exports, byte for byte: everything that children and predecessors lead to. Name-tags that
    /// only a transaction refers to and newer instances of an element stay behind, as they do there.
    #[default]
    Exact,
    /// The exact form, and behind it what it leaves out. The identity of the bundle is the same, every reader of the
    /// exact form reads it, and nothing is lost.
    Complete,
}

/// What goes into an archive.
#[derive(Debug)]
pub struct CarContents<'a, S> {
    /// Where the elements are.
    pub source: &'a S,
    /// What the package says of itself.
    pub envelope: &'a Envelope,
    /// The tokens, in the order in which their elements are written.
    pub manifest: &'a Manifest,
    /// Instance chains, for [`CarProfile::Complete`].
    pub chains: &'a ChainIndex,
}

impl<S> Clone for CarContents<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for CarContents<'_, S> {}

/// What an export wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarSummary {
    /// Hash of the envelope block: the identity of the bundle.
    pub root: ElementHash,
    /// Blocks, envelope and manifest included.
    pub blocks: usize,
    /// Bytes of the whole archive.
    pub bytes: u64,
}

impl Package {
    /// The package as an archive.
    ///
    /// [`CarProfile::Exact`] gives the bytes of the reference, in its order of blocks: that of ingestion for a package
    /// built here or read from UXF JSON, that of the encoding for one read from a CAR. Format notes, section 11.1.
    ///
    /// There is no cap here, as in the reference; [`Package::to_cars`] cuts what would be too large to read.
    ///
    /// ```
    /// use uxf_codec::carriage::car::CarProfile;
    /// use uxf_codec::package::{Envelope, Package, Timestamp};
    ///
    /// let package = Package::new(Envelope::new(Timestamp::from_secs(1_750_000_000)));
    /// let car = package.to_car(CarProfile::Exact).unwrap();
    /// assert_eq!(Package::from_car(&car).unwrap(), package);
    /// ```
    ///
    /// # Errors
    /// [`Error::MissingElement`] if a root of the manifest is not in the pool, [`Error::VerificationFailed`] if one was
    /// put together by a join.
    pub fn to_car(&self, profile: CarProfile) -> Result<Vec<u8>, Error> {
        let mut car = Vec::new();
        self.write_car(profile, &mut car)?;
        Ok(car)
    }

    /// Writes the package as an archive to a stream. See [`Package::to_car`].
    ///
    /// # Errors
    /// Those of [`Package::to_car`], before anything is written; [`Error::Stream`] if the stream fails.
    pub fn write_car(
        &self,
        profile: CarProfile,
        out: &mut impl Write,
    ) -> Result<CarSummary, Error> {
        write_car(&self.car_contents(), profile, out)
    }

    /// What an archive of this package holds.
    pub const fn car_contents(&self) -> CarContents<'_, crate::package::Pool> {
        CarContents {
            source: &self.pool,
            envelope: &self.envelope,
            manifest: &self.manifest,
            chains: &self.chains,
        }
    }
}

/// Writes an archive from any element source: header, envelope, manifest, then the elements.
///
/// Memory: 48 bytes per element for what has been written, and the manifest block.
///
/// # Errors
/// [`Error::MissingElement`] or [`Error::VerificationFailed`] for a root that is absent or was put together by a join,
/// before anything is written; [`Error::Stream`] if the stream fails; those of the source.
pub fn write_car<S: ElementSource, W: Write>(
    contents: &CarContents<'_, S>,
    profile: CarProfile,
    out: W,
) -> Result<CarSummary, Error> {
    check_exportable(contents.source, contents.manifest)?;
    let blocks = BundleBlocks::new(contents.envelope, contents.manifest);
    let mut writer = CarWriter::begin(out, &blocks.root)?;
    writer.put(&blocks.root, &blocks.envelope)?;
    writer.put(&blocks.manifest_hash, &blocks.manifest)?;
    write_blocks(contents, profile, &mut writer)?;
    let summary = CarSummary {
        root: blocks.root,
        blocks: writer.blocks(),
        bytes: writer.bytes(),
    };
    writer.finish()?;
    Ok(summary)
}

/// Writes the elements of an archive whose header, envelope and manifest have been written: each once, breadth first
/// from every root in the order of the manifest. Absent elements are passed over.
///
/// # Errors
/// [`Error::Stream`] if the stream fails; those of the source.
pub fn write_blocks<S: ElementSource, W: Write>(
    contents: &CarContents<'_, S>,
    profile: CarProfile,
    writer: &mut CarWriter<W>,
) -> Result<(), Error> {
    let mut walk = Walk::new(contents.source, contents.chains, profile);
    for root in contents.manifest.values() {
        walk.enter(*root);
        while let Some((hash, bytes)) = walk.step()? {
            writer.put(&hash, bytes.as_ref())?;
        }
    }
    while let Some((hash, bytes)) = walk.step_extra()? {
        writer.put(&hash, bytes.as_ref())?;
    }
    Ok(())
}
