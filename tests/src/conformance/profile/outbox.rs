use std::collections::BTreeSet;

use serde_json::Value;
use uxf_engine::profile::merge::{
    ArcFault, DualWriteLayout, OutboxEntry, OutboxShape, OutboxStatus, check_dual_write,
};

use super::{Scope, cases, same_json, text};
use crate::conformance::json;

/// Most versions of one entry whose orders are all tried: 720 orders.
const ALL_ORDERS_MAX: usize = 6;

pub(super) fn outbox_shape(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let found = OutboxShape::of(case.get("value").unwrap_or(&Value::Null));
        scope.equal(&name, text(case, "shape"), found.as_str());
    }
}

pub(super) fn outbox_state_machine(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "statuses") {
        let found = OutboxStatus::parse(text(case, "status"));
        let found = found.map_or("unknown", |status| status.partition().as_str());
        scope.equal(&name, text(case, "partition"), found);
    }
    for (name, case) in cases(scope, file, "allowed") {
        let condition = match (check(case, false), check(case, true)) {
            ("ok", "ok") => "unconditional",
            ("override-required", "ok") => "override",
            _ => "never",
        };
        scope.equal(&name, text(case, "condition"), condition);
    }
    for (name, case) in cases(scope, file, "matrix") {
        scope.equal(&name, text(case, "plain"), check(case, false));
        scope.equal(&name, text(case, "with_override"), check(case, true));
    }
    for (name, case) in cases(scope, file, "dual_write") {
        let layout = |field: &str| DualWriteLayout::parse(text(case, field));
        let enabled = case.get("enabled").and_then(Value::as_bool) == Some(true);
        let found = check_dual_write(layout("from"), layout("to"), enabled);
        scope.equal(
            &name,
            text(case, "result"),
            found.map_or_else(ArcFault::as_str, |()| "ok"),
        );
    }
}

fn check(case: &Value, with_override: bool) -> &'static str {
    let status = |field: &str| OutboxStatus::parse(text(case, field));
    match status("from").zip(status("to")) {
        Some((from, to)) => match from.check_transition(to, with_override) {
            Ok(()) => "ok",
            Err(error) => error.fault.as_str(),
        },
        None => "no-such-arc",
    }
}

pub(super) fn outbox_merge(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        if let Some(found) = merged(scope, &name, case) {
            same_json(
                scope,
                &name,
                case.get("merged").unwrap_or(&Value::Null),
                &found,
            );
        }
    }
    // The reference has several answers for these. Ours is one, whatever the order, and it is one of them.
    for (name, case) in cases(scope, file, "order_dependent") {
        if let Some(found) = merged(scope, &name, case) {
            let outcomes = case
                .get("outcomes_in_reference")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let outcomes: BTreeSet<_> = outcomes
                .filter_map(|outcome| outcome.get("merged"))
                .map(json::sorted_text)
                .collect();
            let found = json::sorted_text(&found);
            if outcomes.contains(&found) {
                scope.pass();
            } else {
                scope.fail(name, format!("one of {outcomes:?}"), found);
            }
        }
    }
}

/// Merges the versions of a case in every order, from the left and from the right, and says what they all come to.
fn merged(scope: &mut Scope<'_>, name: &str, case: &Value) -> Option<Value> {
    let inputs = case
        .get("inputs")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let entries: Result<Vec<_>, _> = inputs
        .iter()
        .map(|input| OutboxEntry::parse(&input.to_string()))
        .collect();
    let entries = scope.value(name, entries)?;
    let orders = if entries.len() <= ALL_ORDERS_MAX {
        orders(entries.len())
    } else {
        vec![
            (0..entries.len()).collect(),
            (0..entries.len()).rev().collect(),
        ]
    };
    let mut found = None::<OutboxEntry>;
    for order in orders {
        let ordered = || {
            order
                .iter()
                .filter_map(|index| entries.get(*index))
                .cloned()
        };
        let from_left = OutboxEntry::merge_all(ordered());
        let from_right = ordered()
            .rev()
            .map(Ok)
            .reduce(|right, left| left?.merge(right?));
        for merged in [Some(from_left), from_right].into_iter().flatten() {
            let merged = scope.value(name, merged)?;
            let first = found.get_or_insert_with(|| merged.clone());
            if *first != merged {
                scope.fail(name, first.format(), merged.format());
                return None;
            }
            let again = OutboxEntry::parse(&merged.format());
            scope.equal(
                &format!("{name}, read back"),
                true,
                again.as_ref() == Ok(&merged),
            );
        }
    }
    found.map(|found| found.to_visible_json())
}

fn orders(len: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for _ in 0..len {
        let longer = |order: &Vec<usize>| -> Vec<Vec<usize>> {
            let left = (0..len).filter(|index| !order.contains(index));
            left.map(|index| [order.as_slice(), &[index]].concat())
                .collect()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders
}
