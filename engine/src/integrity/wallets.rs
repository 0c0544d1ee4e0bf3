use redb::{ReadableTable as _, ReadableTableMetadata as _};
use uxf_codec::ElementHash;

use super::check::Check;
use crate::error::{During as _, Error};
use crate::tables::schema::{
    TOKENS, WalletRowKind, split_wallet_key, token_key, token_root, wallets,
};
use crate::tables::wallet_rows::{BundleRow, JoinedRow};

impl Check<'_> {
    /// Checks that rows of wallets can be read, that what they name is stored, and that inventories say the same.
    pub(super) fn wallets(&mut self) -> Result<(), Error> {
        let Some(table) = wallets(self.snapshot.txn())? else {
            return Ok(());
        };
        let total = table.len().during("counting rows of wallets")?;
        for (done, row) in (1_u64..).zip(table.iter().during("reading wallets")?) {
            let (key, row) = row.during("reading wallets")?;
            self.at("wallets", done, total);
            let Some((inventory, kind, name)) = split_wallet_key(key.value()) else {
                let what = "a key that cannot be read";
                self.report.add("wallets-1", "a wallet", what);
                continue;
            };
            let checked = match kind {
                WalletRowKind::Token => self.joined(inventory, name, row.value()),
                WalletRowKind::Bundle => self.bundle(name, row.value()),
            };
            if let Err(error) = checked {
                self.report.absorb(error)?;
            }
        }
        Ok(())
    }

    fn joined(&mut self, inventory: u32, token_id: &str, row: &[u8]) -> Result<(), Error> {
        let row = JoinedRow::decode(token_id, row)?;
        for candidate in &row.candidates {
            for hash in core::iter::once(&candidate.root).chain(&candidate.instances) {
                self.named(token_id, hash);
            }
            if candidate.is_local != candidate.bundles.is_empty() {
                let what = "INV-WALLET-3: a state that nobody holds, or that is held twice";
                self.report.add("wallets-1", token_id, what);
            }
        }
        let table = self.snapshot.txn().open_table(TOKENS);
        let table = table.during("opening tokens-1")?;
        let key = token_key(inventory, token_id);
        let held = table.get(key.as_slice()).during("reading a token")?;
        let held = held.map(|row| token_root(row.value())).transpose()?;
        if held != row.is_shown().then_some(row.root) {
            let what = "INV-WALLET-1: the inventory has another root";
            self.report.add("wallets-1", token_id, what);
        }
        Ok(())
    }

    fn bundle(&mut self, cid: &str, row: &[u8]) -> Result<(), Error> {
        let row = BundleRow::decode(cid, row)?;
        for hash in [&row.envelope, &row.manifest]
            .into_iter()
            .chain(&row.instances)
        {
            self.named(cid, hash);
        }
        Ok(())
    }

    fn named(&mut self, name: &str, hash: &ElementHash) {
        let fingerprint = self.snapshot.shared().fingerprint(hash);
        if self.own.find(fingerprint).is_none() {
            let what = format!("INV-WALLET-2: block {hash} is not stored");
            self.report.add("wallets-1", name, what);
        }
    }
}
