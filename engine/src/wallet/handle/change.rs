//! One change of a wallet: worked out on the caller's thread, committed if nothing it rests on has changed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uxf_codec::ElementHash;
use uxf_codec::json::Tape;
use uxf_codec::token::{AssembleOptions, Assembler};

use super::history::newest_state_hash;
use super::join::{Known, join};
use super::noted::SpentAmong;
use super::staged::{HashedStaged, Staged};
use super::{Wallet, WalletCounts};
use crate::batch::{WalletRowChange, WriteBatch};
use crate::error::Error;
use crate::profile::ProfileError;
use crate::profile::merge::SpentSet;
use crate::snapshot::Snapshot;
use crate::tables::schema::{WalletRowKind, wallet_key};
use crate::tables::wallet_rows::{BundleRow, BundleTag, CANDIDATES_MAX, Candidate, JoinedRow};
use crate::wallet::spent::list_key;
use crate::wallet::{DedupKey, TokenStatus, TxfToken};

/// Times a change is worked out again because somebody else was faster.
const ATTEMPTS_MAX: usize = 64;

/// A change in the making.
pub(super) struct Change<'w> {
    pub(super) wallet: &'w Wallet,
    pub(super) snapshot: Snapshot,
    pub(super) batch: WriteBatch,
    /// The reference's list of spent states, and what this change notes as spent.
    pub(super) listed: Arc<SpentSet>,
    pub(super) noted: SpentSet,
    /// Keys of states of which this change rests on their not being spent.
    unspent: BTreeSet<String>,
    assembler: Assembler,
    json: Vec<u8>,
    tokens: BTreeMap<String, Edited>,
}

/// A token as it was and as it is to be.
struct Edited {
    before: Option<Box<[u8]>>,
    was_shown: bool,
    row: Option<JoinedRow>,
}

/// A state that is brought in.
pub(super) struct Brought {
    pub(super) root: ElementHash,
    pub(super) instances: BTreeSet<ElementHash>,
    pub(super) keys: Vec<DedupKey>,
}

impl Wallet {
    /// Works a change out and commits it, again and again until nobody has come between.
    pub(super) fn change<T>(
        &self,
        mut work: impl FnMut(&mut Change<'_>) -> Result<T, Error>,
    ) -> Result<(T, WalletCounts), Error> {
        let mut attempts = 0;
        loop {
            let mut change = Change::begin(self)?;
            let done = work(&mut change)?;
            attempts += 1;
            match change.commit() {
                Ok(counts) => return Ok((done, counts)),
                Err(
                    Error::WalletChanged { .. } | Error::Profile(ProfileError::Conflict { .. }),
                ) if attempts < ATTEMPTS_MAX => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Wallet {
    /// Works a change out and drops it.
    pub(super) fn dry_run<T>(
        &self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        work(&mut Change::begin(self)?)
    }
}

impl<'w> Change<'w> {
    fn begin(wallet: &'w Wallet) -> Result<Self, Error> {
        let snapshot = wallet.engine().snapshot()?;
        let mut batch = wallet.engine().begin();
        let view = snapshot.profile(&wallet.profile);
        let (listed, version) = wallet.read_listed(&view)?;
        // A state that is spent meanwhile must not be taken for one that is alive. Nothing here writes this list, so it
        // stands in nobody's way; states with keys of their own are looked at one by one.
        batch.expect_version(&wallet.profile, &list_key(&wallet.address), version)?;
        Ok(Self {
            wallet,
            snapshot,
            batch,
            listed,
            noted: SpentSet::default(),
            unspent: BTreeSet::new(),
            assembler: Assembler::new(),
            json: Vec::new(),
            tokens: BTreeMap::new(),
        })
    }

    fn load(&mut self, token_id: &str) -> Result<&mut Edited, Error> {
        let place = match self.tokens.entry(token_id.to_owned()) {
            Entry::Occupied(known) => return Ok(known.into_mut()),
            Entry::Vacant(place) => place,
        };
        let before = (self.wallet).row(&self.snapshot, WalletRowKind::Token, token_id)?;
        let row = before
            .as_deref()
            .map(|row| JoinedRow::decode(token_id, row));
        let row = row.transpose()?;
        Ok(place.insert(Edited {
            was_shown: row.as_ref().is_some_and(JoinedRow::is_shown),
            before: before.map(Vec::into_boxed_slice),
            row,
        }))
    }

    fn candidates(&mut self, token_id: &str) -> Result<Vec<Candidate>, Error> {
        let row = self.load(token_id)?.row.as_ref();
        Ok(row.map_or_else(Vec::new, |row| row.candidates.clone()))
    }

    /// What a state is known by, from its elements.
    pub(super) fn key_of(&mut self, root: &ElementHash) -> Result<DedupKey, Error> {
        let most = AssembleOptions::default().bytes_max;
        Ok(self.measured_key_of(root, most)?.0)
    }

    /// What a state is known by, and how many bytes of JSON it is, of which there may be so many. Whatever it consists of
    /// has been hashed then, what the batch puts when it was put.
    pub(super) fn measured_key_of(
        &mut self,
        root: &ElementHash,
        most: usize,
    ) -> Result<(DedupKey, usize), Error> {
        let staged = Staged {
            batch: &self.batch,
            snapshot: &self.snapshot,
        };
        let mut options = AssembleOptions::default();
        options.bytes_max = options.bytes_max.min(most);
        // Of a token that the batch puts it puts most elements; of others, it puts none, and many are hashed together.
        options.check_hashes = self.batch.body(root).is_none();
        let (assembler, json) = (&mut self.assembler, &mut self.json);
        json.clear();
        if options.check_hashes {
            assembler.assemble(&staged, root, &options, json)?;
        } else {
            assembler.assemble(&HashedStaged(staged), root, &options, json)?;
        }
        if let Some(hash) = newest_state_hash(&staged, root)? {
            return Ok((DedupKey::State(hash), json.len()));
        }
        let mut tape = Tape::new();
        let token = TxfToken::new(tape.parse(json)?);
        let token = token.ok_or(Error::UnknownInput)?;
        Ok((DedupKey::of(&token), json.len()))
    }

    /// Brings a state in, named by a bundle or, with `None`, by this device alone. A state that is chosen takes the place of
    /// those that are there, whatever a join would say; what comes later is joined with it again.
    pub(super) fn bring(
        &mut self,
        token_id: &str,
        brought: &Brought,
        bundle: Option<BundleTag>,
        is_chosen: bool,
    ) -> Result<(), Error> {
        let mut candidates = self.candidates(token_id)?;
        let at = match candidates.binary_search_by(|one| one.root.cmp(&brought.root)) {
            Ok(at) => at,
            Err(_) if candidates.len() >= CANDIDATES_MAX => {
                return Err(Error::LimitExceeded {
                    what: "states of a token in a wallet",
                    limit: CANDIDATES_MAX as u64,
                    found: CANDIDATES_MAX as u64 + 1,
                });
            }
            Err(at) => {
                candidates.insert(at, Candidate::new(brought.root));
                at
            }
        };
        if is_chosen {
            for other in &mut candidates {
                other.is_passed_over = true;
            }
        }
        if let Some(candidate) = candidates.get_mut(at) {
            self.release(candidate)?;
            candidate.instances.extend(&brought.instances);
            brought.keys.iter().for_each(|key| candidate.add_key(key));
            candidate.bundles.extend(bundle);
            candidate.is_passed_over &= !is_chosen;
            self.hold(candidate)?;
        }
        self.settle(token_id, candidates)
    }

    /// Names a state once more that is here already, by a bundle that says nothing else of it; whether it is.
    ///
    /// A root is a hash of everything below it, so what was read and judged of it holds. Where it is all that is known of
    /// its token, and counts, there is nothing to join.
    pub(super) fn name_known(
        &mut self,
        token_id: &str,
        root: &ElementHash,
        bundle: BundleTag,
    ) -> Result<bool, Error> {
        let Some(row) = &self.load(token_id)?.row else {
            return Ok(false);
        };
        let is_settled = row.root == *root
            && row.candidates.len() == 1
            && matches!(row.status, TokenStatus::Valid | TokenStatus::Pending);
        let mut candidates = row.candidates.clone();
        let known = candidates.iter_mut().find(|one| one.root == *root);
        let Some(candidate) = known.filter(|one| !one.keys.is_empty()) else {
            return Ok(false);
        };
        self.release(candidate)?;
        candidate.bundles.insert(bundle);
        if is_settled {
            if let Some(row) = &mut self.load(token_id)?.row {
                row.candidates = candidates;
            }
            self.set_row(token_id)?;
        } else {
            self.settle(token_id, candidates)?;
        }
        Ok(true)
    }

    /// A bundle names a token no longer. A state that nobody else names stays, unless another has all it has: a bundle
    /// that goes takes nothing with it.
    pub(super) fn forget(&mut self, token_id: &str, bundle: BundleTag) -> Result<(), Error> {
        let mut candidates = self.candidates(token_id)?;
        for candidate in &mut candidates {
            if candidate.bundles.contains(&bundle) {
                candidate.bundles.remove(&bundle);
                self.hold(candidate)?;
            }
        }
        self.settle(token_id, candidates)
    }

    /// Changes what is noted of the states of a token.
    pub(super) fn note(
        &mut self,
        token_id: &str,
        mut note: impl FnMut(&mut Candidate),
    ) -> Result<(), Error> {
        let mut candidates = self.candidates(token_id)?;
        candidates.iter_mut().for_each(&mut note);
        self.settle(token_id, candidates)
    }

    /// Drops states, whoever names them.
    pub(super) fn drop_states(
        &mut self,
        token_id: &str,
        is_dropped: impl Fn(&Candidate) -> bool,
    ) -> Result<(), Error> {
        let candidates = self.candidates(token_id)?;
        let (dropped, kept): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_dropped);
        for mut candidate in dropped {
            self.release(&mut candidate)?;
        }
        self.settle(token_id, kept)
    }

    /// What is known of a token, without keeping it at hand.
    pub(super) fn peek(&self, token_id: &str) -> Result<Option<JoinedRow>, Error> {
        if let Some(edited) = self.tokens.get(token_id) {
            return Ok(edited.row.clone());
        }
        let row = (self.wallet).row(&self.snapshot, WalletRowKind::Token, token_id)?;
        row.map(|row| JoinedRow::decode(token_id, &row)).transpose()
    }

    /// A row as it is to be: what was spent on other devices counts before [`Wallet::sync`] has hidden it.
    pub(super) fn current(&self, token_id: &str, row: JoinedRow) -> Result<JoinedRow, Error> {
        if !row.is_shown() {
            return Ok(row);
        }
        let spent = self.spent_among(token_id, &row.candidates)?.hashes;
        if spent.is_empty() {
            return Ok(row);
        }
        let known = Known {
            spent: &spent,
            options: &self.wallet.options,
        };
        Ok(join(&self.snapshot, row.candidates, &known)?.row)
    }

    /// Pins a state for the row if no bundle does.
    fn hold(&mut self, candidate: &mut Candidate) -> Result<(), Error> {
        if candidate.is_local || !candidate.bundles.is_empty() {
            return Ok(());
        }
        candidate.is_local = true;
        self.batch.pin(&candidate.root)?;
        for instance in &candidate.instances {
            self.batch.pin(instance)?;
        }
        Ok(())
    }

    /// Takes the row's own pins away.
    fn release(&mut self, candidate: &mut Candidate) -> Result<(), Error> {
        if !candidate.is_local {
            return Ok(());
        }
        candidate.is_local = false;
        self.batch.unpin(&candidate.root)?;
        for instance in &candidate.instances {
            self.batch.unpin(instance)?;
        }
        Ok(())
    }

    /// Joins what is known of a token, and puts row and inventory into the batch.
    fn settle(&mut self, token_id: &str, candidates: Vec<Candidate>) -> Result<(), Error> {
        if candidates.is_empty() {
            self.batch.remove_token(&self.wallet.inventory, token_id)?;
            self.load(token_id)?.row = None;
            return self.set_row(token_id);
        }
        let SpentAmong { hashes, unspent } = self.spent_among(token_id, &candidates)?;
        for (key, version) in unspent {
            if !self.unspent.contains(&key) {
                let profile = &self.wallet.profile;
                self.batch.expect_version(profile, &key, version)?;
                self.unspent.insert(key);
            }
        }
        let known = Known {
            spent: &hashes,
            options: &self.wallet.options,
        };
        let staged = Staged {
            batch: &self.batch,
            snapshot: &self.snapshot,
        };
        let mut joined = join(&staged, candidates, &known)?;
        for root in &joined.covered {
            let candidates = &mut joined.row.candidates;
            if let Ok(at) = candidates.binary_search_by(|one| one.root.cmp(root)) {
                let mut covered = candidates.remove(at);
                self.release(&mut covered)?;
            }
        }
        if let Some(bytes) = &joined.synthetic {
            self.batch.put(bytes)?;
        }
        let row = joined.row;
        if row.status == TokenStatus::Spent {
            self.batch.remove_token(&self.wallet.inventory, token_id)?;
        } else {
            let instances: BTreeSet<_> = row
                .candidates
                .iter()
                .flat_map(|one| one.instances.iter().copied())
                .collect();
            let instances: Vec<_> = instances.into_iter().collect();
            let inventory = &self.wallet.inventory;
            self.batch
                .set_token_with(inventory, token_id, &row.root, &instances)?;
        }
        self.load(token_id)?.row = Some(row);
        self.set_row(token_id)
    }

    /// Puts the row of a token into the batch as it is to be.
    fn set_row(&mut self, token_id: &str) -> Result<(), Error> {
        let key = wallet_key(self.wallet.inventory.id(), WalletRowKind::Token, token_id);
        let edited = self.load(token_id)?;
        let row = edited.row.as_ref();
        let change = WalletRowChange {
            before: edited.before.clone(),
            after: row.map(|row| row.encode().into_boxed_slice()),
        };
        self.batch.set_wallet_row(key, change);
        Ok(())
    }

    /// Writes the row of a bundle and what it pins, or removes both.
    pub(super) fn set_bundle(
        &mut self,
        cid: &str,
        row: &BundleRow,
        roots: impl IntoIterator<Item = ElementHash>,
        is_added: bool,
    ) -> Result<(), Error> {
        let blocks = [row.envelope, row.manifest].into_iter();
        let held = blocks.chain(roots).chain(row.instances.iter().copied());
        for hash in held {
            if is_added {
                self.batch.pin(&hash)?;
            } else {
                self.batch.unpin(&hash)?;
            }
        }
        let bytes = Some(row.encode().into_boxed_slice());
        let (before, after) = if is_added {
            (None, bytes)
        } else {
            (bytes, None)
        };
        let key = wallet_key(self.wallet.inventory.id(), WalletRowKind::Bundle, cid);
        self.batch
            .set_wallet_row(key, WalletRowChange { before, after });
        Ok(())
    }

    fn commit(self) -> Result<WalletCounts, Error> {
        let mut counts = WalletCounts::default();
        for edited in self.tokens.values() {
            let row = edited.row.as_ref();
            let is_shown = row.is_some_and(JoinedRow::is_shown);
            match (edited.was_shown, is_shown) {
                (false, true) => counts.added += 1,
                (true, false) => counts.removed += 1,
                (true, true)
                    if row.map(JoinedRow::encode).as_deref() != edited.before.as_deref() =>
                {
                    counts.changed += 1;
                }
                _ => {}
            }
        }
        // The snapshot ends before the commit, or what the commit frees could not be used again.
        let Self {
            snapshot, batch, ..
        } = self;
        drop(snapshot);
        batch.commit()?;
        Ok(counts)
    }
}
