use super::{DeltaError, DeltaRecordKind};

/// What may follow: who may write, then blocks, then segments with their checkpoint, then commits.
///
/// Whoever takes a delta in front to back then finds every reference's block, and every commit's certificate, before
/// they are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    last: Option<DeltaRecordKind>,
}

impl Order {
    /// The order after another record.
    pub(super) fn then(self, found: DeltaRecordKind) -> Result<Self, DeltaError> {
        if let Some(after) = self.last {
            if stage(found) < stage(after) {
                return Err(DeltaError::Order { after, found });
            }
            if found == DeltaRecordKind::Commit {
                self.end()?;
            }
        }
        Ok(Self { last: Some(found) })
    }

    /// Checks that the delta may end here.
    pub(super) fn end(self) -> Result<(), DeltaError> {
        if self.last == Some(DeltaRecordKind::Segment) {
            return Err(DeltaError::NoCheckpoint);
        }
        Ok(())
    }
}

const fn stage(kind: DeltaRecordKind) -> u8 {
    match kind {
        DeltaRecordKind::Certificate | DeltaRecordKind::Revocation | DeltaRecordKind::ForkProof => {
            0
        }
        DeltaRecordKind::Block => 1,
        DeltaRecordKind::Segment | DeltaRecordKind::Checkpoint => 2,
        DeltaRecordKind::Commit => 3,
    }
}
