use std::time::Duration;

use serde_json::json;
use uxf_engine::bundles::UnixSeconds;
use uxf_engine::wallet::{Consolidation, Wallet};
use uxf_engine::{Clock as _, SystemClock};

use super::profile::printable;
use super::{Outcome, wallet};
use crate::args::{Bundle, Cli};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{count, short, utc};

/// Longest wait before the lock of a consolidation is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(super) fn run(cli: &Cli, command: &Bundle, out: &Output) -> Result<Outcome, Failure> {
    let wallet = wallet::open(cli)?;
    match command {
        Bundle::List => list(&wallet, out),
        Bundle::Consolidate => consolidate(&wallet, out),
    }
}

fn list(wallet: &Wallet, out: &Output) -> Result<Outcome, Failure> {
    let found = wallet.bundles()?;
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for bundle in &found.refs {
        let tokens = bundle.token_count();
        rows.push(vec![
            printable(bundle.cid()),
            bundle.status().as_str().to_owned(),
            tokens.map(count).unwrap_or_default(),
            bundle.superseded_by().map(short).unwrap_or_default(),
            bundle.remove_after().map(time).unwrap_or_default(),
        ]);
        documents.push(bundle.to_json());
    }
    out.say(format!("{} bundles", count(rows.len() as u64)));
    if !rows.is_empty() {
        let header = ["bundle", "status", "tokens", "successor", "time"];
        out.table(&header, rows);
    }
    if found.unreadable_count > 0 {
        out.say(format!(
            "{} references cannot be read",
            count(found.unreadable_count as u64)
        ));
    }
    out.document(&json!({ "bundles": documents, "unreadable": found.unreadable_count }));
    Ok(if found.unreadable_count == 0 {
        Outcome::Done
    } else {
        Outcome::InPart
    })
}

fn consolidate(wallet: &Wallet, out: &Output) -> Result<Outcome, Failure> {
    let mut is_told = false;
    loop {
        match wallet.consolidate()? {
            Consolidation::Settling { until } => {
                if !is_told {
                    out.say("waiting for other devices that may be at it too");
                    is_told = true;
                }
                let now = SystemClock::new().unix_millis() / 1_000;
                let left = Duration::from_secs(until.0.saturating_sub(now).max(1));
                wait(left.min(LOOK_AGAIN));
            }
            Consolidation::NotNeeded { active } => {
                let active = active as u64;
                out.say(format!("{} bundles are few enough", count(active)));
                out.document(&json!({ "result": "not-needed", "active": active }));
                return Ok(Outcome::Done);
            }
            Consolidation::InProgress { until } => {
                let failure = Failure::new("another device is at it")
                    .with_help(format!("try again after {}", time(until)));
                return Err(failure);
            }
            Consolidation::Done(report) => {
                out.say(format!(
                    "merged {} bundles into {}",
                    count(report.merged.len() as u64),
                    count(report.results.len() as u64)
                ));
                out.document(&json!({
                    "result": "done",
                    "results": report.results,
                    "merged": report.merged,
                }));
                return Ok(Outcome::Done);
            }
            _ => {}
        }
    }
}

fn time(at: UnixSeconds) -> String {
    utc(at.0.saturating_mul(1_000))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the other devices that are waited for are no threads of this program"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
