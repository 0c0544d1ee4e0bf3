//! 10,000 tokens as one JSON array, as wallets export them: each gets a verdict and is durable in the end. Without tables
//! they get none, and are written as archives.

use uxf_engine::Durability;
use uxf_engine::wallet::{VerdictCode, WalletImportOptions};

use super::device::Device;
use super::material::{array, tokens};
use super::{MERGE, Measured, Trial, UXF, Watch, plain};
use crate::Outcome;
use crate::figures::Figure;

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let count = trial.scaled(10_000);
    let tokens = tokens(count, 0, count);
    let json = array(&tokens);
    let device = Device::open(&trial.dir.join("uxf"), Durability::Durable)?;
    let mut measured = Vec::new();
    for (name, expected) in [
        ("import", VerdictCode::Added),
        ("import-again", VerdictCode::Duplicate),
    ] {
        let watch = Watch::start();
        let report = device.wallet.import(&json, &WalletImportOptions::new())?;
        let passed = watch.stop();
        if report.tally.of_code(expected) != count as u64 {
            return Err(format!("{:?}", report.tally).into());
        }
        measured.extend(rates(UXF, name, count, passed));
    }
    let watch = Watch::start();
    let saved = device.wallet.save()?;
    let passed = watch.stop();
    if saved.tokens != count as u64 {
        return Err(format!("{saved:?}").into());
    }
    measured.extend(rates(UXF, "save", count, passed));
    let watch = Watch::start();
    plain::write(&trial.dir.join("merge"), &plain::import(&tokens)?)?;
    measured.extend(rates(MERGE, "import", count, watch.stop()));
    Ok(measured)
}

fn rates(
    whose: &'static str,
    name: &str,
    count: usize,
    passed: Vec<(&'static str, f64)>,
) -> Vec<Measured> {
    let rate = |(suffix, seconds): (&str, f64)| {
        let name = format!("{name}{suffix}");
        (
            whose,
            Figure::higher(name, count as f64 / seconds, "tokens/s"),
        )
    };
    passed.into_iter().map(rate).collect()
}
