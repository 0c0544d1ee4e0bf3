//! Disks that remember, fail and lose power, for redb's `StorageBackend`.
//!
//! [`MemoryDisk`] is the disk itself. [`RecordingDisk`] writes down every write, change of length and sync, and
//! [`CrashImages`] makes of that record what a machine may find after its power was cut. [`FaultyDisk`] lets the
//! Nth call fail; [`CountingDisk`] counts. They go around each other as needed.

mod counting;
mod crash_image;
mod faulty;
mod memory;
mod recording;

pub use counting::{CountingDisk, DiskTraffic};
pub use crash_image::{CrashImages, Unsynced};
pub use faulty::{DiskCall, Fault, FaultSwitch, FaultyDisk};
pub use memory::MemoryDisk;
pub use recording::{DiskOp, DiskRecord, RecordingDisk};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic of a thread that held a disk must not hide what the disk looked like then.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
