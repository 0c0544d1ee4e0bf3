//! The whole round in one command: a sample wallet goes in, is stored once, and comes out the same; and two devices come to the
//! same state.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uxf_codec::ElementBatch;
use uxf_codec::json::ArrayItems;
use uxf_codec::token::{Deconstructor, StateIndex};
use uxf_engine::{ImportOptions, Inventory, Progress};

use super::{Outcome, store};
use crate::args::Cli;
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::text::{bytes, count, per_cent, short};

const SAMPLES: [(&str, &[u8]); 2] = [
    (
        "genuine tokens",
        include_bytes!("../../../samples/genuine-tokens.json"),
    ),
    (
        "synthetic tokens",
        include_bytes!("../../../samples/synthetic-tokens.json"),
    ),
];

pub(super) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open_or_make(cli)?;
    let inventory = engine.inventory(&cli.inventory)?;
    out.say(format!("store: {}", cli.store().display()));
    let imported = import(&inventory, out)?;
    let stats = engine.stats()?;
    let survey = engine.survey(|_, _| ())?;
    out.say("\nshared and saved");
    let saved = survey.logical_bytes.saturating_sub(survey.shared_bytes);
    out.say(format!(
        "  {} tokens are {} elements; alone they would take {}, together they take {}: {} saved",
        count(stats.tokens),
        count(stats.elements),
        bytes(survey.logical_bytes),
        bytes(survey.shared_bytes),
        per_cent(saved, survey.logical_bytes),
    ));
    let equal = prove_equal(&inventory, out)?;
    show_earlier(&inventory, out)?;
    engine.close()?;
    #[cfg(feature = "node")]
    let devices = super::demo_devices::run(cli, &SAMPLES.map(|(_, sample)| sample), out)?;
    #[cfg(not(feature = "node"))]
    let devices = Value::Null;
    let directory = cli.store();
    out.say("\nlook around");
    for command in ["list", "stats", "verify", "show 5ec9 --at 1"] {
        out.say(format!("  uxf --store {} {command}", directory.display()));
    }
    if !devices.is_null() {
        let second = directory.join("second");
        for command in ["log", "wallet tokens"] {
            out.say(format!("  uxf --store {} {command}", second.display()));
        }
    }
    out.document(&json!({
        "devices": devices,
        "store": directory,
        "imported": imported,
        "tokens": stats.tokens,
        "elements": stats.elements,
        "logicalBytes": survey.logical_bytes,
        "elementBytes": survey.shared_bytes,
        "provedEqual": equal,
    }));
    Ok(Outcome::Done)
}

fn import(inventory: &Inventory, out: &Output) -> Result<Vec<Value>, Failure> {
    out.say("\nimport");
    let mut documents = Vec::new();
    for (name, sample) in SAMPLES {
        let report = inventory.import(sample, &ImportOptions::new(), Progress::silent())?;
        out.say(format!(
            "  {} {name} ({}): {} elements new",
            count(report.accepted()),
            bytes(sample.len() as u64),
            count(report.stored)
        ));
        documents.push(
            json!({ "sample": name, "tokens": report.accepted(), "elementsNew": report.stored }),
        );
    }
    Ok(documents)
}

/// Exports every sample token and takes it apart again: the same root means the same content down to the last byte.
/// Then compares the JSON itself, where absent byte fields may be written as `null` or as an empty text.
fn prove_equal(inventory: &Inventory, out: &Output) -> Result<u64, Failure> {
    out.say("\nexport and compare");
    let mut deconstructor = Deconstructor::new();
    let mut batch = ElementBatch::new();
    let mut root_of = |json: &[u8]| {
        batch.clear();
        deconstructor
            .deconstruct(json, &mut batch)
            .map_err(|error| Failure::new(chain(&error)))
    };
    let (mut equal, mut identical) = (0, 0);
    for (_, sample) in SAMPLES {
        for item in ArrayItems::new(sample) {
            let item = item.map_err(Failure::new)?;
            let before = root_of(item)?;
            let exported = inventory.assemble(before.token_id.as_str())?;
            if root_of(&exported)?.root != before.root {
                return Err(Failure::new(format!(
                    "token {} came back different",
                    before.token_id
                )));
            }
            equal += 1;
            identical += u64::from(plain(item)? == plain(&exported)?);
        }
    }
    out.say(format!(
        "  all {equal} tokens came back with the same content hash"
    ));
    out.say(format!(
        "  {identical} of them as the same JSON, the rest carry fields that no UXF element has"
    ));
    Ok(equal)
}

/// A token's JSON with its keys sorted and every absent byte field the same.
fn plain(token: &[u8]) -> Result<Value, Failure> {
    fn settle(value: &mut Value) {
        match value {
            Value::String(text) if text.is_empty() => *value = Value::Null,
            Value::Array(items) => items.iter_mut().for_each(settle),
            Value::Object(entries) => entries.values_mut().for_each(settle),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(token).map_err(Failure::new)?;
    settle(&mut value);
    Ok(value)
}

fn show_earlier(inventory: &Inventory, out: &Output) -> Result<(), Failure> {
    let mut transactions = BTreeSet::new();
    for item in ArrayItems::new(SAMPLES[0].1) {
        let token: Value =
            serde_json::from_slice(item.map_err(Failure::new)?).map_err(Failure::new)?;
        let id = token
            .pointer("/genesis/data/tokenId")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let count = token
            .get("transactions")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        transactions.insert((count, id.to_owned()));
    }
    let Some((last, id)) = transactions.pop_last() else {
        return Ok(());
    };
    out.say(format!("\ntoken {} through time", short(&id)));
    for state in 0..=last {
        let json = inventory.assemble_at(&id, StateIndex::At(state as u64))?;
        let token: Value = serde_json::from_slice(&json).map_err(Failure::new)?;
        let predicate = token
            .pointer("/state/predicate")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let tail = predicate
            .get(predicate.len().saturating_sub(12)..)
            .unwrap_or_default();
        out.say(format!(
            "  after {state} transfers: owner predicate …{tail}, {}",
            bytes(json.len() as u64)
        ));
    }
    Ok(())
}
