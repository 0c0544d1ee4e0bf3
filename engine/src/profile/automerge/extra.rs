//! What a change carries beside its operations.

use automerge::ActorId;

use super::AutomergeError;
use crate::oplog::{
    DELTA_MAGIC, DeltaError, DeltaLimits, DeltaReader, DeltaRecordKind, DeltaWriter,
};
use crate::profile::sealed::ProfileId;

/// No block is refused because of its length: they lie in the memory already.
const LIMITS: DeltaLimits = DeltaLimits {
    block_bytes: usize::MAX,
    records: crate::oplog::DELTA_RECORDS_MAX,
};

/// Frames records, which are in the order of a delta.
pub(super) fn encode<'r>(
    profile: &ProfileId,
    records: impl IntoIterator<Item = (DeltaRecordKind, &'r [u8])>,
) -> Result<Vec<u8>, DeltaError> {
    let mut writer = DeltaWriter::new(Vec::new(), profile, LIMITS)?;
    for (kind, bytes) in records {
        writer.record(kind, bytes)?;
    }
    writer.finish()
}

/// The records of a change.
pub(super) struct Extra {
    pub(super) profile: ProfileId,
    pub(super) records: Vec<(DeltaRecordKind, Vec<u8>)>,
}

impl Extra {
    /// Reads the extra bytes of a change; `None` if they are not ours.
    pub(super) fn read(actor: &ActorId, bytes: &[u8]) -> Result<Option<Self>, AutomergeError> {
        if !bytes.starts_with(&DELTA_MAGIC) {
            return Ok(None);
        }
        let refused = |source| AutomergeError::Extra {
            actor: actor.clone(),
            source: Box::new(source),
        };
        let mut reader = DeltaReader::new(bytes, LIMITS).map_err(refused)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next_record().map_err(refused)? {
            records.push((record.kind, record.bytes.to_vec()));
        }
        let profile = *reader.profile();
        Ok(Some(Self { profile, records }))
    }

    /// The records of a kind.
    pub(super) fn of(&self, kind: DeltaRecordKind) -> impl Iterator<Item = &[u8]> {
        let records = self.records.iter();
        let records = records.filter(move |(found, _)| *found == kind);
        records.map(|(_, bytes)| bytes.as_slice())
    }
}
