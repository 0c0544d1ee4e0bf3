use super::{CommitError, CommitId, Head};
use crate::cbor::{self, ARRAY, Cursor, Malformed, UNSIGNED};
use crate::oplog::identity::{DeviceId, Epoch, LogId};

/// Longest encoding of one head, in bytes.
pub(in crate::oplog) const HEAD_BYTES_MAX: usize = 87;

/// Why heads are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::oplog) enum HeadsError {
    Malformed(Malformed),
    Count { found: usize, limit: usize },
    Order,
}

impl From<Malformed> for HeadsError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<HeadsError> for CommitError {
    fn from(error: HeadsError) -> Self {
        match error {
            HeadsError::Malformed(malformed) => malformed.into(),
            HeadsError::Count { found, limit } => Self::HeadCount { found, limit },
            HeadsError::Order => Self::Heads,
        }
    }
}

/// Few enough, in ascending order of their logs, none of the own log and none at no sequence number.
pub(in crate::oplog) fn check(heads: &[Head], own: &LogId, limit: usize) -> Result<(), HeadsError> {
    if heads.len() > limit {
        return Err(HeadsError::Count {
            found: heads.len(),
            limit,
        });
    }
    let ascending = heads.is_sorted_by(|a, b| a.log < b.log);
    let foreign = heads.iter().all(|head| head.log != *own);
    let at_some = heads.iter().all(|head| head.seq > 0);
    if ascending && foreign && at_some {
        Ok(())
    } else {
        Err(HeadsError::Order)
    }
}

/// Appends an array of heads.
pub(in crate::oplog) fn encode_into(heads: &[Head], out: &mut Vec<u8>) {
    cbor::head(out, ARRAY, heads.len() as u64);
    for head in heads {
        out.push(0x84);
        cbor::bytes(out, head.log.device.as_bytes());
        cbor::head(out, UNSIGNED, head.log.epoch.as_u64());
        cbor::head(out, UNSIGNED, head.seq);
        cbor::bytes(out, head.id.as_bytes());
    }
}

/// Reads an array of at most `limit` heads, whose rules are left to [`check`].
pub(in crate::oplog) fn read(
    cursor: &mut Cursor<'_>,
    limit: usize,
) -> Result<Vec<Head>, HeadsError> {
    let malformed = cursor.malformed("an array of heads");
    let found = usize::try_from(cursor.head(ARRAY, malformed.expected)?).map_err(|_| malformed)?;
    if found > limit {
        return Err(HeadsError::Count { found, limit });
    }
    let mut heads = Vec::with_capacity(found);
    for _ in 0..found {
        cursor.literal(b"\x84", "an array of four")?;
        let device = DeviceId::unchecked(cursor.array("32 bytes")?);
        let epoch = Epoch::from_u64(cursor.head(UNSIGNED, "an unsigned integer")?);
        let seq = cursor.head(UNSIGNED, "an unsigned integer")?;
        let id = CommitId(cursor.array("32 bytes")?);
        let log = LogId { device, epoch };
        heads.push(Head { log, seq, id });
    }
    Ok(heads)
}
