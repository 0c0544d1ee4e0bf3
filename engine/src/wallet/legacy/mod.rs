//! Moving a whole legacy wallet in: a directory of the reference with a file of values and a file for each token (profile
//! notes, sections 9.2 and 9.3).
//!
//! The source is only read until everything of it was found in the store again; deleting it is a step of its own. Every
//! step can be cut off and repeated: what is there already is found there.

mod check;
mod delete;
mod error;
mod files;
mod lock;
mod moving;
mod spent_list;
mod values;

pub use self::check::Moved;
pub use self::delete::Deleted;
pub use self::error::LegacyError;
pub use self::files::{LegacyDirectory, LegacyWallet};
pub use self::lock::LegacyLock;
pub use self::moving::{AddressMoved, MoveOptions, MoveReport};
pub use self::values::ValuesMoved;
