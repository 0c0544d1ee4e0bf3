//! What a store knows of its profiles beyond the tables: the operations since the last checkpoint, in memory.
//!
//! A commit is one block appended to `blocks-1`. Everything derived from it, above all what each key's value is, waits
//! in [`Recent`] until a checkpoint writes it to the tables in one sorted pass; opening fills it again from the blocks
//! after the last checkpoint.

mod fold;
mod lookup;
mod recent;
mod recover;
mod state;
mod sums;
mod view;

pub(crate) use fold::{Folded, fold_commit, folding};
pub(crate) use lookup::{Lookup, stored_key};
pub(crate) use recent::{Keep, KeyPage, LogNumbers, Recent};
pub(crate) use recover::recover_profiles;
pub(crate) use state::{Parked, ProfileState, Replica};
pub(crate) use sums::{Levels, SumChange, compute_sums, run_at_rank, sum_before, update_sums};
pub(crate) use view::ReplicaView;
