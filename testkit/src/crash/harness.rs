use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{CrashFailure, CrashReport, History};
use crate::Rng;
use crate::disk::{RecordingDisk, Unsynced};

/// A store under test, with a workload and a judgement of its own.
pub trait CrashSubject {
    /// What a store holds, as far as its users can see.
    type State;

    /// Creates a store on an empty disk and works on it, every choice following from the seed.
    ///
    /// # Errors
    /// What went wrong; nothing may, since the power stays on.
    fn work(
        &self,
        seed: u64,
        disk: &RecordingDisk,
        history: &mut History<Self::State>,
    ) -> Result<(), String>;

    /// Opens the store on a disk, which writes whatever recovery writes, and closes it.
    ///
    /// # Errors
    /// Why it cannot be opened.
    fn recover(&self, disk: &RecordingDisk) -> Result<(), String>;

    /// Opens the store on a disk and judges it.
    ///
    /// # Errors
    /// Why it cannot be opened, what is damaged, or how it differs from each of the allowed states.
    fn check(&self, disk: &RecordingDisk, allowed: &[Self::State]) -> Result<(), String>;
}

/// How thoroughly the power is cut.
#[derive(Clone, Copy, Debug)]
pub struct CrashOptions {
    /// Cuts to make before the series ends, in number; it ends inside a workload. Default 1,000.
    pub cuts: u64,
    /// Disks with randomly lost and torn writes at each boundary, in addition to those with none and all of them.
    /// Default 2.
    pub random_images: u32,
    /// How many in a hundred disks see a second cut, inside recovery. Default 25; 0 to 100.
    pub second_cut_percent: u64,
    /// Takes buffered writes for durable ones, which every series must notice: it shows that the judgement bites.
    /// Default false.
    pub believes_everything: bool,
}

impl Default for CrashOptions {
    fn default() -> Self {
        Self {
            cuts: 1_000,
            random_images: 2,
            second_cut_percent: 25,
            believes_everything: false,
        }
    }
}

/// Runs one workload a seed and cuts its power at every boundary, until there were enough cuts, the seeds run out or
/// `keep_going` says no.
///
/// The cuts of a workload depend on its seed alone, so a failure can be made again from the seed it names.
pub fn cut_power<S: CrashSubject>(
    subject: &S,
    options: &CrashOptions,
    seeds: impl IntoIterator<Item = u64>,
    keep_going: &mut dyn FnMut(&CrashReport) -> bool,
) -> CrashReport {
    let mut report = CrashReport::default();
    for seed in seeds {
        if report.cuts >= options.cuts || !keep_going(&report) {
            break;
        }
        cut_workload(subject, options, seed, &mut report, keep_going);
    }
    report
}

fn cut_workload<S: CrashSubject>(
    subject: &S,
    options: &CrashOptions,
    seed: u64,
    report: &mut CrashReport,
    keep_going: &mut dyn FnMut(&CrashReport) -> bool,
) {
    let disk = RecordingDisk::new(Vec::new());
    let mut history = History::new(disk.clone(), options.believes_everything);
    report.workloads += 1;
    let outcome = guard(|| subject.work(seed, &disk, &mut history));
    report.steps += history.steps() as u64;
    let record = disk.record();
    if let Err(reason) = outcome {
        return report.fail(CrashFailure {
            seed,
            cut: record.ops().len(),
            unsynced: Unsynced::Everything,
            second_cut: None,
            reason: format!("the workload itself failed: {reason}"),
        });
    }
    let created = history.created().unwrap_or(record.ops().len());
    let mut images = record.crash_images();
    for cut in 0..=record.ops().len() {
        images.move_to(cut);
        report.boundaries += 1;
        let allowed = history.allowed(cut);
        let variants = [Unsynced::Nothing, Unsynced::Everything]
            .into_iter()
            .chain((0..options.random_images).map(|_| Unsynced::Random))
            // With nothing unsynced all of them are the same disk.
            .take(if images.unsynced() == 0 {
                1
            } else {
                usize::MAX
            });
        let mut rng = Rng::for_item(seed, cut as u64);
        for unsynced in variants {
            if report.cuts >= options.cuts || !keep_going(report) {
                return;
            }
            let image = images.image(unsynced, &mut rng);
            if cut < created && is_unborn(subject, &image) {
                report.unborn += 1;
                continue;
            }
            let mut second_cut = None;
            let found = cut_recovery(subject, options, image, &mut rng, &mut second_cut);
            if cut < created
                && found
                    .as_ref()
                    .is_ok_and(|disk| is_unborn(subject, &disk.image()))
            {
                report.unborn += 1; // the second cut met the creation made anew
                continue;
            }
            let found = found.and_then(|disk| guard(|| subject.check(&disk, allowed)));
            report.cuts += 1;
            report.second_cuts += u64::from(second_cut.is_some());
            if let Err(reason) = found {
                report.fail(CrashFailure {
                    seed,
                    cut,
                    unsynced,
                    second_cut,
                    reason,
                });
            }
        }
    }
}

/// Whether a disk whose store had not been created yet is refused; a panic is no refusal.
fn is_unborn<S: CrashSubject>(subject: &S, image: &[u8]) -> bool {
    let disk = RecordingDisk::new(image.to_vec());
    catch_unwind(AssertUnwindSafe(|| subject.recover(&disk))).is_ok_and(|opened| opened.is_err())
}

/// The disk as it is, or, for some, what a second cut makes of it while the store is being opened.
fn cut_recovery<S: CrashSubject>(
    subject: &S,
    options: &CrashOptions,
    image: Vec<u8>,
    rng: &mut Rng,
    second_cut: &mut Option<usize>,
) -> Result<RecordingDisk, String> {
    if !rng.percent(options.second_cut_percent) {
        return Ok(RecordingDisk::new(image));
    }
    let recovering = RecordingDisk::new(image);
    guard(|| subject.recover(&recovering))?;
    let record = recovering.record();
    let cut = rng.index(record.ops().len() + 1);
    *second_cut = Some(cut);
    let mut images = record.crash_images();
    images.move_to(cut);
    Ok(RecordingDisk::new(images.image(Unsynced::Random, rng)))
}

/// A panic is a failure like another.
fn guard<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("of no text")))
    })
}

#[cfg(test)]
mod tests {
    use redb::{Database, Durability, ReadableDatabase as _, TableDefinition};

    use super::*;
    use crate::crash::Promise;

    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("t");

    /// redb itself: a counter and some filling, half of the commits durable.
    struct Redb;

    #[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
    fn text(error: impl ToString) -> String {
        error.to_string()
    }

    fn open(disk: &RecordingDisk) -> Result<Database, String> {
        Database::builder()
            .create_with_backend(disk.clone())
            .map_err(text)
    }

    fn counter(db: &Database) -> Result<u64, String> {
        let read = db.begin_read().map_err(text)?;
        match read.open_table(TABLE) {
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(text(error)),
            Ok(table) => {
                let found = table.get(0).map_err(text)?;
                Ok(found.map_or(0, |bytes| bytes.value().len() as u64))
            }
        }
    }

    impl CrashSubject for Redb {
        type State = u64;

        fn work(
            &self,
            seed: u64,
            disk: &RecordingDisk,
            history: &mut History<u64>,
        ) -> Result<(), String> {
            let mut rng = Rng::new(seed);
            history.begin(0);
            let db = open(disk)?;
            history.acknowledge(Promise::Durable);
            for step in 1..=10 {
                history.begin(step);
                let mut write = db.begin_write().map_err(text)?;
                let promise = if rng.percent(50) {
                    Promise::Durable
                } else {
                    write.set_durability(Durability::None).map_err(text)?;
                    Promise::Buffered
                };
                {
                    let mut table = write.open_table(TABLE).map_err(text)?;
                    let len = usize::try_from(step).map_err(text)?;
                    table.insert(0, &*vec![1; len]).map_err(text)?;
                    let filling = vec![2; rng.index(5_000)];
                    table.insert(1 + rng.below(5), &*filling).map_err(text)?;
                }
                write.commit().map_err(text)?;
                history.acknowledge(promise);
            }
            Ok(())
        }

        fn recover(&self, disk: &RecordingDisk) -> Result<(), String> {
            open(disk).map(drop)
        }

        fn check(&self, disk: &RecordingDisk, allowed: &[u64]) -> Result<(), String> {
            let mut db = open(disk)?;
            let found = counter(&db)?;
            if !allowed.contains(&found) {
                return Err(format!("found {found}, allowed {allowed:?}"));
            }
            match db.check_integrity() {
                Ok(true) => Ok(()),
                other => Err(format!("integrity: {other:?}")),
            }
        }
    }

    #[test]
    fn redb_keeps_what_it_has_promised() {
        let report = cut_power(&Redb, &CrashOptions::default(), 1.., &mut |_| true);
        assert_eq!(report.failed, 0, "{:?}", report.failures.first());
        assert_eq!(report.cuts, 1_000);
        assert!(report.second_cuts > 150, "{report}");
    }

    #[test]
    fn believing_every_write_to_be_durable_is_found_out() {
        let options = CrashOptions {
            believes_everything: true,
            ..CrashOptions::default()
        };
        let report = cut_power(&Redb, &options, 1.., &mut |_| true);
        assert!(report.failed > 100, "{report}");
        let reason = &report.failures[0].reason;
        assert!(reason.starts_with("found "), "{reason}");
    }

    #[test]
    fn a_series_replays_from_its_seed_and_stops_when_told() {
        let options = CrashOptions {
            cuts: 200,
            believes_everything: true,
            ..CrashOptions::default()
        };
        let run = || cut_power(&Redb, &options, 5..6, &mut |_| true);
        let texts = |report: CrashReport| -> Vec<String> {
            report.failures.iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts(run()), texts(run()));
        let stopped = cut_power(&Redb, &options, 5.., &mut |report| report.cuts < 7);
        assert_eq!(stopped.cuts, 7);
    }

    #[test]
    fn a_panic_is_a_failure_with_its_text() {
        let result: Result<(), String> = guard(|| panic!("no {}", "luck"));
        assert_eq!(result.unwrap_err(), "panic: no luck");
    }
}
