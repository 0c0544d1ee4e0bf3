use uxf_codec::ElementHash;

use super::change::Change;
use super::history::History;
use super::staged::Staged;
use super::{SpentOracle, Wallet};
use crate::error::Error;
use crate::tables::schema::WalletRowKind;
use crate::tables::wallet_rows::{Candidate, JoinedRow};
use crate::wallet::{DedupKey, TokenStatus};

/// What asking about spent states came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OracleReport {
    /// States that were asked about.
    pub asked: u64,
    /// States that were spent elsewhere.
    pub spent: u64,
    /// States of which that cannot be told now.
    pub unknown: u64,
}

/// Tokens that are noted in one commit.
const NOTED_AT_ONCE: usize = 256;

impl Wallet {
    /// Notes the state of a token as spent, and those that led to it, so that none of them comes back on any device, and
    /// shows the token no longer. Of a token with several states that contradict each other, the one that counts is spent.
    /// A token that is not minted yet has no state; it is forgotten. Whether the wallet showed it.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn spend(&self, token_id: &str) -> Result<bool, Error> {
        let (was_shown, _) = self.change(|change| {
            let Some(row) = change.peek(token_id)?.filter(JoinedRow::is_shown) else {
                return Ok(false);
            };
            let is_meant =
                |one: &Candidate| row.status != TokenStatus::Conflicting || one.root == row.root;
            let keys = row.candidates.iter().filter(|one| is_meant(one));
            let mut states: Vec<_> = keys
                .clone()
                .flat_map(|one| one.keys.iter().filter_map(DedupKey::state_hash))
                .map(|hash| (token_id.to_owned(), hash.to_owned()))
                .collect();
            if row.status == TokenStatus::Pending {
                // It may be known by the hash of an older state alone.
                let roots = keys
                    .clone()
                    .filter(|one| one.keys.iter().any(|key| !key.is_pending()));
                states.extend(roots.map(|one| (token_id.to_owned(), one.root.to_string())));
            }
            // Whoever has only an older state cannot see that it led to this one.
            let led_here = keys.map(|one| change.earlier_states(&one.root));
            for hashes in led_here.collect::<Result<Vec<_>, _>>()? {
                states.extend(hashes.into_iter().map(|hash| (token_id.to_owned(), hash)));
            }
            change.spend(&states)?;
            let is_pending =
                |one: &Candidate| !one.keys.is_empty() && one.keys.iter().all(DedupKey::is_pending);
            change.drop_states(token_id, |one| is_meant(one) && is_pending(one))?;
            Ok(true)
        })?;
        Ok(was_shown)
    }

    /// Asks about the state of every token that the wallet shows. What was spent elsewhere is invalid from then on, until
    /// another state of it comes.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn ask_oracle(&self, oracle: &dyn SpentOracle) -> Result<OracleReport, Error> {
        let mut report = OracleReport::default();
        let mut spent: Vec<(String, ElementHash)> = Vec::new();
        for (token_id, row) in self.shown_rows()? {
            let root = row.candidates.iter().find(|one| one.root == row.root);
            let key = match root {
                Some(one) => one.keys.iter().find(|key| !key.is_pending()).cloned(),
                // A join has put it together.
                None => Some(self.dry_run(|change| change.key_of(&row.root))?),
            };
            let Some(hash) = key.as_ref().and_then(DedupKey::state_hash) else {
                continue;
            };
            report.asked += 1;
            match oracle.is_spent(&token_id, hash) {
                Some(true) => spent.push((token_id, row.root)),
                Some(false) => {}
                None => report.unknown += 1,
            }
        }
        for tokens in spent.chunks(NOTED_AT_ONCE) {
            let ((), _) = self.change(|change| {
                for (token_id, root) in tokens {
                    change.note_off_record(token_id, *root)?;
                }
                Ok(())
            })?;
        }
        report.spent = spent.len() as u64;
        Ok(report)
    }

    fn shown_rows(&self) -> Result<Vec<(String, JoinedRow)>, Error> {
        let snapshot = self.engine().snapshot()?;
        let mut shown = Vec::new();
        for row in self.rows(&snapshot, WalletRowKind::Token)? {
            let (token_id, row) = row?;
            let row = JoinedRow::decode(&token_id, &row)?;
            if row.is_shown() {
                shown.push((token_id, row));
            }
        }
        Ok(shown)
    }
}

impl Change<'_> {
    /// Hashes of the states that led to one.
    fn earlier_states(&self, root: &ElementHash) -> Result<Vec<String>, Error> {
        let staged = Staged {
            batch: &self.batch,
            snapshot: &self.snapshot,
        };
        let history = History::read(&staged, root)?;
        Ok(history.earlier_state_hashes(&staged)?)
    }

    /// Notes that the state of a root was spent elsewhere. If a join has put the root together, all that it is made of was.
    fn note_off_record(&mut self, token_id: &str, root: ElementHash) -> Result<(), Error> {
        let Some(row) = self.peek(token_id)? else {
            return Ok(());
        };
        let is_candidate = row.candidates.iter().any(|one| one.root == root);
        if !is_candidate && row.root != root {
            return Ok(());
        }
        self.note(token_id, |one| {
            one.is_off_record |= one.root == root || !is_candidate;
        })
    }
}
