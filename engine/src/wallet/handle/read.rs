use core::fmt;
use std::collections::HashMap;
use std::sync::Arc;

use redb::Range;
use uxf_codec::ElementHash;

use super::Wallet;
use crate::error::{During as _, Error};
use crate::snapshot::Snapshot;
use crate::tables::schema::{WalletRowKind, split_wallet_key, wallet_key};
use crate::tables::wallet_rows::{BundleRow, BundleTag, JoinedRow};
use crate::wallet::DispositionReason;

/// How a token of a wallet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TokenStatus {
    /// It counts.
    Valid,
    /// Its last transfer has no proof yet.
    Pending,
    /// It has several newest states that contradict each other. One is shown; somebody should look.
    Conflicting,
    /// It does not count; the reason says why.
    Invalid,
    /// Every state of it that is known was spent here. The wallet does not show it and keeps what it was.
    Spent,
}

impl TokenStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Valid,
        Self::Pending,
        Self::Conflicting,
        Self::Invalid,
        Self::Spent,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Pending => "pending",
            Self::Conflicting => "conflicting",
            Self::Invalid => "invalid",
            Self::Spent => "spent",
        }
    }
}

/// What a wallet knows of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenEntry {
    /// Its id.
    pub token_id: String,
    /// The root that counts.
    pub root: ElementHash,
    /// How it stands.
    pub status: TokenStatus,
    /// Why it is invalid.
    pub reason: Option<DispositionReason>,
    /// Where it is conflicting, the roots or newest instances that contradict each other, ascending.
    pub heads: Vec<ElementHash>,
    /// The bundles that name the root that counts, in the order of their ids.
    pub bundles: Vec<Arc<str>>,
    /// Whether the next save has something of it to save: a state that counts and that no bundle has.
    pub is_unsaved: bool,
}

/// How many tokens of a wallet stand how, and what they rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalletStatus {
    /// Tokens by status, in the order of [`TokenStatus::ALL`].
    pub by_status: [u64; 5],
    /// Tokens that the next save has something of.
    pub unsaved: u64,
    /// Bundles that were taken in.
    pub bundles: u64,
}

impl WalletStatus {
    /// Tokens that stand so.
    pub fn of(&self, status: TokenStatus) -> u64 {
        let count = self.by_status.get(status as usize);
        count.copied().unwrap_or(0)
    }

    /// Tokens that the wallet shows.
    pub fn tokens(&self) -> u64 {
        let shown = TokenStatus::ALL
            .into_iter()
            .filter(|status| *status != TokenStatus::Spent);
        shown.map(|status| self.of(status)).sum()
    }
}

/// Names of bundles by their tags.
type Names = HashMap<BundleTag, Arc<str>>;

impl JoinedRow {
    /// The roots that a save has to name for others to know what is known here: the one that counts, if it is one that may
    /// be exported, and those that contradict it.
    pub(super) fn to_name(&self) -> Vec<ElementHash> {
        let is_candidate = |root: &ElementHash| {
            let found = self.candidates.binary_search_by(|one| one.root.cmp(root));
            found.is_ok()
        };
        let mut roots: Vec<_> = [self.root].into_iter().filter(is_candidate).collect();
        roots.extend(
            self.heads
                .iter()
                .filter(|head| **head != self.root && is_candidate(head)),
        );
        if roots.is_empty() {
            // The root was put together by a join, which others do for themselves.
            roots.extend(self.candidates.iter().map(|one| one.root));
        }
        roots
    }

    pub(super) fn is_local(&self, root: &ElementHash) -> bool {
        let at = self.candidates.binary_search_by(|one| one.root.cmp(root));
        let found = at.ok().and_then(|at| self.candidates.get(at));
        found.is_some_and(|one| one.is_local)
    }

    pub(super) fn is_unsaved(&self) -> bool {
        self.is_shown() && self.to_name().iter().any(|root| self.is_local(root))
    }

    fn entry(self, token_id: &str, names: &Names) -> TokenEntry {
        let is_unsaved = self.is_unsaved();
        let mut root = self.candidates.iter().filter(|one| one.root == self.root);
        let tags = root.next().map(|one| &one.bundles);
        let mut bundles: Vec<_> = tags
            .into_iter()
            .flatten()
            .filter_map(|tag| names.get(tag).cloned())
            .collect();
        bundles.sort_unstable();
        TokenEntry {
            token_id: token_id.to_owned(),
            root: self.root,
            status: self.status,
            reason: self.reason,
            heads: self.heads,
            bundles,
            is_unsaved,
        }
    }
}

impl Wallet {
    /// What the wallet knows of a token, spent ones included.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn get(&self, token_id: &str) -> Result<Option<TokenEntry>, Error> {
        let snapshot = self.engine().snapshot()?;
        let Some(row) = self.row(&snapshot, WalletRowKind::Token, token_id)? else {
            return Ok(None);
        };
        let names = self.names(&snapshot)?;
        let row = JoinedRow::decode(token_id, &row)?;
        Ok(Some(row.entry(token_id, &names)))
    }

    /// The tokens as they are now, in the order of their ids. What was spent is not among them.
    ///
    /// Nothing is fetched, merged or put together: this reads a table.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn tokens(&self) -> Result<WalletTokens, Error> {
        let snapshot = self.engine().snapshot()?;
        Ok(WalletTokens {
            rows: Some(self.rows(&snapshot, WalletRowKind::Token)?),
            names: self.names(&snapshot)?,
        })
    }

    /// How many tokens stand how.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn status(&self) -> Result<WalletStatus, Error> {
        let snapshot = self.engine().snapshot()?;
        let mut status = WalletStatus::default();
        for row in self.rows(&snapshot, WalletRowKind::Token)? {
            let (token_id, row) = row?;
            let row = JoinedRow::decode(&token_id, &row)?;
            if let Some(count) = status.by_status.get_mut(row.status as usize) {
                *count += 1;
            }
            status.unsaved += u64::from(row.is_unsaved());
        }
        for row in self.rows(&snapshot, WalletRowKind::Bundle)? {
            row?;
            status.bundles += 1;
        }
        Ok(status)
    }

    pub(super) fn row(
        &self,
        snapshot: &Snapshot,
        kind: WalletRowKind,
        name: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(table) = snapshot.wallets()? else {
            return Ok(None);
        };
        let key = wallet_key(self.inventory.id(), kind, name);
        let row = table
            .get(key.as_slice())
            .during("reading a row of a wallet")?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    pub(super) fn rows(&self, snapshot: &Snapshot, kind: WalletRowKind) -> Result<Rows, Error> {
        let first = wallet_key(self.inventory.id(), kind, "");
        // No name begins with this byte, which is in no text.
        let mut end = first.clone();
        end.push(0xff);
        let rows = match snapshot.wallets()? {
            Some(table) => {
                let rows = table.range(first.as_slice()..end.as_slice());
                Some(rows.during("reading a wallet")?)
            }
            None => None,
        };
        Ok(Rows { rows })
    }

    /// The bundles that were taken in, by the text of their ids.
    pub(super) fn bundle_rows(
        &self,
        snapshot: &Snapshot,
    ) -> Result<Vec<(String, BundleRow)>, Error> {
        let rows = self.rows(snapshot, WalletRowKind::Bundle)?;
        rows.map(|row| {
            let (cid, row) = row?;
            let row = BundleRow::decode(&cid, &row)?;
            Ok((cid, row))
        })
        .collect()
    }

    fn names(&self, snapshot: &Snapshot) -> Result<Names, Error> {
        let rows = self.bundle_rows(snapshot)?.into_iter();
        Ok(rows.map(|(cid, row)| (row.tag(), cid.into())).collect())
    }
}

/// Rows of one kind: name and row, in the order of the names. An error ends them.
pub(super) struct Rows {
    rows: Option<Range<'static, &'static [u8], &'static [u8]>>,
}

impl Iterator for Rows {
    type Item = Result<(String, Vec<u8>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.as_mut()?.next()?;
        let row = row.during("reading a wallet").and_then(|(key, row)| {
            let name = split_wallet_key(key.value()).map(|(_, _, name)| name.to_owned());
            let name = name.ok_or_else(|| {
                Error::corrupted("wallets-1", "a wallet", "a key that cannot be read")
            })?;
            Ok((name, row.value().to_vec()))
        });
        if row.is_err() {
            self.rows = None;
        }
        Some(row)
    }
}

/// The tokens of a wallet, in the order of their ids. An error ends the iteration.
pub struct WalletTokens {
    rows: Option<Rows>,
    names: Names,
}

impl fmt::Debug for WalletTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalletTokens").finish_non_exhaustive()
    }
}

impl Iterator for WalletTokens {
    type Item = Result<TokenEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = self.rows.as_mut()?.next()?;
            let row = row.and_then(|(token_id, row)| {
                let row = JoinedRow::decode(&token_id, &row)?;
                Ok((token_id, row))
            });
            match row {
                Ok((_, row)) if !row.is_shown() => {}
                Ok((token_id, row)) => return Some(Ok(row.entry(&token_id, &self.names))),
                Err(error) => {
                    self.rows = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
