//! Verifying: is everything there, is it what it is filed as, and does it fit together?
//!
//! [`verify`] looks at a whole package and lists what is wrong with it; it never fails. [`Walker`] is its inner part,
//! for whoever keeps elements elsewhere: it follows one token after the other through any
//! [`ElementSource`](crate::ElementSource) without copying an element. Nothing here judges signatures or proofs.
//! Format notes, section 14.
//!
//! The reference's verification passes some tokens that cannot be assembled: it does not look at an element's type
//! when it meets the element again, nor at name-tags that only transactions name. [`VerifyProfile::Complete`] does.

mod chains;
mod element;
mod issue;
mod walk;

pub use issue::{Finding, Issue, IssueCode};
pub use walk::{WalkOptions, Walker};

use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementType};
use crate::limits::{POOL_ELEMENTS_MAX, VERIFY_ISSUES_MAX};
use crate::package::{Package, TokenId};

/// How much verification looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum VerifyProfile {
    /// What the reference looks at, and besides: the type of an element in every role it stands in, pending
    /// authenticators included; name-tags that only transactions name; the kinds that chains record.
    #[default]
    Complete,
    /// What the reference looks at, no less and no more; for comparing with it.
    Exact,
}

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What makes the package unusable in part or as a whole.
    pub errors: Vec<Issue>,
    /// What is odd and does no harm.
    pub warnings: Vec<Issue>,
    /// What was looked at.
    pub stats: Stats,
    /// Whether there were more than [`VERIFY_ISSUES_MAX`] errors and the rest was not looked for.
    pub is_cut_short: bool,
}

/// What verification looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Tokens of the manifest.
    pub tokens_checked: usize,
    /// Distinct elements met on the way from the roots, absent ones included.
    pub elements_checked: usize,
    /// Elements of the pool that no root leads to.
    pub orphaned_elements: usize,
    /// Distinct instance chains.
    pub instance_chains_checked: usize,
}

impl Report {
    /// Whether there is no error.
    pub const fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }
}

/// Verifies a package.
///
/// Time and memory grow with the package. With [`VerifyProfile::Exact`] time grows with the tokens times the elements
/// that they share, as it does in the reference; use that only on packages of known size.
///
/// ```
/// use uxf_codec::package::Package;
/// use uxf_codec::verify::{VerifyProfile, verify};
///
/// let report = verify(&Package::default(), VerifyProfile::Complete);
/// assert!(report.is_valid());
/// ```
pub fn verify(package: &Package, profile: VerifyProfile) -> Report {
    let mut report = Report::default();
    if package.pool().len() > POOL_ELEMENTS_MAX {
        report.errors.push(Issue::of(Finding::PoolTooLarge {
            elements: package.pool().len(),
        }));
        return report;
    }
    element::check_pool(package.pool(), &mut report.errors);
    let mut walker = Walker::new(WalkOptions {
        profile,
        check_hashes: false,
    });
    report.stats.tokens_checked = package.manifest().len();
    for (id, root) in package.manifest() {
        if report.errors.len() >= VERIFY_ISSUES_MAX {
            break;
        }
        if check_root(package, id, root, &mut report.errors) {
            let (pool, chains) = (package.pool(), package.chains());
            let walked = walker.walk_token(pool, chains, id, root, &mut report.errors);
            // A pool has its elements in memory and does not fail; if it did, it would not go unsaid.
            if let Err(error) = walked {
                let reason = error.to_string();
                let issue = Issue::about(*root, Finding::NotAnElement { reason });
                report.errors.push(issue);
            }
        }
    }
    chains::check_chains(package, profile, &mut report);
    report.stats.elements_checked = walker.elements_checked();
    report.stats.orphaned_elements = package
        .pool()
        .iter()
        .filter(|(hash, _)| !walker.has_met(hash))
        .count();
    if report.stats.orphaned_elements > 0 {
        let elements = report.stats.orphaned_elements;
        report
            .warnings
            .insert(0, Issue::of(Finding::Orphans { elements }));
    }
    report.is_cut_short = report.errors.len() >= VERIFY_ISSUES_MAX;
    report
}

/// Whether there is a root to walk from; says what is wrong with it.
fn check_root(
    package: &Package,
    id: &TokenId,
    root: &ElementHash,
    errors: &mut Vec<Issue>,
) -> bool {
    let mut found = |finding| {
        errors.push(Issue {
            token_id: Some(id.clone()),
            element: Some(*root),
            finding,
        });
    };
    let view = match package.pool().view(root) {
        Ok(Some(view)) => view,
        Ok(None) => {
            found(Finding::RootMissing);
            return false;
        }
        // Said already when the pool was looked through.
        Err(_) => return false,
    };
    if view.element_type() == ElementType::TokenRoot {
        let own = own_id(&view);
        if own.as_deref() != Some(id.as_str()) {
            found(Finding::RootOfAnotherToken { own });
        }
    } else {
        found(Finding::RootType {
            found: view.element_type(),
        });
    }
    true
}

fn own_id(root: &ElementView<'_>) -> Option<String> {
    root.bytes("tokenId").map(const_hex::encode)
}
