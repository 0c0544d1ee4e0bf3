use super::row::Row;
use super::{CollectionKind, Collections};
use crate::error::Error;

/// How long it is known that an entry was deleted: 30 days, in milliseconds. A device that was away for longer may bring
/// it back.
pub const RETENTION_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Deletions that are forgotten in one commit.
const AT_ONCE: usize = 256;

/// What forgetting deletions came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeReport {
    /// Deletions that were looked at.
    pub scanned: u64,
    /// Deletions that are forgotten now.
    pub purged: u64,
    /// Deletions that stay: they are young, or it is not known when they were, or somebody wrote the entry meanwhile.
    pub kept: u64,
}

impl Collections {
    /// Forgets deletions that are older than [`RETENTION_MS`], so that their keys do not add up. Entries stay.
    ///
    /// # Errors
    /// Those of reading and of a commit.
    pub fn purge(&self) -> Result<PurgeReport, Error> {
        let mut report = PurgeReport::default();
        let mut old = Vec::new();
        for kind in CollectionKind::ALL {
            let prefix = kind.prefix(self.wallet.address());
            let deleted = self.list_prefix(&prefix, usize::MAX, |id, text| {
                Ok(match Row::parse(text)? {
                    Row::Deleted(deletion) => Some((format!("{prefix}{id}"), deletion.at_ms)),
                    Row::Live(_) => None,
                })
            })?;
            report.scanned += deleted.entries.len() as u64;
            let is_old = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| self.is_over(at_ms));
            let keys = deleted.entries.into_iter();
            old.extend(keys.filter_map(|(key, at_ms)| is_old(at_ms).then_some(key)));
        }
        for keys in old.chunks(AT_ONCE) {
            report.purged += self.edit(|edit| {
                let mut purged = 0;
                for key in keys {
                    // It may have been written again since.
                    let row = edit.text(key)?.map(|text| Row::parse(&text));
                    if let Some(Ok(Row::Deleted(deletion))) = row
                        && deletion.at_ms.is_some_and(|at_ms| self.is_over(at_ms))
                    {
                        edit.erase(key)?;
                        purged += 1;
                    }
                }
                Ok(purged)
            })?;
        }
        report.kept = report.scanned - report.purged;
        Ok(report)
    }

    fn is_over(&self, deleted_at_ms: u64) -> bool {
        self.now_ms().saturating_sub(deleted_at_ms) > RETENTION_MS
    }
}
