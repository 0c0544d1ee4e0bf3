use super::identity::LogId;
use super::time::HybridTime;

/// The place of an operation in the one order of all operations on a key: the greatest wins.
///
/// The order is that of the fields: the later time; of equal times the delete, because what was deleted should not come
/// back by chance; then the log and the sequence number, which say nothing but are the same everywhere. No two different
/// operations have one stamp, since a log has one operation for each sequence number.
///
/// ```
/// use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId};
/// use uxf_engine::oplog::{HybridTime, Stamp};
///
/// let log = LogId { device: DeviceKey::take(&mut [7; 32]).id(), epoch: Epoch::from_u64(1) };
/// let time = HybridTime::new(1_000, 0).unwrap();
/// let put = Stamp { time, is_delete: false, log, seq: 9 };
/// let delete = Stamp { time, is_delete: true, log, seq: 8 };
/// assert!(delete > put);
/// assert!(Stamp { time: HybridTime::new(1_000, 1).unwrap(), ..put } > delete);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// When the commit was made.
    pub time: HybridTime,
    /// Whether the operation deletes.
    pub is_delete: bool,
    /// The log it is in.
    pub log: LogId,
    /// Its sequence number in the log.
    pub seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::identity::{DeviceId, Epoch};

    fn stamp(time: u64, is_delete: bool, device: u8, epoch: u64, seq: u64) -> Stamp {
        Stamp {
            time: HybridTime::from_u64(time),
            is_delete,
            log: LogId {
                device: DeviceId::unchecked([device; 32]),
                epoch: Epoch::from_u64(epoch),
            },
            seq,
        }
    }

    #[test]
    fn time_outranks_delete_and_delete_outranks_device_epoch_and_sequence() {
        let ascending = [
            stamp(1, true, 9, 9, 9),
            stamp(2, false, 1, 1, 1),
            stamp(2, false, 1, 1, 2),
            stamp(2, false, 1, 2, 1),
            stamp(2, false, 2, 1, 1),
            stamp(2, true, 1, 1, 1),
            stamp(3, false, 1, 1, 1),
        ];
        for (index, low) in ascending.iter().enumerate() {
            assert!(ascending[index + 1..].iter().all(|high| high > low));
        }
    }
}
