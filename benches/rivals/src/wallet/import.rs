//! 10,000 tokens as one JSON array, as wallets export them: each gets a verdict and is durable in the end.

use uxf_engine::Durability;
use uxf_engine::wallet::{VerdictCode, WalletImportOptions};

use super::device::Device;
use super::material::{array, tokens};
use super::{Measured, Trial, UXF, Watch};
use crate::Outcome;
use crate::figures::Figure;

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let count = trial.scaled(10_000);
    let json = array(&tokens(count, 0, count));
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
        measured.extend(rates(name, count, passed));
    }
    let watch = Watch::start();
    let saved = device.wallet.save()?;
    let passed = watch.stop();
    if saved.tokens != count as u64 {
        return Err(format!("{saved:?}").into());
    }
    measured.extend(rates("save", count, passed));
    Ok(measured)
}

fn rates(name: &str, count: usize, passed: Vec<(&'static str, f64)>) -> Vec<Measured> {
    let rate = |(suffix, seconds): (&str, f64)| {
        let name = format!("{name}{suffix}");
        (
            UXF,
            Figure::higher(name, count as f64 / seconds, "tokens/s"),
        )
    };
    passed.into_iter().map(rate).collect()
}
