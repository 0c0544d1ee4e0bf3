//! A bundle of many tokens.

use uxf_engine::Durability;
use uxf_engine::profile::Profile;
use uxf_engine::wallet::{Wallet, WalletImportOptions};
use uxf_testkit::Wallet as Tokens;

use super::pair::{Met, Pair, open, wallet};
use super::{Measured, RAW, Trial, UXF, raw};
use crate::Outcome;
use crate::figures::Figure;

fn import(wallet: &Wallet, tokens: &[String]) -> Outcome<()> {
    let array = format!("[{}]", tokens.join(","));
    let report = wallet.import(array.as_bytes(), &WalletImportOptions::new())?;
    if report.counts.added != tokens.len() as u64 {
        return Err(format!("{:?}", report.tally).into());
    }
    Ok(())
}

/// Bytes of all that is stored by its hash: elements, manifests, commits.
fn block_bytes(profile: &Profile) -> Outcome<u64> {
    let stats = profile.engine().stats()?;
    Ok(stats.by_type.iter().map(|kind| kind.bytes).sum())
}

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let count = trial.scaled(10_000);
    let tokens: Vec<String> = Tokens::new(count as u64).take(count).collect();
    let first = open(trial.dir, "first", Durability::Buffered)?;
    let full = wallet(&first)?;
    import(&full, &tokens)?;
    full.save()?;
    first.flush()?;
    let bytes_of = |name: &str| -> Outcome<(Met, u64)> {
        let other = open(trial.dir, name, Durability::Durable)?;
        if name == "most" {
            let most = tokens.get(..count * 9 / 10).unwrap_or_default();
            import(&wallet(&other)?, most)?;
        }
        let here = block_bytes(&other)?;
        let met = Pair::of(&other, &first)?.meet()?;
        if met.synced.bundles == 0 || met.synced.bundles_missing > 0 {
            return Err(format!("{:?}", met.synced).into());
        }
        Ok((met, block_bytes(&other)? - here))
    };
    let (all, whole) = bytes_of("none")?;
    let (some, missing) = bytes_of("most")?;
    let rate = |bytes: u64, seconds: f64| bytes as f64 / seconds / 1e6;
    Ok(vec![
        (
            UXF,
            Figure::higher("sync-bundle", rate(all.bytes, all.seconds), "MB/s"),
        ),
        (
            RAW,
            Figure::higher(
                "sync-bundle",
                rate(all.bytes, raw::seconds(all.bytes)?),
                "MB/s",
            ),
        ),
        (
            UXF,
            Figure::lower("sync-bundle-wire", all.bytes as f64 / whole as f64, "x"),
        ),
        (UXF, Figure::lower("sync-bundle-most", some.seconds, "s")),
        (
            UXF,
            Figure::lower(
                "sync-bundle-most-wire",
                some.bytes as f64 / missing as f64,
                "x",
            ),
        ),
    ])
}
