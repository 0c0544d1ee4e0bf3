use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::{Finding, Issue, Report, VerifyProfile};
use crate::element::ElementHash;
use crate::instance_chain::ChainEntry;
use crate::limits::VERIFY_ISSUES_MAX;
use crate::package::{Package, Pool};

/// Looks at every instance chain, and for originals that have several.
pub(super) fn check_chains(package: &Package, profile: VerifyProfile, report: &mut Report) {
    let mut heads_of: IndexMap<ElementHash, BTreeSet<ElementHash>> = IndexMap::new();
    for (_, entry) in package.chains().chains() {
        if report.errors.len() >= VERIFY_ISSUES_MAX {
            return;
        }
        report.stats.instance_chains_checked += 1;
        check_chain(package.pool(), entry, profile, &mut report.errors);
        if let Some(original) = entry.chain.last() {
            let heads = heads_of.entry(original.hash).or_default();
            heads.insert(entry.head);
        }
    }
    for (original, heads) in heads_of {
        if heads.len() > 1 {
            let heads = heads.len();
            let issue = Issue::about(original, Finding::ChainForked { heads });
            report.warnings.push(issue);
        }
    }
}

fn check_chain(pool: &Pool, entry: &ChainEntry, profile: VerifyProfile, errors: &mut Vec<Issue>) {
    let Some(first) = entry.chain.first() else {
        errors.push(Issue::of(Finding::ChainEmpty));
        return;
    };
    let mut seen = BTreeSet::new();
    let mut expected = None;
    let mut older = entry.chain.iter().skip(1);
    for member in &entry.chain {
        let mut found = |finding| errors.push(Issue::about(member.hash, finding));
        let older = older.next();
        if !seen.insert(member.hash) {
            found(Finding::ChainRepeats);
            break;
        }
        let view = match pool.view(&member.hash) {
            Ok(Some(view)) => view,
            Ok(None) => {
                found(Finding::ChainMemberMissing);
                continue;
            }
            // Said already when the pool was looked through.
            Err(_) => continue,
        };
        let expected = *expected.get_or_insert(view.element_type());
        if view.element_type() != expected {
            found(Finding::ChainType {
                expected,
                found: view.element_type(),
            });
        }
        match (older, view.predecessor()) {
            (None, Some(predecessor)) => found(Finding::ChainOriginalContinues { predecessor }),
            (Some(older), predecessor) if predecessor != Some(older.hash) => {
                found(Finding::ChainLink { older: older.hash });
            }
            _ => {}
        }
        if profile == VerifyProfile::Complete && view.kind() != member.kind {
            found(Finding::ChainKind {
                recorded: member.kind.clone(),
                found: view.kind().to_owned(),
            });
        }
    }
    if entry.head != first.hash {
        let finding = Finding::ChainHead { first: first.hash };
        errors.push(Issue::about(entry.head, finding));
    }
}
