use std::collections::HashSet;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata as _, TableDefinition};
use uxf_codec::ElementHash;
use uxf_codec::canonical::ElementView;

use crate::engine::Engine;
use crate::error::{During as _, Error};
use crate::snapshot::Snapshot;
use crate::tables::schema::{
    BLOCKS, COUNTS, INDEX, INVENTORIES, JOURNAL, META, TOKENS, token_pins,
};

/// What sharing saves and what the file spends, found by looking at everything. See [`Engine::survey`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// Tokens of all inventories together.
    pub tokens: u64,
    /// Bytes of the elements if every token had its own copy of each element it consists of.
    pub logical_bytes: u64,
    /// Bytes of the elements that tokens consist of, each counted once.
    pub shared_bytes: u64,
    /// Pages of the file that tables use, in bytes.
    pub allocated_bytes: u64,
    /// The part of them that holds keys and values; the rest is unused space in pages and the pages' own data.
    pub stored_bytes: u64,
}

impl Survey {
    /// How many times over the tokens' elements would be stored without sharing; 1 where nothing is shared.
    #[expect(clippy::cast_precision_loss, reason = "a ratio to look at")]
    pub fn dedup_ratio(&self) -> f64 {
        if self.shared_bytes == 0 {
            1.0
        } else {
            self.logical_bytes as f64 / self.shared_bytes as f64
        }
    }
}

impl Engine {
    /// Looks at every token and every page. It takes about as long as putting every token together and keeps 32
    /// bytes in memory for each element that tokens consist of; [`Engine::stats`] is instant.
    ///
    /// `progress` is told how many tokens of how many have been looked at.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn survey(&self, mut progress: impl FnMut(u64, u64)) -> Result<Survey, Error> {
        let span = tracing::info_span!("survey");
        let _entered = span.enter();
        let snapshot = self.snapshot()?;
        let mut survey = Survey::default();
        let mut shared = HashSet::new();
        let tokens: ReadOnlyTable<&[u8], &[u8]> = snapshot
            .txn()
            .open_table(TOKENS)
            .during("opening tokens-1")?;
        let total = tokens.len().during("counting tokens")?;
        for row in tokens.range::<&[u8]>(..).during("reading tokens")? {
            let (_, row) = row.during("reading tokens")?;
            let (root, instances) = token_pins(row.value())?;
            survey.tokens += 1;
            let mut own = HashSet::new();
            for pinned in core::iter::once(root).chain(instances) {
                survey.logical_bytes += measure(
                    &snapshot,
                    pinned,
                    &mut own,
                    &mut shared,
                    &mut survey.shared_bytes,
                )?;
            }
            progress(survey.tokens, total);
        }
        for (stored, allocated) in table_bytes(snapshot.txn())? {
            survey.stored_bytes += stored;
            survey.allocated_bytes += allocated;
        }
        Ok(survey)
    }
}

/// Bytes below an element as far as the token did not count them yet.
fn measure(
    snapshot: &Snapshot,
    start: ElementHash,
    own: &mut HashSet<ElementHash>,
    shared: &mut HashSet<ElementHash>,
    shared_bytes: &mut u64,
) -> Result<u64, Error> {
    let mut bytes = 0;
    let mut waiting = vec![start];
    while let Some(hash) = waiting.pop() {
        if !own.insert(hash) {
            continue;
        }
        let Some(element) = snapshot.get(&hash)? else {
            return Err(Error::corrupted(
                "blocks-1",
                hash,
                "a token needs it and it is not stored",
            ));
        };
        let len = element.as_ref().len() as u64;
        bytes += len;
        if shared.insert(hash) {
            *shared_bytes += len;
        }
        if matches!(element.kind(), crate::tables::row::BlockKind::Element(_)) {
            ElementView::parse(element.as_ref())?.for_each_link(|link| waiting.push(link));
        }
    }
    Ok(bytes)
}

/// Bytes stored and bytes of pages in use, for each table.
fn table_bytes(txn: &ReadTransaction) -> Result<[(u64, u64); 7], Error> {
    fn of<K: redb::Key + 'static, V: redb::Value + 'static>(
        txn: &ReadTransaction,
        table: TableDefinition<'_, K, V>,
    ) -> Result<(u64, u64), Error> {
        let table = txn.open_table(table).during("opening a table")?;
        let stats = table.stats().during("measuring a table")?;
        let stored = stats.stored_bytes();
        Ok((
            stored,
            stored + stats.metadata_bytes() + stats.fragmented_bytes(),
        ))
    }
    Ok([
        of(txn, META)?,
        of(txn, BLOCKS)?,
        of(txn, JOURNAL)?,
        of(txn, INDEX)?,
        of(txn, COUNTS)?,
        of(txn, INVENTORIES)?,
        of(txn, TOKENS)?,
    ])
}
