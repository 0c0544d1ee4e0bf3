use std::collections::HashMap;

use redb::ReadableTable as _;
use uxf_codec::{ElementHash, ElementType};

use super::Writer;
use super::profiles::ProfilePlan;
use super::transaction::Transaction;
use crate::batch::{BatchData, BatchEntry};
use crate::elements::count::Count;
use crate::elements::fingerprint::Fingerprint;
use crate::elements::segment::SEQ_MAX;
use crate::error::{During as _, Error};
use crate::shared::Shared;
use crate::tables::row::BlockKind;
use crate::tables::schema::{WALLETS, split_wallet_key, token_key, token_pins};

/// What applying a batch will do. Making it changes nothing, so a batch that is refused leaves no trace.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// By position in the batch.
    pub(super) places: Vec<Place>,
    /// References that new elements start with, by position in the batch.
    pub(super) references: Vec<i64>,
    /// Changes of elements that are there, each once.
    pub(super) changes: Vec<Change>,
    /// Token rows to write or, where they are empty, to remove.
    pub(super) tokens: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether rows of wallets are written: as the batch says, which was checked.
    pub(super) wallet_rows: bool,
    /// Anonymous pins added less those taken away.
    pub(super) pins: i64,
    /// What happens to a profile.
    pub(super) profile: Option<ProfilePlan>,
}

/// Where an element of a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody needs to know: it lies below an element that is there.
    Unneeded,
    New,
    Known(u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) seq: u64,
    pub(super) references: i64,
    pub(super) pins: i64,
}

impl Writer {
    /// Where an element is and how often it is referenced, if it is in the store.
    pub(super) fn lookup(
        &mut self,
        fingerprint: Fingerprint,
    ) -> Result<Option<(u64, Count)>, Error> {
        let Some(seq) = self.shared.locate(fingerprint)? else {
            return Ok(None);
        };
        // The index may still know blocks that are gone (INV-INDEX-2); the count decides.
        match self.counts.get(&self.shared.db, seq)? {
            Count::Absent => Ok(None),
            count => Ok(Some((seq, count))),
        }
    }

    /// Finds out what a batch means and whether it can be applied.
    pub(super) fn plan(&mut self, tx: &Transaction, batch: &BatchData) -> Result<Plan, Error> {
        let len = batch.entries.len();
        let mut planning = Planning {
            plan: Plan {
                places: vec![Place::Unneeded; len],
                references: vec![0; len],
                ..Plan::default()
            },
            needed: vec![None; len],
            dropped_pins: HashMap::new(),
            roots: Vec::new(),
        };
        planning.pins(batch);
        planning.plan.wallet_rows = check_wallet_rows(tx, batch)?;
        self.plan_tokens(tx, batch, &mut planning)?;
        self.plan_profile(tx, batch, &mut planning)?;
        self.plan_bodies(batch, &mut planning)?;
        self.plan_references(batch, &mut planning)?;
        check_roots(tx, batch, &planning)?;
        self.plan_changes(batch, &mut planning)?;
        let plan = planning.plan;
        let new = plan
            .places
            .iter()
            .filter(|place| **place == Place::New)
            .count() as u64;
        if self.state.next_seq + new > SEQ_MAX {
            return Err(Error::LimitExceeded {
                what: "elements ever stored",
                limit: SEQ_MAX,
                found: self.state.next_seq + new,
            });
        }
        Ok(plan)
    }

    fn plan_tokens<'b>(
        &mut self,
        tx: &Transaction,
        batch: &'b BatchData,
        planning: &mut Planning<'b>,
    ) -> Result<(), Error> {
        for ((inventory, id), positions) in &batch.tokens {
            let key = token_key(*inventory, id);
            let old = tx.token(&key)?;
            let mut new = Vec::with_capacity(ElementHash::LEN * positions.len());
            for &position in positions {
                planning.need(position, "a token");
                let entry = batch.entry(position);
                new.extend_from_slice(entry.map_or(&[][..], |entry| entry.hash.as_bytes()));
            }
            if old.as_deref().unwrap_or_default() == new {
                continue;
            }
            if let Some(old) = old {
                let (root, instances) = token_pins(&old)?;
                for pinned in core::iter::once(root).chain(instances) {
                    let seq = self.seq_of_pinned(&pinned)?;
                    *planning.dropped_pins.entry(seq).or_default() += 1;
                }
            }
            for &position in positions {
                planning.refer(position, "a token");
            }
            if let Some(&root) = positions.first() {
                planning.roots.push((root, id));
            }
            planning.plan.tokens.push((key, new));
        }
        Ok(())
    }

    fn seq_of_pinned(&mut self, hash: &ElementHash) -> Result<u64, Error> {
        match self.lookup(self.shared.fingerprint(hash))? {
            Some((seq, _)) => Ok(seq),
            None => Err(Error::corrupted(
                "tokens-1",
                hash,
                "what a token pins is not stored",
            )),
        }
    }

    /// Looks up what is put. From the last body to the first, so that below an element that is there nothing has to
    /// be looked up; in a batch that puts children after their parents, everything is.
    fn plan_bodies(&mut self, batch: &BatchData, planning: &mut Planning<'_>) -> Result<(), Error> {
        let mut covered = vec![false; batch.entries.len()];
        for &position in batch.bodies.iter().rev() {
            let Some(entry) = batch.entry(position) else {
                continue;
            };
            let skip = covered.get(position as usize).copied().unwrap_or(false);
            if skip && batch.children_first && !planning.is_needed(position) {
                continue;
            }
            let found = self.lookup(entry.fingerprint)?;
            let links = entry
                .body
                .as_ref()
                .map_or(&[][..], |body| batch.links_of(body));
            let place = if let Some((seq, _)) = found {
                for &child in links {
                    if let Some(covered) = covered.get_mut(child as usize) {
                        *covered = true;
                    }
                }
                Place::Known(seq)
            } else {
                for &child in links {
                    planning.refer(child, "a new element");
                }
                Place::New
            };
            planning.place(position, place);
        }
        Ok(())
    }

    /// Looks up what is named and not put.
    fn plan_references(
        &mut self,
        batch: &BatchData,
        planning: &mut Planning<'_>,
    ) -> Result<(), Error> {
        for (position, entry) in (0_u32..).zip(&batch.entries) {
            let Some(wanted_by) = planning.needed_by(position) else {
                continue;
            };
            if planning.place_of(position) != Place::Unneeded {
                continue;
            }
            match self.lookup(entry.fingerprint)? {
                Some((seq, _)) => planning.place(position, Place::Known(seq)),
                None => {
                    return Err(Error::MissingElement {
                        hash: entry.hash,
                        wanted_by,
                    });
                }
            }
        }
        Ok(())
    }

    /// Adds up what happens to each element and checks that no count leaves its range.
    fn plan_changes(
        &mut self,
        batch: &BatchData,
        planning: &mut Planning<'_>,
    ) -> Result<(), Error> {
        let pins = i128::from(self.state.pins) + i128::from(planning.plan.pins);
        let mut released = batch.entries.iter().filter(|entry| entry.pins < 0);
        if let (true, Some(entry)) = (pins < 0, released.next()) {
            return Err(over_released(
                entry,
                self.state.pins,
                i128::from(planning.plan.pins),
            ));
        }
        for (position, entry) in (0_usize..).zip(&batch.entries) {
            let place = planning.plan.places.get(position).copied();
            let references = planning.plan.references.get(position).copied().unwrap_or(0);
            match place {
                Some(Place::New) => check_range(entry, 0, references)?,
                Some(Place::Known(seq)) => {
                    let dropped = planning.dropped_pins.remove(&seq).unwrap_or(0);
                    let references = references - dropped;
                    let pins = entry.pins;
                    if references == 0 && pins == 0 {
                        continue;
                    }
                    let count = self.counts.get(&self.shared.db, seq)?;
                    check_range(entry, count.references(), references)?;
                    planning.plan.changes.push(Change {
                        seq,
                        references,
                        pins,
                    });
                }
                _ => {}
            }
        }
        for (seq, dropped) in planning.dropped_pins.drain() {
            let count = self.counts.get(&self.shared.db, seq)?.references();
            if i64::from(count) < dropped {
                return Err(Error::corrupted(
                    "counts-1",
                    seq,
                    "what a token pins has no reference",
                ));
            }
            planning.plan.changes.push(Change {
                seq,
                references: -dropped,
                pins: 0,
            });
        }
        Ok(())
    }
}

/// A plan in the making.
pub(super) struct Planning<'b> {
    pub(super) plan: Plan,
    /// Who needs an element, by position; such an element must be there or be put.
    needed: Vec<Option<&'static str>>,
    /// Pins that tokens no longer have, by sequence number.
    dropped_pins: HashMap<u64, i64>,
    /// Positions of the roots that tokens get, and the ids of the tokens.
    roots: Vec<(u32, &'b str)>,
}

impl Planning<'_> {
    fn pins(&mut self, batch: &BatchData) {
        for (position, entry) in (0_u32..).zip(&batch.entries) {
            if entry.pins != 0 {
                self.need(position, "a pin");
                if let Some(references) = self.plan.references.get_mut(position as usize) {
                    *references += entry.pins;
                }
                self.plan.pins = self.plan.pins.saturating_add(entry.pins);
            }
        }
    }

    /// Refers to an element that the batch names.
    pub(super) fn refer_to(
        &mut self,
        shared: &Shared,
        batch: &BatchData,
        hash: &ElementHash,
        wanted_by: &'static str,
    ) -> Result<(), Error> {
        let position = named(shared, batch, hash, wanted_by)?;
        self.refer(position, wanted_by);
        Ok(())
    }

    /// Requires an element that the batch names, without a reference: whoever applies the batch counts its own.
    pub(super) fn need_named(
        &mut self,
        shared: &Shared,
        batch: &BatchData,
        hash: &ElementHash,
        wanted_by: &'static str,
    ) -> Result<(), Error> {
        let position = named(shared, batch, hash, wanted_by)?;
        self.need(position, wanted_by);
        Ok(())
    }

    fn need(&mut self, position: u32, wanted_by: &'static str) {
        if let Some(needed) = self.needed.get_mut(position as usize) {
            needed.get_or_insert(wanted_by);
        }
    }

    fn refer(&mut self, position: u32, wanted_by: &'static str) {
        self.need(position, wanted_by);
        if let Some(references) = self.plan.references.get_mut(position as usize) {
            *references += 1;
        }
    }

    fn needed_by(&self, position: u32) -> Option<&'static str> {
        self.needed.get(position as usize).copied().flatten()
    }

    fn is_needed(&self, position: u32) -> bool {
        self.needed_by(position).is_some()
    }

    fn place(&mut self, position: u32, place: Place) {
        if let Some(slot) = self.plan.places.get_mut(position as usize) {
            *slot = place;
        }
    }

    fn place_of(&self, position: u32) -> Place {
        let place = self.plan.places.get(position as usize);
        place.copied().unwrap_or(Place::Unneeded)
    }
}

/// Whether the batch changes rows of wallets. Each must be what the change was worked out from, or two changes that
/// did not know of each other would be taken for one.
fn check_wallet_rows(tx: &Transaction, batch: &BatchData) -> Result<bool, Error> {
    if batch.wallet_rows.is_empty() {
        return Ok(false);
    }
    let table = tx.txn.open_table(WALLETS).during("opening wallets-1")?;
    for (key, change) in &batch.wallet_rows {
        let row = table.get(&**key).during("reading a row of a wallet")?;
        if row.as_ref().map(redb::AccessGuard::value) != change.before.as_deref() {
            let name = split_wallet_key(key).map_or_else(String::new, |(_, _, name)| name.into());
            return Err(Error::WalletChanged { name });
        }
    }
    Ok(true)
}

/// A token's root must be one, or the token could never be put together. What the batch puts says what it is, and
/// bytes are of one kind only (INV-BLOCK-4); a root that is there already is read.
fn check_roots(tx: &Transaction, batch: &BatchData, planning: &Planning<'_>) -> Result<(), Error> {
    for &(position, id) in &planning.roots {
        let Some(entry) = batch.entry(position) else {
            continue;
        };
        let kind = match (&entry.body, planning.place_of(position)) {
            (Some(body), _) => body.kind,
            (None, Place::Known(seq)) => tx.kind_of(seq)?,
            (None, _) => continue,
        };
        if kind != BlockKind::Element(ElementType::TokenRoot) {
            return Err(Error::NotATokenRoot {
                token_id: id.to_owned(),
                hash: entry.hash,
            });
        }
    }
    Ok(())
}

fn check_range(entry: &BatchEntry, has: u32, change: i64) -> Result<(), Error> {
    let after = i64::from(has).saturating_add(change);
    if after < 0 {
        return Err(over_released(entry, has.into(), change.into()));
    }
    if after >= i64::from(u32::MAX) {
        return Err(Error::LimitExceeded {
            what: "references of an element",
            limit: u64::from(u32::MAX) - 1,
            found: after.unsigned_abs(),
        });
    }
    Ok(())
}

fn over_released(entry: &BatchEntry, references: u64, change: i128) -> Error {
    Error::OverReleased {
        hash: entry.hash,
        references,
        released: u64::try_from(change.unsigned_abs()).unwrap_or(u64::MAX),
    }
}

/// Where in the batch an element is that it names.
fn named(
    shared: &Shared,
    batch: &BatchData,
    hash: &ElementHash,
    wanted_by: &'static str,
) -> Result<u32, Error> {
    batch.find(shared, hash).ok_or(Error::MissingElement {
        hash: *hash,
        wanted_by,
    })
}
