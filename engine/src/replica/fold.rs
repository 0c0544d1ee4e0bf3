use redb::ReadableTable;

use super::lookup::stored_key;
use super::recent::{Keep, LogNumbers, Recent};
use crate::error::Error;
use crate::oplog::{ItemHash, OpKind, Stamp};
use crate::profile::change::ReadCommit;
use crate::profile::fold::{Counted, Folding, ValuePlace};
use crate::profile::keys::{Class, classify};
use crate::profile::merge::Merger;
use crate::tables::schema::value_key_into;

/// Where a commit that is folded lies, and who may still read what was before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folded {
    pub(crate) profile: u32,
    pub(crate) block: u64,
    pub(crate) keep: Keep,
}

/// How the operations of a key are folded. A function of the key alone, the same on every device.
pub(crate) fn folding(key: &str) -> Folding {
    match classify(key) {
        Class::Synced(Merger::LastWriter)
        // Such operations are refused here; one that a peer wrote all the same is as good as any other.
        | Class::DeviceLocal
        | Class::CacheOnly
        | Class::Identity => Folding::LastWriter,
        Class::Synced(_) => Folding::Merged,
    }
}

/// Takes the operations of a commit into the states of their keys. Gives the operations that changed something, by
/// their position in the commit.
pub(crate) fn fold_commit(
    recent: &Recent,
    logs: &LogNumbers,
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    commit: &ReadCommit,
    at: Folded,
) -> Result<Vec<u32>, Error> {
    let mut changed = Vec::with_capacity(commit.operations.len());
    let mut key = Vec::new();
    for (position, (seq, part)) in (0..).zip((commit.header.first_seq..).zip(&commit.operations)) {
        let name = commit.key(part);
        value_key_into(&mut key, at.profile, name);
        let stamp = Stamp {
            time: commit.header.time,
            is_delete: part.kind == OpKind::Delete,
            log: commit.header.log,
            seq,
        };
        let counted = Counted {
            stamp,
            hash: ItemHash::of_parts(&stamp, part.kind, name, commit.value(part)),
            kind: part.kind,
            entry: part.entry,
            place: ValuePlace {
                block: at.block,
                start: u32::try_from(part.value.start).unwrap_or(u32::MAX),
                len: u32::try_from(part.value.len()).unwrap_or(u32::MAX),
            },
        };
        let mut counts = false;
        recent.update(
            &key,
            at.block.saturating_add(1),
            at.keep,
            || Ok::<_, Error>(stored_key(table, logs, &key)?.unwrap_or_default()),
            |state| {
                // What came alone before its commit is known, and lies in the commit from now on.
                let is_known = state.relocate(&counted);
                counts = !is_known && state.apply(counted, folding(name));
                is_known || counts
            },
        )?;
        if counts {
            changed.push(position);
        }
    }
    Ok(changed)
}
