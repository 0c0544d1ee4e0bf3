use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::outbox::is_of_old_shape;
use super::{CollectionError, CollectionKind, Collections};
use crate::error::Error;
use crate::wallet::{OutboxMigration, OutboxRowText, outbox_mark_key, plan_outbox_migration};

const OUTBOX: CollectionKind = CollectionKind::Outbox;

/// What was begun and not finished, here or elsewhere, and is finished now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Promotions that went on to their end.
    pub promotions: u64,
    /// Promotions that wait for their token.
    pub promotions_waiting: u64,
    /// An outbox of the old shape that was moved.
    pub outbox: Option<OutboxMoved>,
}

/// What moving an outbox of the old shape came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxMoved {
    /// Entries of the old shape.
    pub old_entries: u64,
    /// Entries that they became.
    pub entries: u64,
    /// Those that cannot be read. They stay where they are.
    pub malformed: u64,
}

impl Collections {
    /// Finishes what was begun and not finished. Nothing is lost if it is cut off: it is repeated.
    ///
    /// # Errors
    /// Those of reading and of a commit.
    pub fn recover(&self) -> Result<Recovered, Error> {
        let mut recovered = Recovered {
            outbox: self.move_old_outbox()?,
            ..Recovered::default()
        };
        for (token_id, hash) in self.audit().pending()? {
            let root = match self.held(&token_id) {
                Ok(token) => token.root,
                Err(Error::Collection(CollectionError::NotHeld { .. })) => {
                    recovered.promotions_waiting += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.audit().promote(&token_id, &hash, &root)?;
            recovered.promotions += 1;
        }
        Ok(recovered)
    }

    /// Moves an outbox of the old shape, one key for each entry or all of them in one array, in one commit.
    fn move_old_outbox(&self) -> Result<Option<OutboxMoved>, Error> {
        let address = self.wallet.address();
        let mark = outbox_mark_key(address);
        let list_key = format!("{address}.outbox");
        if self.wallet.profile().get(&mark)?.is_some() {
            return Ok(None);
        }
        let prefix = OUTBOX.prefix(address);
        let found = self.list_prefix(&prefix, usize::MAX, |id, text| {
            Ok(is_of_old_shape(text).then(|| id.to_owned()))
        })?;
        if found.entries.is_empty() && self.wallet.profile().get(&list_key)?.is_none() {
            return Ok(None);
        }
        self.edit(|edit| {
            if edit.text(&mark)?.is_some() {
                return Ok(None);
            }
            let mut rows = Vec::new();
            for id in &found.entries {
                let text = edit.text(&format!("{prefix}{id}"))?;
                rows.extend(text.map(|text| (id.clone(), text)));
            }
            let list = edit.text(&list_key)?;
            let listed = list.as_deref().map(read_list).unwrap_or_default();
            let in_list = listed.len();
            rows.extend(listed);
            if rows.is_empty() {
                return Ok(None);
            }
            let plan = self.plan(edit, &rows)?;
            let (backup, mark) = (&plan.backup, &plan.mark);
            for (key, text) in [backup, mark].into_iter().chain(&plan.entries) {
                edit.put(key, text)?;
            }
            for id in &found.entries {
                let key = format!("{prefix}{id}");
                if plan.removed.contains(&key) {
                    edit.erase(&key)?;
                }
            }
            if in_list > 0 && plan.malformed == 0 {
                edit.erase(&list_key)?;
            }
            Ok(Some(OutboxMoved {
                old_entries: plan.old_rows as u64,
                entries: plan.entries.len() as u64,
                malformed: plan.malformed as u64,
            }))
        })
    }

    fn plan(
        &self,
        edit: &mut super::edit::Edit<'_>,
        rows: &[(String, String)],
    ) -> Result<OutboxMigration, Error> {
        let address = self.wallet.address();
        let now = self.now_ms();
        // Two devices that move the same outbox make the same entries.
        let mut digest = Sha256::new();
        for (id, text) in rows {
            for part in [id, text] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
        let digest = digest.finalize();
        let mut number = 0_u64;
        let next_id = || {
            number += 1;
            let id = Sha256::new()
                .chain_update(digest)
                .chain_update(number.to_be_bytes())
                .finalize();
            let id = const_hex::encode(id);
            id.get(..32).unwrap_or(&id).to_owned()
        };
        let rows = rows.iter().map(|(id, text)| OutboxRowText { id, text });
        edit.with_clock(OUTBOX, |clock| {
            plan_outbox_migration(address, rows, now, clock, next_id)
        })
    }
}

/// Ids and texts of the entries in an array. Those without an id get the number of their place.
fn read_list(text: &str) -> Vec<(String, String)> {
    let Ok(Value::Array(items)) = serde_json::from_str(text) else {
        return Vec::new();
    };
    let rows = items.iter().enumerate().map(|(number, item)| {
        let id = item.get("id").and_then(Value::as_str);
        let id = id.map_or_else(|| number.to_string(), str::to_owned);
        (id, item.to_string())
    });
    rows.collect()
}
