//! Packages: every token that can be put together from the package and the store goes in with its instances.

use indexmap::IndexSet;
use uxf_codec::package::Package;
use uxf_codec::token::{AssembleOptions, Assembler};
use uxf_codec::{ElementHash, ElementSource};

use super::InputKind;
use super::import::ImportOptions;
use super::report::{ImportReport, Rejected};
use crate::batch::WriteBatch;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::snapshot::Snapshot;

/// Elements that make a commit of their own.
const BATCH_ELEMENTS: usize = 16_384;

pub(super) fn import_package(
    inventory: &Inventory,
    kind: InputKind,
    package: &Package,
    options: &ImportOptions,
) -> Result<ImportReport, Error> {
    let engine = inventory.engine();
    let mut report = ImportReport::new(kind);
    let mut assembler = Assembler::new();
    let mut json = Vec::new();
    let before = engine.snapshot()?;
    let layered = Layered {
        package,
        store: &before,
    };
    let mut batch = engine.begin().durability(options.durability);
    for (index, (token_id, root)) in package.manifest().iter().enumerate() {
        json.clear();
        // Only what can be given back is taken in.
        let gathered = assembler
            .assemble(&layered, root, &AssembleOptions::default(), &mut json)
            .and_then(|()| gather(&layered, root));
        let gathered = match gathered {
            Ok(gathered) => gathered,
            Err(error) => {
                let token_id = Some(token_id.to_string());
                report.rejected.push(Rejected {
                    index,
                    token_id,
                    error: error.into(),
                });
                continue;
            }
        };
        for hash in &gathered.elements {
            if let Some(element) = package.pool().verified(hash)? {
                batch.put_verified(&element)?;
            }
        }
        report.instances_left_out += gathered.left_out;
        batch.set_token_with(inventory, token_id.as_str(), root, &gathered.instances)?;
        match before.root(inventory, token_id.as_str())? {
            None => report.added += 1,
            Some(had) if had == *root => report.unchanged += 1,
            Some(_) => report.updated += 1,
        }
        if batch.len() >= BATCH_ELEMENTS {
            commit(
                &mut report,
                core::mem::replace(&mut batch, engine.begin().durability(options.durability)),
            )?;
        }
    }
    commit(&mut report, batch)?;
    Ok(report)
}

fn commit(report: &mut ImportReport, batch: WriteBatch) -> Result<(), Error> {
    report.elements += batch.len() as u64;
    if !batch.is_empty() {
        let outcome = batch.commit()?;
        report.stored += outcome.stored;
        report.stored_bytes += outcome.stored_bytes;
    }
    Ok(())
}

/// What goes in for a token.
#[derive(Default)]
pub(crate) struct Gathered {
    /// Elements of the package, each once.
    pub(crate) elements: IndexSet<ElementHash>,
    /// Newer instances that no element names, which the token must pin.
    pub(crate) instances: Vec<ElementHash>,
    /// Newer instances that could not go along because something they name is absent.
    left_out: u64,
}

/// Finds everything the package has of a token, newer instances of its elements included.
pub(crate) fn gather(
    layered: &Layered<'_>,
    root: &ElementHash,
) -> Result<Gathered, uxf_codec::Error> {
    let mut gathered = Gathered::default();
    layered.follow(root, &mut gathered.elements)?;
    let mut next = 0;
    // Instances bring elements with instances of their own, so the end moves.
    while let Some(hash) = gathered.elements.get_index(next).copied() {
        next += 1;
        let Some(chain) = layered.package.chains().get(&hash) else {
            continue;
        };
        let head = chain.head;
        if gathered.elements.contains(&head) {
            continue;
        }
        let before = gathered.elements.len();
        if layered.follow(&head, &mut gathered.elements).is_ok() {
            gathered.instances.push(head);
        } else {
            gathered.elements.truncate(before);
            gathered.left_out += 1;
        }
    }
    Ok(gathered)
}

/// The package first, the store for what it left out because we have it already.
pub(crate) struct Layered<'l> {
    pub(crate) package: &'l Package,
    pub(crate) store: &'l Snapshot,
}

impl Layered<'_> {
    /// Adds an element of the package and whatever it leads to. At an element the store has the walk stops, since
    /// the store has everything below it too.
    fn follow(
        &self,
        start: &ElementHash,
        elements: &mut IndexSet<ElementHash>,
    ) -> Result<(), uxf_codec::Error> {
        let mut waiting = vec![*start];
        while let Some(hash) = waiting.pop() {
            if elements.contains(&hash) {
                continue;
            }
            match self.package.pool().view(&hash)? {
                Some(view) => {
                    elements.insert(hash);
                    view.for_each_link(|link| waiting.push(link));
                }
                None if self.store.element(&hash)?.is_some() => {}
                None => {
                    let wanted_by = format!("the token with root {start}");
                    return Err(uxf_codec::Error::MissingElement { hash, wanted_by });
                }
            }
        }
        Ok(())
    }
}

pub(crate) enum LayeredBytes<'l> {
    Package(&'l [u8]),
    Store(<Snapshot as ElementSource>::Bytes<'l>),
}

impl AsRef<[u8]> for LayeredBytes<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Package(bytes) => bytes,
            Self::Store(bytes) => bytes.as_ref(),
        }
    }
}

impl ElementSource for Layered<'_> {
    type Bytes<'a>
        = LayeredBytes<'a>
    where
        Self: 'a;

    fn element(&self, hash: &ElementHash) -> Result<Option<LayeredBytes<'_>>, uxf_codec::Error> {
        match self.package.pool().get(hash) {
            Some(element) => Ok(Some(LayeredBytes::Package(element.bytes()))),
            None => Ok(self.store.element(hash)?.map(LayeredBytes::Store)),
        }
    }
}
