//! Operations whose history was let go of.

use uxf_engine::Durability;
use uxf_engine::oplog::VersionVector;

use super::history::{TOGETHER, VALUE, fill};
use super::pair::{Pair, device, open};
use super::{Measured, RAW, Trial, UXF, raw};
use crate::Outcome;
use crate::figures::Figure;

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let (operations, live) = (trial.scaled(100_000), trial.scaled(10_000).max(TOGETHER));
    let first = open(trial.dir, "first", Durability::Buffered)?;
    fill(&first, operations, live)?;
    first.compact()?;
    first.flush()?;
    let payload = first.delta_for(&VersionVector::default(), usize::MAX)?;
    let payload = payload.byte_len() as u64;
    let second = device(trial.dir, "second")?;
    let pair = Pair::of(&second, &first)?;
    let met = pair.meet()?;
    // Keys and values as an application has them, neither signed nor sealed.
    let plain = (live * ("app.00000000".len() + VALUE)) as f64;
    Ok(vec![
        (UXF, Figure::lower("sync-compacted", met.seconds, "s")),
        (
            RAW,
            Figure::lower("sync-compacted", raw::seconds(met.bytes)?, "s"),
        ),
        (
            UXF,
            Figure::lower(
                "sync-compacted-wire",
                met.bytes as f64 / payload as f64,
                "x",
            ),
        ),
        (
            UXF,
            Figure::lower("sync-compacted-plain", met.bytes as f64 / plain, "x"),
        ),
    ])
}
