//! From a put on one device until it shows on the other, while they are connected.

use std::time::{Duration, Instant};

use super::pair::{Pair, device};
use super::{Measured, RAW, Trial, UXF, raw};
use crate::Outcome;
use crate::figures::{Figure, median, percentile};

const LONGEST: Duration = Duration::from_secs(10);

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let (first, second) = (device(trial.dir, "first")?, device(trial.dir, "second")?);
    let pair = Pair::of(&first, &second)?;
    pair.meet()?;
    let watch = second.watch("app.");
    let (mut times, mut commits) = (Vec::new(), Vec::new());
    for number in 0..trial.scaled(500) {
        let start = Instant::now();
        first.put(&format!("app.{number}"), &[7; 100])?;
        commits.push(start.elapsed().as_secs_f64() * 1e3);
        watch.next_timeout(LONGEST).ok_or("it did not come")?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let most = percentile(&mut times, 99).ok_or("nothing was measured")?;
    let middle = |times| median(times).ok_or("nothing was measured");
    Ok(vec![
        (UXF, Figure::lower("sync-visible", middle(times)?, "ms")),
        (
            RAW,
            Figure::lower("sync-visible", raw::one_way_millis(400, 200)?, "ms"),
        ),
        (UXF, Figure::lower("sync-visible-p99", most, "ms")),
        // The part of it in which the writing device makes it durable.
        (
            UXF,
            Figure::lower("sync-visible-commit", middle(commits)?, "ms"),
        ),
    ])
}
