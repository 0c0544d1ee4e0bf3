//! Power cuts at every moment of a store's life, and the judgement of what is found afterwards.
//!
//! A [`CrashSubject`] runs a workload on a [`RecordingDisk`](crate::disk::RecordingDisk) and tells a [`History`] what
//! it is about to do and what the store has promised. [`cut_power`] then takes the record apart: at every boundary
//! between two disk operations it makes every kind of disk that a cut may leave, lets the subject open it, and for
//! some of them cuts the power again in the middle of that opening.
//!
//! The judgement: after a cut, the store is in the state after some step, none of them half done; that step is not
//! older than the last one promised to be durable, and not newer than the last one begun.
//! While the store is being created it may also refuse to open, since redb cannot finish a creation that was cut; a
//! store in a file is therefore created under another name and renamed.

mod harness;
mod history;
mod report;

pub use harness::{CrashOptions, CrashSubject, cut_power};
pub use history::{History, Promise};
pub use report::{CrashFailure, CrashReport};
