use core::ops::Bound;
use std::sync::Arc;

use redb::ReadOnlyTable;

use super::Profile;
use super::history::{is_refused, missing_block};
use super::proof::{Provers, prove_all};
use super::read::{Keys, ProfileView};
use crate::error::{During as _, Error};
use crate::oplog::{ItemHash, ItemSum, OpKind, OperationId};
use crate::profile::change::referenced;
use crate::profile::fold::{Counted, KeyState};
use crate::profile::session::Session;
use crate::replica::{ReplicaView, run_at_rank, sum_before};
use crate::tables::schema::{ALONE, SUMS, commit_key, value_key, value_key_prefix};

/// An operation that counts: the key it writes, which it is, and the hash of all it says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveItem {
    /// The key.
    pub key: String,
    /// Which operation of the profile.
    pub operation: OperationId,
    /// The hash of what it says.
    pub hash: ItemHash,
}

impl core::fmt::Debug for LiveItem {
    // Keys are not for logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LiveItem({:?})", self.hash)
    }
}

/// A place between two operations, which are ordered by the bytes of their keys and then by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveBound<'a> {
    /// Behind all.
    End,
    /// Before the first operation that is not less than this. Both need not be whole; if both are empty it is before all.
    Before {
        /// The beginning of a key.
        key: &'a [u8],
        /// The beginning of an [`OperationId`].
        operation: &'a [u8],
    },
}

impl LiveBound<'_> {
    /// Before all.
    pub const START: LiveBound<'static> = LiveBound::Before {
        key: &[],
        operation: &[],
    };

    fn is_behind(&self, at: &[u8], id: &OperationId) -> bool {
        match self {
            Self::End => true,
            Self::Before { key, operation } => (at, &id.as_bytes()[..]) < (*key, *operation),
        }
    }

    /// The key from which on something may be behind it.
    fn first_key(&self) -> Option<&[u8]> {
        match self {
            Self::End => None,
            Self::Before { key, .. } => Some(key),
        }
    }
}

/// The operations of a profile that count, deletes among them, as of one moment: what two replicas compare, range by range,
/// when they cannot bring together their logs. See [`Profile::live_operations`].
pub struct LiveOperations {
    session: Arc<Session>,
    view: ReplicaView,
    sums: ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// Keys that have come to something else since the tables were written, each with the sum of all differences up to
    /// it.
    differences: Vec<(Box<[u8]>, ItemSum)>,
    provers: Provers,
}

impl core::fmt::Debug for LiveOperations {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LiveOperations")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

impl Profile {
    /// What counts now. Buffered commits become durable first: what is told to others must not be lost here.
    ///
    /// Keeps in memory what has changed since the last checkpoint of the tables, and nothing of the rest.
    ///
    /// ```
    /// use uxf_engine::profile::LiveBound;
    /// use uxf_engine::profile::sealed::WalletSecret;
    /// use uxf_engine::{Engine, EngineOptions};
    ///
    /// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    /// let profile = engine.profile(&WalletSecret::take(&mut [7; 32]), "phone").unwrap();
    /// profile.put("app.a", b"1").unwrap();
    /// profile.put("app.a", b"2").unwrap();
    /// profile.delete("app.b").unwrap();
    ///
    /// let live = profile.live_operations().unwrap();
    /// assert_eq!(live.sum(LiveBound::START, LiveBound::End).unwrap().count(), 2);
    /// let items = live.items(LiveBound::START, LiveBound::End, 10).unwrap();
    /// assert_eq!((items[0].key.as_str(), items[1].key.as_str()), ("app.a", "app.b"));
    /// ```
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn live_operations(&self) -> Result<LiveOperations, Error> {
        // Opened by the writer between two commits: tables and differences belong together.
        let view = self.durable_replica()?;
        let sums = view.snapshot.txn().open_table(SUMS);
        let sums = sums.during("opening sums-1")?;
        let differences = {
            let lookup = view.snapshot.lookup()?;
            let prefix = value_key_prefix(self.session.number);
            lookup.recent.differences(&prefix, lookup.end)
        };
        Ok(LiveOperations {
            session: Arc::clone(&self.session),
            view,
            sums,
            differences,
            provers: Provers::default(),
        })
    }
}

impl Profile {
    /// Whether operations are kept that came alone, see [`Profile::ingest`]. No version vector tells others of them; they
    /// hear of them when live operations are compared.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn has_lone_operations(&self) -> Result<bool, Error> {
        let view = self.replica()?;
        let rows = view.snapshot.txn().open_table(ALONE);
        let rows = rows.during("opening alone-1")?;
        for (number, _) in view.logs.values() {
            let [first, last] = [0, u64::MAX].map(|seq| commit_key(*number, seq));
            let range = rows.range::<&[u8]>(first.as_slice()..=last.as_slice());
            if range.during("reading alone-1")?.next().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl LiveOperations {
    /// The sum of the operations from one place up to another. Reads a number of rows that grows with the logarithm of
    /// the number of operations.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn sum(&self, from: LiveBound<'_>, to: LiveBound<'_>) -> Result<ItemSum, Error> {
        Ok(self.sum_before(to)?.minus(&self.sum_before(from)?))
    }

    /// The neighbours between which to cut a range so that its parts have nearly equally many operations: for one cut less
    /// than there are to be parts, or for as many as there are operations to cut between, in ascending order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn split(
        &self,
        from: LiveBound<'_>,
        to: LiveBound<'_>,
        parts: u64,
    ) -> Result<Vec<(LiveItem, LiveItem)>, Error> {
        let first = self.sum_before(from)?.count();
        let count = self.sum_before(to)?.count().saturating_sub(first);
        let parts = parts.min(count);
        let mut cuts = Vec::new();
        let mut leaf = Leaf::default();
        for part in 1..parts {
            // Numbers of operations are far below 2^60.
            let rank = first + count.saturating_mul(part) / parts;
            let before = self.nth(rank.saturating_sub(1), &mut leaf)?;
            let (Some(before), Some(behind)) = (before, self.nth(rank, &mut leaf)?) else {
                break;
            };
            cuts.push((before, behind));
        }
        Ok(cuts)
    }

    /// The first operations of a range, at most so many.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn items(
        &self,
        from: LiveBound<'_>,
        to: LiveBound<'_>,
        most: usize,
    ) -> Result<Vec<LiveItem>, Error> {
        let mut items = Vec::new();
        let Some(first) = from.first_key() else {
            return Ok(items);
        };
        self.each_item(first, |key, counted| {
            let id = counted.id();
            if items.len() >= most || !to.is_behind(key.as_bytes(), &id) {
                return false;
            }
            if !from.is_behind(key.as_bytes(), &id) {
                items.push(item(key, counted));
            }
            true
        })?;
        Ok(items)
    }

    /// Proofs of operations, see [`Profile::prove`], in their order: `None` for one that does not count any more, and for one
    /// that other replicas would refuse because its log is forked or its device revoked, or whose proof is not kept. Each
    /// checkpoint that has some of them is read once for all calls, and 64 bytes are kept for each of its operations.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn prove(&self, items: &[&LiveItem]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut wanted = Vec::with_capacity(items.len());
        for item in items {
            wanted.push(self.counted(item)?.filter(|one| {
                let stamp = &one.stamp;
                !is_refused(&self.view, &stamp.log, stamp.seq)
            }));
        }
        prove_all(&self.view, &self.provers, &wanted)
    }

    /// The sealed blocks that operations refer to because their values are long, in their order; `None` for one that refers to
    /// none or does not count any more. Whoever takes in such an operation needs its block as well.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn blocks(&self, items: &[&LiveItem]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut blocks = Vec::with_capacity(items.len());
        for item in items {
            let counted = self.counted(item)?;
            let Some(counted) = counted.filter(|one| one.kind == OpKind::Ref) else {
                blocks.push(None);
                continue;
            };
            let damaged = |reason| Error::corrupted("blocks-1", counted.place.block, reason);
            let found = self.view.snapshot.block(counted.place.block)?;
            let (row, _) = found.ok_or_else(|| damaged("INV-KEY-1: a value that is not stored"))?;
            let link = counted.value_in(row.value()).and_then(referenced);
            let link = link.ok_or_else(|| damaged("a reference that names no block"))?;
            let block = self.view.snapshot.get(&link)?;
            let block = block.ok_or_else(|| missing_block(&link))?;
            blocks.push(Some(block.as_ref().to_vec()));
        }
        Ok(blocks)
    }

    /// An operation, if it still counts.
    fn counted(&self, item: &LiveItem) -> Result<Option<Counted>, Error> {
        let (lookup, table) = self.view.snapshot.keys()?;
        let state = lookup.key(table, &value_key(self.session.number, &item.key))?;
        let state = state.unwrap_or_default();
        let mut all = state.iter();
        let found = all.find(|one| one.id() == item.operation && one.hash == item.hash);
        Ok(found.copied())
    }

    fn sum_before(&self, bound: LiveBound<'_>) -> Result<ItemSum, Error> {
        let profile = self.session.number;
        let (lookup, table) = self.view.snapshot.keys()?;
        let stored = sum_before(&self.sums, table, profile, bound.first_key())?;
        let mut sum = stored.plus(&self.difference_before(bound.first_key()));
        if let LiveBound::Before { key, operation } = bound
            && !operation.is_empty()
        {
            let stored = [&value_key_prefix(profile)[..], key].concat();
            let state = lookup.key(table, &stored)?.unwrap_or_default();
            let counts = |counted: &&Counted| &counted.id().as_bytes()[..] < operation;
            for counted in state.iter().filter(counts) {
                sum = sum.plus(&ItemSum::of(&counted.hash));
            }
        }
        Ok(sum)
    }

    /// How much more there is of the keys before one, or of all, than the tables have.
    fn difference_before(&self, key: Option<&[u8]>) -> ItemSum {
        let len = self.differences.len();
        let behind = key.map_or(len, |key| {
            self.differences.partition_point(|(at, _)| **at < *key)
        });
        let last = behind
            .checked_sub(1)
            .and_then(|at| self.differences.get(at));
        last.map_or(ItemSum::default(), |(_, sum)| *sum)
    }

    /// The operation before which there are so many. What is around the last one that was asked for is in `leaf`.
    fn nth(&self, rank: u64, leaf: &mut Leaf) -> Result<Option<LiveItem>, Error> {
        if let Some(found) = leaf.get(rank) {
            return Ok(Some(found.clone()));
        }
        let more = |from: &[u8], until: Option<&[u8]>| {
            let (from, until) = (Some(from), until);
            let sum = self
                .difference_before(until)
                .minus(&self.difference_before(from));
            sum.count()
        };
        let run = run_at_rank(&self.sums, self.session.number, rank, more)?;
        leaf.before = run.before;
        leaf.items.clear();
        let items = &mut leaf.items;
        self.each_item(&run.first, |key, counted| {
            let is_behind = run
                .next
                .as_deref()
                .is_some_and(|next| key.as_bytes() >= next);
            if !is_behind {
                items.push(item(key, counted));
            }
            !is_behind
        })?;
        Ok(leaf.get(rank).cloned())
    }

    /// Goes through the operations of the keys from one on, in their order, until `visit` says that it is enough.
    fn each_item(
        &self,
        from: &[u8],
        mut visit: impl FnMut(&str, &Counted) -> bool,
    ) -> Result<(), Error> {
        let view = ProfileView::new(&self.view.snapshot, &self.session);
        let prefix = value_key_prefix(self.session.number);
        let mut rows: Keys<'_> = view.walk(from, None, Bound::Unbounded)?;
        while let Some((stored, state)) = rows.advance()? {
            let Some(name) = stored.strip_prefix(&prefix) else {
                break;
            };
            let name = core::str::from_utf8(name).unwrap_or_default();
            if !by_id(&state).iter().all(|counted| visit(name, counted)) {
                break;
            }
        }
        Ok(())
    }
}

/// The operations around one that was asked for by its rank.
#[derive(Debug, Default)]
struct Leaf {
    before: u64,
    items: Vec<LiveItem>,
}

impl Leaf {
    fn get(&self, rank: u64) -> Option<&LiveItem> {
        let at = usize::try_from(rank.checked_sub(self.before)?).ok()?;
        self.items.get(at)
    }
}

fn by_id(state: &KeyState) -> Vec<Counted> {
    let mut all: Vec<Counted> = state.iter().copied().collect();
    all.sort_unstable_by_key(Counted::id);
    all
}

fn item(key: &str, counted: &Counted) -> LiveItem {
    LiveItem {
        key: key.to_owned(),
        operation: counted.id(),
        hash: counted.hash,
    }
}
