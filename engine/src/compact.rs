use crate::engine::Engine;
use crate::error::Error;
use crate::writer::Command;

/// What compacting did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactOutcome {
    /// Length of the database file before, in bytes; 0 for a store in memory.
    pub file_bytes_before: u64,
    /// Length of the database file after, in bytes; 0 for a store in memory.
    pub file_bytes_after: u64,
}

impl Engine {
    /// Gives free space of the file back to the file system. Reads and writes wait meanwhile: it moves up to the whole
    /// file.
    ///
    /// # Errors
    /// [`Error::SnapshotsOpen`] while anything reads, nothing is changed then; [`Error::Poisoned`], [`Error::Closed`],
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn compact(&self) -> Result<CompactOutcome, Error> {
        let shared = self.shared();
        let file_bytes_before = shared.file_bytes()?.unwrap_or(0);
        self.ask(Command::Compact)?;
        Ok(CompactOutcome {
            file_bytes_before,
            file_bytes_after: shared.file_bytes()?.unwrap_or(0),
        })
    }
}
