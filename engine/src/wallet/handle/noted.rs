//! States that were spent: looked for one by one, and noted one by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::change::Change;
use super::{Wallet, WalletCounts};
use crate::error::Error;
use crate::profile::merge::SpentSet;
use crate::profile::{ProfileView, ValueVersion};
use crate::tables::wallet_rows::Candidate;
use crate::wallet::DedupKey;
use crate::wallet::spent::{
    Noted, can_be_noted, entry_key, entry_text, list_key, look_up, read, read_all,
};

/// States that are noted in one commit.
const AT_ONCE: usize = 1_024;

/// Of the names of a token's candidates: those that were spent, and of the others the keys that would say so.
#[derive(Default)]
pub(super) struct SpentAmong {
    pub(super) hashes: BTreeSet<String>,
    pub(super) unspent: Vec<(String, Option<ValueVersion>)>,
}

impl Wallet {
    /// Every state that the profile says was spent at this address: as the one list that the reference keeps, with the
    /// earliest time of each.
    ///
    /// # Errors
    /// [`Error::Profile`] for an entry that cannot be read; [`Error::Io`], [`Error::Corrupted`].
    pub fn spent_states(&self) -> Result<SpentSet, Error> {
        let snapshot = self.engine().snapshot()?;
        self.read_spent(&snapshot.profile(&self.profile))
    }

    /// Notes states as spent, as a list of the reference names them, and hides what the wallet has of them. What is
    /// known to be spent since that time or before changes nothing. Names that no token has are passed over.
    ///
    /// # Errors
    /// Those of a commit. What was committed before an error stays.
    pub fn note_spent(&self, spent: &SpentSet) -> Result<WalletCounts, Error> {
        let mut counts = WalletCounts::default();
        let all: Vec<_> = spent.iter().collect();
        for states in all.chunks(AT_ONCE) {
            let ((), noted) = self.change(|change| {
                for (token_id, state_hash, time) in states {
                    if change.note_state(token_id, state_hash, *time)? {
                        change.settle_again(token_id)?;
                    }
                }
                Ok(())
            })?;
            counts.add(noted);
        }
        Ok(counts)
    }

    /// The reference's list, and the version of it. One that cannot be read is an error: taken for an empty one it
    /// would bring tokens back.
    pub(super) fn read_listed(
        &self,
        view: &ProfileView<'_>,
    ) -> Result<(Arc<SpentSet>, Option<ValueVersion>), Error> {
        let key = list_key(&self.address);
        // The default is right for a list that was never written.
        let version = view.version(&key)?;
        let mut memory = self.spent_memory();
        if memory.version != version {
            memory.listed = Arc::new(read(view, &key)?);
            memory.version = version;
        }
        Ok((Arc::clone(&memory.listed), version))
    }

    /// Every state that was spent, from list and entries.
    pub(super) fn read_spent(&self, view: &ProfileView<'_>) -> Result<SpentSet, Error> {
        let mut all = SpentSet::default();
        read_all(view, &self.address, |token_id, state_hash, time| {
            all.add(token_id, state_hash, time);
        })?;
        Ok(all)
    }

    /// What list and entries say of the names of a token's candidates.
    pub(super) fn spent_among(
        &self,
        view: &ProfileView<'_>,
        listed: &SpentSet,
        token_id: &str,
        candidates: &[Candidate],
    ) -> Result<SpentAmong, Error> {
        let mut among = SpentAmong::default();
        for candidate in candidates {
            let hashes = candidate.keys.iter().filter_map(DedupKey::state_hash);
            let root = candidate.root.to_string();
            for hash in hashes.chain([root.as_str()]) {
                if listed.contains(token_id, hash) {
                    among.hashes.insert(hash.to_owned());
                    continue;
                }
                let Noted {
                    since,
                    key,
                    version,
                } = look_up(view, &self.address, token_id, hash)?;
                if since.is_some() {
                    among.hashes.insert(hash.to_owned());
                } else {
                    among.unspent.push((key, version));
                }
            }
        }
        Ok(among)
    }
}

impl Change<'_> {
    /// Which states of a token were spent, those that this change notes included.
    pub(super) fn spent_among(
        &self,
        token_id: &str,
        candidates: &[Candidate],
    ) -> Result<SpentAmong, Error> {
        let view = self.snapshot.profile(&self.wallet.profile);
        let mut among = (self.wallet).spent_among(&view, &self.listed, token_id, candidates)?;
        for candidate in candidates {
            let hashes = candidate.keys.iter().filter_map(DedupKey::state_hash);
            let root = candidate.root.to_string();
            let noted = hashes
                .chain([root.as_str()])
                .filter(|hash| self.noted.contains(token_id, hash));
            among.hashes.extend(noted.map(str::to_owned));
        }
        Ok(among)
    }

    /// Whether a state was spent. A change that rests on its not being so settles its token, which looks again.
    pub(super) fn is_spent(&self, token_id: &str, state_hash: &str) -> Result<bool, Error> {
        Ok(self.spent_since(token_id, state_hash)?.is_some())
    }

    fn spent_since(&self, token_id: &str, state_hash: &str) -> Result<Option<u64>, Error> {
        let view = self.snapshot.profile(&self.wallet.profile);
        let entry = look_up(&view, &self.wallet.address, token_id, state_hash)?.since;
        let listed = self.listed.time_of(token_id, state_hash);
        let noted = self.noted.time_of(token_id, state_hash);
        Ok([entry, listed, noted].into_iter().flatten().min())
    }

    /// Notes states as spent, here and in the profile, as far as they are not yet. Tokens are to be settled after it.
    pub(super) fn spend(&mut self, states: &[(String, String)]) -> Result<(), Error> {
        self.note_new(states).map(drop)
    }

    /// Notes states as spent, as far as they are not yet, and joins their tokens anew.
    pub(super) fn spend_new(&mut self, states: &[(String, String)]) -> Result<(), Error> {
        let new = self.note_new(states)?;
        let tokens: BTreeSet<&str> = new.iter().map(|(token_id, _)| token_id.as_str()).collect();
        let mut tokens = tokens.into_iter();
        tokens.try_for_each(|token_id| self.settle_again(token_id))
    }

    /// Notes states as spent, as far as they are not yet, and says which those are.
    fn note_new<'s>(
        &mut self,
        states: &'s [(String, String)],
    ) -> Result<Vec<&'s (String, String)>, Error> {
        let now = self.wallet.engine().shared().options.clock.unix_millis();
        let mut new = Vec::new();
        for state in states {
            let (token_id, state_hash) = state;
            if !self.is_spent(token_id, state_hash)? && self.put_state(token_id, state_hash, now)? {
                new.push(state);
            }
        }
        Ok(new)
    }

    /// Notes a state as spent since a time. Whether that says more than what is known.
    fn note_state(&mut self, token_id: &str, state_hash: &str, time: u64) -> Result<bool, Error> {
        match self.spent_since(token_id, state_hash)? {
            Some(since) if since <= time => Ok(false),
            _ => self.put_state(token_id, state_hash, time),
        }
    }

    /// Puts an entry, if the state has a name that a token may have.
    fn put_state(&mut self, token_id: &str, state_hash: &str, time: u64) -> Result<bool, Error> {
        if !can_be_noted(token_id, state_hash) {
            return Ok(false);
        }
        self.noted.add(token_id, state_hash, time);
        let key = entry_key(&self.wallet.address, token_id, state_hash);
        let text = entry_text(token_id, state_hash, time);
        self.batch
            .put_value(&self.wallet.profile, &key, text.as_bytes())?;
        Ok(true)
    }

    fn settle_again(&mut self, token_id: &str) -> Result<(), Error> {
        if self.peek(token_id)?.is_some() {
            self.note(token_id, |_| ())?;
        }
        Ok(())
    }
}
