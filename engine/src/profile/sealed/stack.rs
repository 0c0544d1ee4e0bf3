//! What work with keys leaves behind on the stack.

use core::hint::black_box;

/// Bytes that are wiped after a value was sealed or opened, which happens often.
pub(crate) const SLIGHT: usize = 2 << 10;
/// Bytes that are wiped after a key was expanded: several times what that takes.
pub(crate) const SHALLOW: usize = 8 << 10;
/// Bytes that are wiped after work on a curve, which takes tables of points.
pub(crate) const DEEP: usize = 32 << 10;

/// Does something with a key, then overwrites the stack that it was done on, of which `BYTES` are enough.
///
/// The crates that do the work wipe their values, but not what the compiler puts aside for them, and such remains reach
/// the heap within the unused parts of whatever is built there next. No promise of the language says that the two
/// functions use the same place; that they do is tested by looking for keys in the memory of a process.
pub(crate) fn then_wipe<const BYTES: usize, T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    wipe::<BYTES>();
    result
}

/// A frame of its own, below that of the caller, for all that is done.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe<const BYTES: usize>() {
    let mut area = [0_u8; BYTES];
    black_box(&mut area);
}
