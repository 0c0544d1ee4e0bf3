//! How two versions of one value become one (profile notes, section 4).
//!
//! Every rule here is a function of the two versions alone, commutative, associative and idempotent, so that replicas
//! which have seen the same versions hold the same bytes whatever the order and however often they came. Where the
//! reference's own rule is none of that, ours differs as little as it can; `docs/decisions/0003-merge-rules.md` lists
//! each difference. The trick throughout: a version is read into a product of parts that each have an order of their
//! own, parts are joined one by one, and what an application sees is computed from the whole afterwards. What does
//! not show in the fields of the reference is kept in one more field, `_merge`.
//!
//! [`Merger`] names the rule of each class of keys; the table of [`keys`](super::keys) says which class has which.
//! Values are JSON text. Bytes of a row are bounded before they are read.

mod json;
mod log_order;
mod manifest;
mod merger;
mod opstate;
mod outbox;
mod records;
mod sets;
mod slot;
mod text;

pub use json::{ROW_BYTES_MAX, RowError, canonical_text};
pub(crate) use json::{parse_object, whole_number};
pub use log_order::{LogEntry, LogOp, winner};
pub use manifest::{ManifestEntry, ManifestStatus, compare_cids};
pub use merger::{Merged, Merger};
pub use opstate::{Generation, OpState, OpStateList};
pub use outbox::{
    ArcFault, DualWriteLayout, OutboxEntry, OutboxMergeError, OutboxRow, OutboxShape, OutboxStatus,
    OutboxTombstone, OutboxUpdateError, Partition, TransitionError, check_dual_write,
};
pub use records::Record;
pub use sets::{BlobOutcome, Ledger, SpentSet, TextSet, promoted_from};
pub use slot::{Slot, SlotAction};
pub use text::{JsText, text_order};

/// A join: commutative, associative and idempotent.
///
/// `a.merge(b) == b.merge(a)`, `a.merge(b).merge(c) == a.merge(b.merge(c))` and `a.merge(a) == a` for all values of
/// the type.
pub trait Merge: Sized {
    /// The least value that has everything both have.
    #[must_use]
    fn merge(self, other: Self) -> Self;
}

/// The part that both have, or the one that has it.
fn merge_optional<T>(a: Option<T>, b: Option<T>, merge: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(merge(a, b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod laws {
    use super::Merge;
    use core::fmt::Debug;

    /// Asserts the three laws on three values.
    pub(super) fn hold<T: Merge + Clone + PartialEq + Debug>(a: &T, b: &T, c: &T) {
        let join = |x: &T, y: &T| x.clone().merge(y.clone());
        assert_eq!(join(a, b), join(b, a), "not commutative");
        assert_eq!(
            join(&join(a, b), c),
            join(a, &join(b, c)),
            "not associative"
        );
        assert_eq!(&join(a, a), a, "not idempotent");
        let ab = join(a, b);
        assert_eq!(join(&ab, b), ab, "a second arrival changes something");
    }
}
