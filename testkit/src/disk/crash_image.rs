use super::memory::write_to;
use super::{DiskOp, DiskRecord};
use crate::Rng;

/// The unit in which a disk writes all or nothing, in bytes.
const SECTOR_BYTES: usize = 512;

/// What becomes of the writes that no sync had covered when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// None of them reached the medium.
    Nothing,
    /// All of them did.
    Everything,
    /// Each was lost, done, or torn into sectors of which any may be missing; so a later write can be there without
    /// an earlier one.
    Random,
}

/// A walk along a record: at each position, what a machine may find after a power cut right there.
///
/// Assumed of the disk: what a sync covered stays, and a 512-byte sector is old or new. Nothing else.
#[derive(Clone, Debug)]
pub struct CrashImages<'r> {
    record: &'r DiskRecord,
    /// The disk as of the last sync at or before the cut.
    durable: Vec<u8>,
    durable_ops: usize,
    cut: usize,
}

impl<'r> CrashImages<'r> {
    pub(super) fn new(record: &'r DiskRecord) -> Self {
        Self {
            record,
            durable: record.base().to_vec(),
            durable_ops: 0,
            cut: 0,
        }
    }

    /// Moves the cut to where so many operations were done. Moving backwards starts again from the beginning.
    pub fn move_to(&mut self, cut: usize) {
        if cut < self.cut {
            *self = Self::new(self.record);
        }
        self.cut = cut.min(self.record.ops().len());
        let done = self.record.ops().get(..self.cut).unwrap_or_default();
        let synced = done
            .iter()
            .rposition(|op| *op == DiskOp::Sync)
            .map_or(0, |sync| sync + 1);
        for op in done.get(self.durable_ops..synced).unwrap_or_default() {
            apply(&mut self.durable, op);
        }
        self.durable_ops = self.durable_ops.max(synced);
    }

    /// How many operations the cut leaves to chance.
    pub fn unsynced(&self) -> usize {
        self.cut - self.durable_ops
    }

    /// One disk that the cut may leave behind.
    pub fn image(&self, unsynced: Unsynced, rng: &mut Rng) -> Vec<u8> {
        let mut image = self.durable.clone();
        let ops = self.record.ops().get(self.durable_ops..self.cut);
        for op in ops.unwrap_or_default() {
            match unsynced {
                Unsynced::Nothing => {}
                Unsynced::Everything => apply(&mut image, op),
                Unsynced::Random => match rng.below(3) {
                    0 => {}
                    1 => apply(&mut image, op),
                    _ => tear(&mut image, op, rng),
                },
            }
        }
        image
    }
}

fn apply(image: &mut Vec<u8>, op: &DiskOp) {
    // A recorded operation succeeded on a disk in memory, so it does on this one.
    match op {
        DiskOp::Write { offset, data } => drop(write_to(image, *offset, data)),
        DiskOp::SetLen(len) => image.resize(usize::try_from(*len).unwrap_or(usize::MAX), 0),
        DiskOp::Sync => {}
    }
}

fn tear(image: &mut Vec<u8>, op: &DiskOp, rng: &mut Rng) {
    let DiskOp::Write { offset, data } = op else {
        return apply(image, op); // a length is old or new
    };
    // Sectors of the disk, not of the write, which may begin inside one.
    let first = SECTOR_BYTES - usize::try_from(*offset % SECTOR_BYTES as u64).unwrap_or(0);
    let (head, rest) = data.split_at(first.min(data.len()));
    let mut at = *offset;
    for sector in core::iter::once(head).chain(rest.chunks(SECTOR_BYTES)) {
        if rng.percent(50) {
            drop(write_to(image, at, sector));
        }
        at += sector.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use redb::StorageBackend as _;

    use super::*;
    use crate::disk::RecordingDisk;

    /// Two sectors of `a`, synced; then one byte of `b` in each of two writes.
    fn record() -> DiskRecord {
        let disk = RecordingDisk::new(Vec::new());
        disk.set_len(1_024).unwrap();
        disk.write(0, &[b'a'; 1_024]).unwrap();
        disk.sync_data().unwrap();
        disk.write(500, b"b").unwrap();
        disk.write(600, b"b").unwrap();
        disk.record()
    }

    #[test]
    fn a_cut_keeps_what_was_synced_and_only_that_is_certain() {
        let record = record();
        let mut images = record.crash_images();
        let mut rng = Rng::new(1);
        images.move_to(2);
        assert_eq!(images.image(Unsynced::Nothing, &mut rng), b"");
        assert_eq!(images.unsynced(), 2);
        images.move_to(5);
        assert_eq!(images.unsynced(), 2);
        assert_eq!(images.image(Unsynced::Nothing, &mut rng), [b'a'; 1_024]);
        let all = images.image(Unsynced::Everything, &mut rng);
        assert_eq!((all[500], all[600], all[601]), (b'b', b'b', b'a'));
    }

    #[test]
    fn writes_between_two_syncs_are_lost_independently_of_each_other() {
        let record = record();
        let mut images = record.crash_images();
        images.move_to(5);
        let mut rng = Rng::new(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let image = images.image(Unsynced::Random, &mut rng);
            seen.insert((image[500], image[600]));
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
    }

    #[test]
    fn a_torn_write_is_old_or_new_in_whole_sectors() {
        let disk = RecordingDisk::new(vec![b'a'; 2_048]);
        disk.write(100, &[b'b'; 1_500]).unwrap();
        let record = disk.record();
        let mut images = record.crash_images();
        images.move_to(1);
        let mut rng = Rng::new(2);
        let mut torn = 0;
        for _ in 0..200 {
            let image = images.image(Unsynced::Random, &mut rng);
            assert_eq!(image.len(), 2_048);
            let spans = [&image[100..512], &image[512..1_024], &image[1_024..1_536]];
            for span in spans {
                assert!(span.iter().all(|byte| *byte == span[0]));
            }
            torn += usize::from(spans.iter().any(|span| span[0] != spans[0][0]));
        }
        assert!(torn > 20, "{torn} torn of 200");
    }

    #[test]
    fn moving_backwards_forgets_what_came_later() {
        let record = record();
        let mut images = record.crash_images();
        images.move_to(5);
        images.move_to(1);
        let mut rng = Rng::new(1);
        assert_eq!(images.image(Unsynced::Nothing, &mut rng), b"");
        assert_eq!(images.image(Unsynced::Everything, &mut rng), [0; 1_024]);
    }
}
