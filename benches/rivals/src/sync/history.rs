//! Operations with their history.

use uxf_engine::Durability;
use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::Profile;

use super::pair::{Pair, device, open};
use super::raw;
use super::{Measured, RAW, Trial, UXF};
use crate::Outcome;
use crate::figures::Figure;

/// Operations of one commit, and bytes of a value.
pub(super) const TOGETHER: usize = 100;
pub(super) const VALUE: usize = 100;

/// Writes operations over so many keys, in commits of a hundred.
pub(super) fn fill(profile: &Profile, operations: usize, keys: usize) -> Outcome<()> {
    for commit in 0..operations / TOGETHER {
        let mut batch = profile.engine().begin();
        for number in 0..TOGETHER {
            let number = commit * TOGETHER + number;
            let key = format!("app.{:08}", number % keys);
            let value: Vec<u8> = number.to_le_bytes().repeat(VALUE / 8 + 1);
            batch.put_value(profile, &key, value.get(..VALUE).unwrap_or_default())?;
        }
        batch.commit()?;
    }
    Ok(())
}

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let operations = trial.scaled(100_000);
    let first = open(trial.dir, "first", Durability::Buffered)?;
    fill(&first, operations, operations)?;
    first.flush()?;
    let nothing = VersionVector::default();
    let payload = first.delta_for(&nothing, usize::MAX)?.byte_len() as u64;
    let second = device(trial.dir, "second")?;
    let pair = Pair::of(&second, &first)?;
    let met = pair.meet()?;
    if met.synced.operations < operations as u64 {
        return Err(format!("{:?}", met.synced).into());
    }
    let bare = raw::seconds(met.bytes)?;
    let rate = |seconds: f64| operations as f64 / seconds;
    let over = 100.0 * (met.bytes as f64 / payload as f64 - 1.0);
    let mut measured = vec![
        (
            UXF,
            Figure::higher("sync-history", rate(met.seconds), "ops/s"),
        ),
        (RAW, Figure::higher("sync-history", rate(bare), "ops/s")),
        (UXF, Figure::lower("sync-history-over", over, "%")),
    ];
    // A hundredth more, while both are connected no more.
    drop(pair);
    let more = operations / 100;
    let missing = open_again(trial, first)?;
    let before = missing.version_vector()?;
    fill(&missing, more, operations)?;
    let payload = missing.delta_for(&before, usize::MAX)?.byte_len() as u64;
    let pair = Pair::of(&second, &missing)?;
    let met = pair.meet()?;
    let each = met.bytes as f64 / more as f64;
    let over = met.bytes.saturating_sub(payload) as f64;
    measured.push((UXF, Figure::lower("sync-missing", met.seconds, "s")));
    measured.push((
        RAW,
        Figure::lower("sync-missing", raw::seconds(met.bytes)?, "s"),
    ));
    measured.push((UXF, Figure::lower("sync-missing-each", each, "B/op")));
    measured.push((UXF, Figure::lower("sync-missing-over", over, "B")));
    Ok(measured)
}

/// The same store, opened as after a start.
fn open_again(trial: Trial<'_>, profile: Profile) -> Outcome<Profile> {
    profile.engine().close()?;
    drop(profile);
    open(trial.dir, "first", Durability::Buffered)
}
