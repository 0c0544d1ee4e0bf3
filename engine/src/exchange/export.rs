use std::io::Write;

use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{
    CarContents, CarLimits, CarProfile, CarSummary, TokenTooLarge, plan_cars, write_car,
};
use uxf_codec::instance_chain::chains_from_heads;
use uxf_codec::package::{Envelope, Manifest, Package, Timestamp, TokenId};
use uxf_codec::token::{AssembleOptions, Assembler};

use crate::error::Error;
use crate::inventory::Inventory;
use crate::snapshot::Snapshot;

/// What an exported package says of itself and how much goes along.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    envelope: Envelope,
    profile: CarProfile,
}

impl ExportOptions {
    /// A package made now: exports have no clock of their own, so that the same call gives the same bytes.
    pub fn new(now: Timestamp) -> Self {
        Self {
            envelope: Envelope::new(now),
            profile: CarProfile::default(),
        }
    }

    /// Which elements a CAR takes along. Default [`CarProfile::Exact`].
    #[must_use]
    pub fn profile(mut self, profile: CarProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Who made it; readers take at most 256 UTF-16 units.
    #[must_use]
    pub fn creator(mut self, creator: impl Into<String>) -> Self {
        self.envelope.creator = Some(creator.into());
        self
    }

    /// What it is for; readers take at most 1,024 UTF-16 units.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.envelope.description = Some(description.into());
        self
    }
}

/// What an export to CARs wrote.
#[derive(Debug)]
pub struct CarExport {
    /// The archives in their order.
    pub cars: Vec<CarSummary>,
    /// Tokens that no archive within the caps of other readers can carry; they are in none.
    pub too_large: Vec<TokenTooLarge>,
}

impl Inventory {
    /// Writes tokens as a JSON array, one a line, as wallets keep them.
    ///
    /// # Errors
    /// [`Error::Codec`] with `TOKEN_NOT_FOUND` for a token the inventory does not have; [`Error::Io`] when the
    /// output fails; those of reading.
    pub fn export_json(&self, tokens: &[TokenId], mut out: impl Write) -> Result<u64, Error> {
        let span = tracing::info_span!(
            "export_json",
            inventory = self.name(),
            tokens = tokens.len()
        );
        let _entered = span.enter();
        let snapshot = self.engine().snapshot()?;
        let manifest = self.manifest(&snapshot, tokens)?;
        let mut assembler = Assembler::new();
        let mut text = Vec::new();
        let mut written = 0;
        let mut write = |text: &[u8]| {
            written += text.len() as u64;
            out.write_all(text).map_err(writing)
        };
        write(b"[")?;
        for (index, root) in manifest.values().enumerate() {
            text.clear();
            text.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
            assembler.assemble(&snapshot, root, &AssembleOptions::default(), &mut text)?;
            write(&text)?;
        }
        write(b"\n]\n")?;
        out.flush().map_err(writing)?;
        Ok(written)
    }

    /// Writes tokens as one package in UXF JSON, instances included.
    ///
    /// # Errors
    /// Those of [`export_json`](Self::export_json), and [`Error::Codec`] with `LIMIT_EXCEEDED` if the package would
    /// hold more than other readers take; CARs can be split.
    pub fn export_uxf_json(
        &self,
        tokens: &[TokenId],
        options: &ExportOptions,
        mut out: impl Write,
    ) -> Result<u64, Error> {
        let span = tracing::info_span!(
            "export_uxf_json",
            inventory = self.name(),
            tokens = tokens.len()
        );
        let _entered = span.enter();
        let snapshot = self.engine().snapshot()?;
        let manifest = self.manifest(&snapshot, tokens)?;
        let instances = self.instances(&snapshot, &manifest)?;
        let package = Package::gather(&snapshot, options.envelope.clone(), manifest, &instances)?;
        let text = package.to_json()?;
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(writing)?;
        Ok(text.len() as u64)
    }

    /// Writes tokens as one CAR, or as several where one would pass the caps of other readers. `open` is asked for
    /// the output of each, counted from 0.
    ///
    /// # Errors
    /// Those of [`export_json`](Self::export_json).
    pub fn export_cars<W: Write>(
        &self,
        tokens: &[TokenId],
        options: &ExportOptions,
        mut open: impl FnMut(usize) -> std::io::Result<W>,
    ) -> Result<CarExport, Error> {
        let span = tracing::info_span!(
            "export_cars",
            inventory = self.name(),
            tokens = tokens.len()
        );
        let _entered = span.enter();
        let snapshot = self.engine().snapshot()?;
        let manifest = self.manifest(&snapshot, tokens)?;
        let instances = self.instances(&snapshot, &manifest)?;
        let chains = chains_from_heads(&snapshot, &instances)?;
        let envelope = &options.envelope;
        let whole = CarContents {
            source: &snapshot,
            envelope,
            manifest: &manifest,
            chains: &chains,
        };
        let plan = plan_cars(&whole, options.profile, &CarLimits::REFERENCE)?;
        let mut cars = Vec::with_capacity(plan.parts.len());
        for (number, part) in plan.parts.iter().enumerate() {
            let mut out = open(number).map_err(writing)?;
            let contents = CarContents {
                manifest: part,
                ..whole
            };
            cars.push(write_car(&contents, options.profile, &mut out)?);
            out.flush().map_err(writing)?;
        }
        Ok(CarExport {
            cars,
            too_large: plan.too_large,
        })
    }

    fn manifest(&self, snapshot: &Snapshot, tokens: &[TokenId]) -> Result<Manifest, Error> {
        let rows = tokens
            .iter()
            .map(|token_id| match snapshot.root(self, token_id.as_str())? {
                Some(root) => Ok((token_id.clone(), root)),
                None => Err(uxf_codec::Error::TokenNotFound {
                    token_id: token_id.to_string(),
                }
                .into()),
            });
        rows.collect()
    }

    /// The newer instances that tokens pin.
    fn instances(&self, snapshot: &Snapshot, tokens: &Manifest) -> Result<Vec<ElementHash>, Error> {
        let mut instances = Vec::new();
        for token_id in tokens.keys() {
            instances.extend(snapshot.instances(self, token_id.as_str())?);
        }
        Ok(instances)
    }
}

fn writing(source: std::io::Error) -> Error {
    Error::Io {
        during: "writing an export",
        source,
    }
}
