use serde_json::json;
use uxf_engine::{Stats, Survey};

use super::{Outcome, store};
use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{bytes, count, per_cent};

pub(super) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open(cli)?;
    let stats = engine.stats()?;
    let bar = out.progress("looking at every token", stats.tokens);
    let survey = engine.survey(|done, _| bar.set_position(done));
    bar.finish_and_clear();
    let survey = survey?;
    let totals = [
        ("inventories", count(stats.inventories)),
        ("tokens", count(stats.tokens)),
        ("elements", count(stats.elements)),
        ("bytes if nothing were shared", bytes(survey.logical_bytes)),
        ("bytes of the elements", bytes(stats.element_bytes)),
        ("saved by sharing", saved(&survey)),
        ("bytes in use in the file", bytes(survey.allocated_bytes)),
        (
            "bytes of the file",
            stats
                .file_bytes
                .map_or_else(|| "in memory".to_owned(), bytes),
        ),
        ("elements waiting to be reclaimed", count(stats.released)),
    ];
    out.table(
        &["what", "value"],
        totals.map(|(what, value)| vec![what.to_owned(), value]),
    );
    let types = stats.by_type.iter().map(|row| {
        let share = per_cent(row.bytes, stats.element_bytes);
        vec![
            row.name().to_owned(),
            count(row.elements),
            bytes(row.bytes),
            share,
        ]
    });
    out.table(&["type", "elements", "bytes", "share"], types);
    out.document(&document(&stats, &survey));
    Ok(Outcome::Done)
}

fn saved(survey: &Survey) -> String {
    let saved = survey.logical_bytes.saturating_sub(survey.shared_bytes);
    format!(
        "{} ({})",
        bytes(saved),
        per_cent(saved, survey.logical_bytes)
    )
}

fn document(stats: &Stats, survey: &Survey) -> serde_json::Value {
    let types: Vec<_> = stats
        .by_type
        .iter()
        .map(|row| json!({ "type": row.name(), "elements": row.elements, "bytes": row.bytes }))
        .collect();
    json!({
        "inventories": stats.inventories,
        "tokens": stats.tokens,
        "elements": stats.elements,
        "logicalBytes": survey.logical_bytes,
        "elementBytes": stats.element_bytes,
        "dedupRatio": survey.dedup_ratio(),
        "allocatedBytes": survey.allocated_bytes,
        "fileBytes": stats.file_bytes,
        "released": stats.released,
        "byType": types,
    })
}
