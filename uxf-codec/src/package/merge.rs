use core::fmt;
use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::{Manifest, Package, Pool, Timestamp, TokenId};
use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementSource, MemoryForm};
use crate::error::Error;
use crate::join::{self, Outcome};
use crate::limits::POOL_ELEMENTS_MAX;

/// How packages are merged.
#[derive(Clone, Copy, Default)]
pub struct MergeOptions<'o> {
    /// Inclusion proofs that the caller has verified. Without them proofs are never moved from one history into
    /// another.
    pub verified_proofs: Option<&'o BTreeSet<ElementHash>>,
    /// Whether a token that cannot be joined makes the whole merge fail. Default: it is skipped.
    pub strict: bool,
    /// Told of every token that is skipped, as it happens.
    pub on_skip: Option<&'o dyn Fn(&MergeSkip)>,
}

impl fmt::Debug for MergeOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeOptions")
            .field("verified_proofs", &self.verified_proofs.map(BTreeSet::len))
            .field("strict", &self.strict)
            .field("on_skip", &self.on_skip.is_some())
            .finish()
    }
}

/// A token that a merge could not join and left as it was.
#[derive(Debug)]
pub struct MergeSkip {
    /// Its id.
    pub token_id: TokenId,
    /// Why.
    pub error: Error,
    /// The root that the target has for it.
    pub target_root: Option<ElementHash>,
    /// The root that the source has for it.
    pub source_root: ElementHash,
}

/// What a merge did.
#[derive(Debug, Default)]
pub struct MergeOutcome {
    /// Elements that the target did not have, synthetic roots included.
    pub elements_added: usize,
    /// Tokens that the target did not have.
    pub tokens_added: usize,
    /// Tokens that both had under different roots, and how they were joined, in the order of the source.
    /// Synthetic roots have been moved from here into the pool.
    pub joined: Vec<(TokenId, Outcome)>,
    /// Tokens that could not be joined.
    pub skipped: Vec<MergeSkip>,
}

/// What a merge will change, before it changes anything.
#[derive(Default)]
struct Staged {
    synthetic: IndexMap<ElementHash, (Vec<u8>, MemoryForm)>,
    roots: Manifest,
}

impl Package {
    /// Takes another package in: its elements, tokens and instance chains.
    ///
    /// Tokens that both have under different roots are joined, see [`join`]; elements of roots that lose stay in the
    /// pool until [`gc`](Package::gc). The indexes are built anew and `now` is noted as the time of the change; the
    /// rest of the envelope stays the target's. Format notes, section 15.
    ///
    /// ```
    /// use uxf_codec::package::{MergeOptions, Package, Timestamp};
    ///
    /// let mut package = Package::default();
    /// let now = Timestamp::from_secs(1_750_000_000);
    /// let outcome = package.merge(&Package::default(), &MergeOptions::default(), now).unwrap();
    /// assert!(outcome.skipped.is_empty());
    /// assert_eq!(package.envelope().updated_at, now);
    /// ```
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] if any element of the source does not have the hash it is filed under, and what
    /// [`ElementView::parse`] says of bytes that are no element; [`Error::InvalidPackage`] if the two have more than
    /// [`POOL_ELEMENTS_MAX`] elements together; [`Error::MergePartialFailure`] if `strict` and a token was skipped.
    /// The target is then untouched.
    pub fn merge(
        &mut self,
        source: &Self,
        options: &MergeOptions<'_>,
        now: Timestamp,
    ) -> Result<MergeOutcome, Error> {
        check_pool(&source.pool)?;
        let mut outcome = MergeOutcome::default();
        let staged = self.stage(source, options, &mut outcome);
        if options.strict && !outcome.skipped.is_empty() {
            let ids = outcome.skipped.iter().map(|skip| skip.token_id.to_string());
            return Err(Error::MergePartialFailure {
                skipped: ids.collect(),
            });
        }
        let new = |(hash, _): &(&ElementHash, _)| !self.pool.contains(hash);
        let together = self.pool.len() + source.pool.iter().filter(new).count();
        if together + staged.synthetic.len() > POOL_ELEMENTS_MAX {
            return Err(too_many_elements(together));
        }

        // Nothing below can fail.
        for (hash, element) in source.pool.iter() {
            let is_new = self.pool.insert(*hash, element.bytes(), element.form());
            outcome.elements_added += usize::from(is_new);
        }
        for (hash, (bytes, form)) in staged.synthetic {
            outcome.elements_added += usize::from(self.pool.insert(hash, &bytes, form));
        }
        for (id, root) in staged.roots {
            self.manifest.insert(id, root);
        }
        self.chains.merge(&source.chains);
        self.rebuild_indexes();
        self.envelope.updated_at = now;
        Ok(outcome)
    }

    fn stage(
        &self,
        source: &Self,
        options: &MergeOptions<'_>,
        outcome: &mut MergeOutcome,
    ) -> Staged {
        let no_proofs = BTreeSet::new();
        let verified_proofs = options.verified_proofs.unwrap_or(&no_proofs);
        let both = Both(&self.pool, &source.pool);
        let mut staged = Staged::default();
        for (id, incoming) in &source.manifest {
            let Some(existing) = self.manifest.get(id) else {
                outcome.tokens_added += 1;
                staged.roots.insert(id.clone(), *incoming);
                continue;
            };
            if existing == incoming {
                continue;
            }
            match join::resolve(&both, &[*existing, *incoming], verified_proofs) {
                Ok(mut joined) => {
                    if let Some(bytes) = joined.synthetic.take() {
                        let form = joined.losers.first().and_then(|winner| both.form(winner));
                        staged
                            .synthetic
                            .insert(joined.root, (bytes, form.unwrap_or_default()));
                    }
                    staged.roots.insert(id.clone(), joined.root);
                    outcome.joined.push((id.clone(), joined));
                }
                Err(error) => {
                    let skip = MergeSkip {
                        token_id: id.clone(),
                        error,
                        target_root: Some(*existing),
                        source_root: *incoming,
                    };
                    if let Some(on_skip) = options.on_skip {
                        on_skip(&skip);
                    }
                    outcome.skipped.push(skip);
                }
            }
        }
        staged
    }
}

/// Refuses a pool with an element that is not what it is filed as.
fn check_pool(pool: &Pool) -> Result<(), Error> {
    for (hash, element) in pool.iter() {
        let actual = ElementHash::of(element.bytes());
        if actual != *hash {
            return Err(Error::VerificationFailed {
                at: format!("element {hash} of the merged package"),
                reason: format!("its bytes have the hash {actual}"),
            });
        }
        ElementView::parse(element.bytes())?;
    }
    Ok(())
}

pub(super) fn too_many_elements(found: usize) -> Error {
    Error::InvalidPackage {
        reason: format!(
            "a package may hold {POOL_ELEMENTS_MAX} elements, this one would hold {found}"
        ),
    }
}

/// Two pools, the first one asked first.
pub(super) struct Both<'p>(pub(super) &'p Pool, pub(super) &'p Pool);

impl Both<'_> {
    fn form(&self, hash: &ElementHash) -> Option<MemoryForm> {
        let element = self.0.get(hash).or_else(|| self.1.get(hash))?;
        Some(element.form())
    }
}

impl ElementSource for Both<'_> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn element(&self, hash: &ElementHash) -> Result<Option<&[u8]>, Error> {
        match self.0.element(hash)? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.1.element(hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

    fn package(digit: char) -> Package {
        let id = digit.to_string().repeat(64);
        let json = format!(
            r#"{{"genesis":{{"data":{{"tokenId":"{id}"}}}},"state":{{"predicate":"a{digit}"}},"transactions":[]}}"#
        );
        let mut package = Package::default();
        package.ingest(json.as_bytes(), NOW).unwrap();
        package
    }

    #[test]
    fn a_false_element_in_the_source_leaves_the_target_as_it_was() {
        let mut source = package('2');
        let (_, element) = source.pool.iter().next().unwrap();
        let (bytes, form) = (element.bytes().to_vec(), element.form());
        source.pool.insert(ElementHash::of(b"false"), &bytes, form);
        let mut target = package('1');
        let before = target.clone();
        let later = Timestamp::from_secs(1_760_000_000);
        let error = target.merge(&source, &MergeOptions::default(), later);
        assert!(matches!(error, Err(Error::VerificationFailed { .. })));
        assert_eq!(target, before);
    }

    #[test]
    fn a_token_that_cannot_be_joined_is_skipped_or_fails_a_strict_merge() {
        let (mut target, mut source) = (package('1'), package('2'));
        let (id, incoming) = source.manifest.pop().unwrap();
        let existing = ElementHash::of(b"a root that cannot be read");
        target
            .pool
            .insert(existing, b"nonsense", MemoryForm::CANONICAL);
        target.manifest.insert(id.clone(), existing);
        source.manifest.insert(id.clone(), incoming);
        let before = target.clone();

        let strict = MergeOptions {
            strict: true,
            ..MergeOptions::default()
        };
        let error = target.merge(&source, &strict, NOW).unwrap_err();
        assert!(
            matches!(error, Error::MergePartialFailure { skipped } if skipped == [id.to_string()])
        );
        assert_eq!(target, before);

        let told = core::cell::Cell::new(0);
        let options = MergeOptions {
            on_skip: Some(&|skip| {
                assert_eq!(
                    (skip.target_root, skip.source_root),
                    (Some(existing), incoming)
                );
                told.set(told.get() + 1);
            }),
            ..MergeOptions::default()
        };
        let outcome = target.merge(&source, &options, NOW).unwrap();
        assert_eq!((told.get(), outcome.skipped.len()), (1, 1));
        assert_eq!(target.manifest, before.manifest);
        assert_eq!(outcome.elements_added, source.pool.len());
    }
}
