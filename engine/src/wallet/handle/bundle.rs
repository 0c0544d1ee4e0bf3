//! Bundles: taken in whole or not at all, and let go of without losing what only they named.

use std::collections::BTreeSet;
use std::io::Write;

use cid::Cid;
use uxf_codec::carriage::car::{
    CarContents, CarLimits, CarProfile, CarReader, CarWriter, check_roots, read_envelope,
    read_manifest, write_blocks,
};
use uxf_codec::instance_chain::chains_from_heads;
use uxf_codec::package::{Manifest, Package};
use uxf_codec::{ElementHash, ElementSource as _};

use super::change::{Brought, Change};
use super::merged::FULL_TOKENS;
use super::staged::Staged;
use super::{Wallet, WalletCounts};
use crate::bundles::consolidation::check_room;
use crate::bundles::{
    BUNDLE_KEY_PREFIX, BundleRef, BundleRefs, BundleStatus, UnixSeconds, check_content, parse_cid,
};
use crate::error::Error;
use crate::exchange::{Layered, gather};
use crate::profile::{ProfileError, ProfileView};
use crate::tables::schema::WalletRowKind;
use crate::tables::wallet_rows::BundleRow;

/// Codec of the ids of bundles: that of their envelope block. Old wallets have ids of whole archives.
const DAG_CBOR: u64 = 0x71;

/// What taking a bundle in came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleTaken {
    /// Whether it was not taken in before.
    pub is_new: bool,
    /// Tokens it names.
    pub tokens: u64,
    /// What that did to the tokens of the wallet.
    pub counts: WalletCounts,
}

/// JSON that the tokens of one bundle may come to, in bytes: 1 GiB, some 100 KiB for each of the most tokens that a
/// bundle may have. Elements that are named over and over make a small bundle say much, and all of it is read once.
const JSON_BYTES_MAX: usize = 1 << 30;

/// The two blocks of a bundle that are no elements, and the archive it came in.
struct Incoming<'b> {
    envelope: Vec<u8>,
    manifest: Vec<u8>,
    package: Option<&'b Package>,
}

impl Wallet {
    /// Takes in a bundle whose blocks are in the store: its tokens are joined with what is known of them, its roots are
    /// pinned, and its reference is written or counts from now on, all in one commit. Only the tokens it names are looked
    /// at. A bundle that is taken in already changes nothing.
    ///
    /// # Errors
    /// [`Error::BundleNotHere`] while blocks are missing; [`Error::Content`] and [`Error::Codec`] for what is no bundle:
    /// nothing of it was taken in. [`Error::LimitExceeded`]; those of a commit.
    pub fn add_bundle(&self, cid: &str) -> Result<BundleTaken, Error> {
        let parsed = parse_cid(cid)?;
        self.take_bundle(cid, |change| {
            let block = |hash: &ElementHash, part| match change.snapshot.get(hash)? {
                Some(found) => Ok(found.as_ref().to_vec()),
                None => Err(not_here(cid, part)),
            };
            if parsed.codec() != DAG_CBOR {
                return Err(not_here(cid, "archive"));
            }
            let envelope = block(&ElementHash::from_cid(&parsed)?, "envelope")?;
            let manifest = block(&read_envelope(&envelope)?.1, "manifest")?;
            Ok(Incoming {
                envelope,
                manifest,
                package: None,
            })
        })
    }

    /// Takes in a bundle from its archive, see [`add_bundle`](Self::add_bundle). The id may be that of the envelope block
    /// or, as in old wallets, that of the whole archive.
    ///
    /// # Errors
    /// Those of [`add_bundle`](Self::add_bundle).
    pub fn add_bundle_car(&self, cid: &str, car: &[u8]) -> Result<BundleTaken, Error> {
        let parsed = parse_cid(cid)?;
        let package = Package::from_car(car)?;
        let root = if parsed.codec() == DAG_CBOR {
            parsed
        } else {
            check_content(&parsed, car)?;
            let reader = CarReader::new(car, CarLimits::REFERENCE)?;
            let root = reader.roots().first().copied();
            root.ok_or_else(|| not_here(cid, "envelope"))?
        };
        let envelope = block_of(car, &root)?.ok_or_else(|| not_here(cid, "envelope"))?;
        check_content(&root, &envelope)?;
        // The archive may hold more than one bundle, of which only the one it names first was verified with it.
        let named = parse_cid(&read_envelope(&envelope)?.1.to_cid_text())?;
        let manifest = block_of(car, &named)?.ok_or_else(|| not_here(cid, "manifest"))?;
        check_content(&named, &manifest)?;
        self.take_bundle(cid, |_| {
            Ok(Incoming {
                envelope: envelope.clone(),
                manifest: manifest.clone(),
                package: Some(&package),
            })
        })
    }

    fn take_bundle<'b>(
        &self,
        cid: &str,
        mut incoming: impl FnMut(&Change<'_>) -> Result<Incoming<'b>, Error>,
    ) -> Result<BundleTaken, Error> {
        let span = tracing::debug_span!("add_bundle");
        let _entered = span.enter();
        let ((is_new, tokens), counts) = self.change(|change| {
            let row = self.row(&change.snapshot, WalletRowKind::Bundle, cid)?;
            if let Some(row) = row {
                change.register(cid, None)?;
                return Ok((false, BundleRow::decode(cid, &row)?.tokens));
            }
            let incoming = incoming(change)?;
            let (is_new, tokens) = change.take(cid, &incoming)?;
            change.register(cid, Some(tokens))?;
            Ok((is_new, tokens))
        })?;
        Ok(BundleTaken {
            is_new,
            tokens,
            counts,
        })
    }

    /// Writes a bundle that was taken in or saved as an archive, for others to fetch under its id.
    ///
    /// # Errors
    /// [`Error::BundleNotHere`]; [`Error::Codec`] if the output fails; those of reading.
    pub fn export_bundle(&self, cid: &str, out: impl Write) -> Result<(), Error> {
        let snapshot = self.engine().snapshot()?;
        let row = self.row(&snapshot, WalletRowKind::Bundle, cid)?;
        let row = row.ok_or_else(|| not_here(cid, "row"))?;
        let row = BundleRow::decode(cid, &row)?;
        let block = |hash: &ElementHash, part| match snapshot.get(hash)? {
            Some(found) => Ok(found.as_ref().to_vec()),
            None => Err(not_here(cid, part)),
        };
        let envelope_bytes = block(&row.envelope, "envelope")?;
        let manifest_bytes = block(&row.manifest, "manifest")?;
        let (envelope, _) = read_envelope(&envelope_bytes)?;
        let manifest = read_manifest(&manifest_bytes)?;
        let chains = chains_from_heads(&snapshot, &row.instances)?;
        let mut writer = CarWriter::begin(out, &row.envelope)?;
        writer.put(&row.envelope, &envelope_bytes)?;
        writer.put(&row.manifest, &manifest_bytes)?;
        let contents = CarContents {
            source: &snapshot,
            envelope: &envelope,
            manifest: &manifest,
            chains: &chains,
        };
        write_blocks(&contents, CarProfile::Complete, &mut writer)?;
        writer.finish()?;
        Ok(())
    }

    /// Lets go of a bundle that was taken in.
    pub(super) fn release_bundle(&self, cid: &str) -> Result<WalletCounts, Error> {
        let ((), counts) = self.change(|change| change.release_bundle(cid))?;
        Ok(counts)
    }

    /// The references of the profile, and those that cannot be read.
    pub(super) fn bundle_refs(view: &ProfileView<'_>) -> Result<BundleRefs, Error> {
        let mut rows = Vec::new();
        let mut unreadable = Vec::new();
        for key in view.keys(BUNDLE_KEY_PREFIX)? {
            let key = key?.key;
            match view.get(&key) {
                Ok(Some(value)) => match core::str::from_utf8(value.as_bytes()) {
                    // A reference that was deleted for good is none, and is no damage either.
                    Ok(text) if is_deleted(text) => {}
                    Ok(text) => rows.push((key, text.to_owned())),
                    Err(_) => unreadable.push(key),
                },
                Ok(None) => {}
                Err(Error::Profile(ProfileError::Open { .. })) => unreadable.push(key),
                Err(error) => return Err(error),
            }
        }
        let rows = rows.iter().map(|(key, text)| (key.as_str(), text.as_str()));
        // What does not open reads as an empty row, which is no reference: it is listed and counted with the others.
        let closed = unreadable.iter().map(|key| (key.as_str(), ""));
        Ok(BundleRefs::read(rows.chain(closed)))
    }
}

impl Change<'_> {
    pub(super) fn release_bundle(&mut self, cid: &str) -> Result<(), Error> {
        let Some(row) = self.bundle_row(cid)? else {
            return Ok(());
        };
        let manifest = self.manifest_of(&row)?;
        for token_id in manifest.keys() {
            self.forget(token_id.as_str(), row.tag())?;
        }
        self.set_bundle(cid, &row, manifest.values().copied(), false)
    }

    /// Whether the bundle is new, and how many tokens it has.
    fn take(&mut self, cid: &str, incoming: &Incoming<'_>) -> Result<(bool, u64), Error> {
        let manifest = read_manifest(&incoming.manifest)?;
        let envelope = ElementHash::of(&incoming.envelope);
        if let Some(row) = self.known_as(&envelope)? {
            return Ok((false, row.tokens));
        }
        let mut row = BundleRow {
            envelope: self.batch.put_opaque(&incoming.envelope)?,
            manifest: self.batch.put_opaque(&incoming.manifest)?,
            tokens: manifest.len() as u64,
            instances: Vec::new(),
        };
        // A state that is here has all its elements here; only instances of them may be new.
        let is_plain = incoming
            .package
            .is_none_or(|package| package.chains().is_empty());
        let mut brought = Vec::with_capacity(manifest.len());
        for (token_id, root) in &manifest {
            if is_plain && self.name_known(token_id.as_str(), root, row.tag())? {
                continue;
            }
            let instances = match incoming.package {
                Some(package) => self.put_token(package, root)?,
                None => Vec::new(),
            };
            row.instances.extend(&instances);
            brought.push((token_id, *root, instances));
        }
        row.instances.sort_unstable();
        row.instances.dedup();
        check_roots(
            &Staged {
                batch: &self.batch,
                snapshot: &self.snapshot,
            },
            &manifest,
        )?;
        let mut budget = JSON_BYTES_MAX;
        for (token_id, root, instances) in brought {
            // Only what can be put together is taken in, and all of a bundle or nothing.
            let (key, bytes) = self.measured_key_of(&root, budget)?;
            budget = budget.saturating_sub(bytes);
            let state = Brought {
                root,
                instances: instances.into_iter().collect(),
                keys: vec![key],
            };
            self.bring(token_id.as_str(), &state, Some(row.tag()), false)?;
        }
        self.set_bundle(cid, &row, manifest.values().copied(), true)?;
        Ok((true, row.tokens))
    }

    /// A bundle that was taken in under another id of its: that of its archive.
    fn known_as(&self, envelope: &ElementHash) -> Result<Option<BundleRow>, Error> {
        let rows = self.wallet.bundle_rows(&self.snapshot)?.into_iter();
        let mut rows = rows.map(|(_, row)| row);
        Ok(rows.find(|row| row.envelope == *envelope))
    }

    /// Puts what a package has of a token; the newest instances that no element names.
    pub(super) fn put_token(
        &mut self,
        package: &Package,
        root: &ElementHash,
    ) -> Result<Vec<ElementHash>, Error> {
        if package.chains().is_empty() {
            self.put_below(package, root)?;
            return Ok(Vec::new());
        }
        let store = &self.snapshot;
        let gathered = gather(&Layered { package, store }, root)?;
        for hash in &gathered.elements {
            if let Some(element) = package.pool().verified(hash)? {
                self.batch.put_verified(&element)?;
            }
        }
        Ok(gathered.instances)
    }

    /// Puts what a package has below a root. What it does not have is in the store, with everything below it.
    fn put_below(&mut self, package: &Package, root: &ElementHash) -> Result<(), Error> {
        let mut waiting = vec![*root];
        while let Some(hash) = waiting.pop() {
            // Tokens share elements: those of an earlier one are in the batch.
            if self.batch.body(&hash).is_some() {
                continue;
            }
            if let Some(element) = package.pool().verified(&hash)? {
                self.batch.put_verified(&element)?;
                element.view().for_each_link(|link| waiting.push(link));
            } else if self.snapshot.element(&hash)?.is_none() {
                let wanted_by = format!("the token with root {root}");
                return Err(uxf_codec::Error::MissingElement { hash, wanted_by }.into());
            }
        }
        Ok(())
    }

    /// Writes the reference to a bundle, unless there is one that says as much.
    pub(super) fn register(&mut self, cid: &str, tokens: Option<u64>) -> Result<(), Error> {
        let profile = &self.wallet.profile;
        let view = self.snapshot.profile(profile);
        let key = format!("{BUNDLE_KEY_PREFIX}{cid}");
        let now = UnixSeconds(self.wallet.now_secs());
        let reference = if let Some(value) = view.get(&key)? {
            let text = core::str::from_utf8(value.as_bytes()).ok();
            if text.is_some_and(is_deleted) {
                return Ok(());
            }
            let found = text.and_then(|text| BundleRef::parse_row(&key, text).ok());
            let found = found.ok_or(ProfileError::Unmergeable { key })?;
            if found.status() != BundleStatus::Unverified {
                return Ok(());
            }
            found.verified()
        } else {
            check_for_room(&Wallet::bundle_refs(&view)?)?;
            let device = const_hex::encode(profile.device().as_bytes());
            let reference = BundleRef::active(cid, now).made_by(&device);
            match tokens {
                Some(tokens) => reference.with_token_count(tokens),
                None => reference,
            }
        };
        let text = reference.format();
        self.batch
            .put_value(profile, &reference.key(), text.as_bytes())
    }

    /// Registers a bundle that was made here of states that are here.
    pub(super) fn make_bundle(
        &mut self,
        row: &BundleRow,
        part: &Manifest,
        now: UnixSeconds,
    ) -> Result<String, Error> {
        let cid = row.envelope.to_cid_text();
        for (token_id, root) in part {
            let state = Brought {
                root: *root,
                instances: BTreeSet::new(),
                keys: Vec::new(),
            };
            self.bring(token_id.as_str(), &state, Some(row.tag()), false)?;
        }
        self.set_bundle(&cid, row, part.values().copied(), true)?;
        let profile = &self.wallet.profile;
        let device = const_hex::encode(profile.device().as_bytes());
        let reference = BundleRef::active(&cid, now).made_by(&device);
        let text = reference.with_token_count(row.tokens).format();
        let key = format!("{BUNDLE_KEY_PREFIX}{cid}");
        self.batch.put_value(profile, &key, text.as_bytes())?;
        Ok(cid)
    }
}

/// Whether a wallet may have another bundle. Full ones count for none: as many as its tokens need it may always have, and
/// consolidation could not make them fewer.
pub(super) fn check_for_room(refs: &BundleRefs) -> Result<(), Error> {
    let is_full = |bundle: &&BundleRef| bundle.token_count() >= Some(FULL_TOKENS);
    let small: Vec<_> = refs
        .refs
        .iter()
        .filter(|one| !is_full(one))
        .cloned()
        .collect();
    check_room(&small).map_err(|full| Error::LimitExceeded {
        what: "active bundles of a wallet",
        limit: full.limit as u64,
        found: full.active as u64 + 1,
    })
}

fn is_deleted(row: &str) -> bool {
    let row = serde_json::from_str::<serde_json::Value>(row).ok();
    row.is_some_and(|row| row.get("tombstoned") == Some(&serde_json::Value::Bool(true)))
}

fn not_here(cid: &str, part: &'static str) -> Error {
    Error::BundleNotHere {
        cid: cid.to_owned(),
        part,
    }
}

/// The bytes of a block of an archive.
fn block_of(car: &[u8], cid: &Cid) -> Result<Option<Vec<u8>>, Error> {
    let mut reader = CarReader::new(car, CarLimits::REFERENCE)?;
    while let Some(block) = reader.next_block()? {
        if block.cid.is(cid) {
            return Ok(Some(block.bytes.to_vec()));
        }
    }
    Ok(None)
}
