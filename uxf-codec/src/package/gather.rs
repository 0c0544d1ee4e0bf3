use super::{Envelope, Manifest, Package};
use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementSource, MemoryForm};
use crate::error::Error;
use crate::instance_chain::chains_from_heads;
use crate::limits::POOL_ELEMENTS_MAX;

impl Package {
    /// Makes a package of tokens that are kept elsewhere: everything their roots and the given newest instances lead
    /// to, name-tags that only transactions name included, all in canonical form.
    ///
    /// # Errors
    /// [`Error::MissingElement`] if the source lacks any of it; [`Error::LimitExceeded`] beyond
    /// [`POOL_ELEMENTS_MAX`] elements; those of [`ElementView::parse`], of
    /// [`chains_from_heads`] and of the source.
    pub fn gather<S: ElementSource>(
        source: &S,
        envelope: Envelope,
        manifest: Manifest,
        instances: &[ElementHash],
    ) -> Result<Self, Error> {
        let chains = chains_from_heads(source, instances)?;
        let mut package = Self {
            envelope,
            chains,
            ..Self::default()
        };
        let roots = manifest.values().copied();
        let mut waiting: Vec<_> = roots.chain(instances.iter().copied()).collect();
        // Taken from the end, so the first token comes first.
        waiting.reverse();
        while let Some(hash) = waiting.pop() {
            if package.pool.contains(&hash) {
                continue;
            }
            if package.pool.len() >= POOL_ELEMENTS_MAX {
                return Err(Error::LimitExceeded {
                    what: "elements of a package",
                    limit: POOL_ELEMENTS_MAX as u64,
                    found: POOL_ELEMENTS_MAX as u64 + 1,
                });
            }
            let Some(bytes) = source.element(&hash)? else {
                let wanted_by = "the tokens of the package".to_owned();
                return Err(Error::MissingElement { hash, wanted_by });
            };
            let view = ElementView::parse(bytes.as_ref())?;
            package
                .pool
                .insert_claimed(hash, bytes.as_ref(), MemoryForm::CANONICAL);
            view.for_each_link(|link| waiting.push(link));
        }
        package.manifest = manifest;
        package.rebuild_indexes();
        Ok(package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Timestamp;

    #[test]
    fn a_gathered_package_holds_what_its_tokens_need_and_nothing_else() {
        let token = |id: &str, salt: &str| {
            format!(
                r#"{{"genesis":{{"data":{{"tokenId":"{}","salt":"{salt}"}}}},"state":{{"predicate":"a0","data":null}},"transactions":[]}}"#,
                id.repeat(32)
            )
        };
        let mut all = Package::default();
        let now = Timestamp::from_secs(1);
        let one = all.ingest(token("aa", "05").as_bytes(), now).unwrap();
        all.ingest(token("bb", "06").as_bytes(), now).unwrap();
        let manifest: Manifest = [(one.token_id.clone(), one.root)].into_iter().collect();

        let some = Package::gather(all.pool(), Envelope::new(now), manifest.clone(), &[]).unwrap();

        assert_eq!(some.manifest(), &manifest);
        assert_eq!(some.pool().len(), 4);
        assert!(
            some.pool()
                .iter()
                .all(|(hash, _)| all.pool().contains(hash))
        );
        let report = crate::verify::verify(&some, crate::verify::VerifyProfile::Complete);
        assert!(report.errors.is_empty() && report.warnings.is_empty());

        let absent = ElementHash::of(b"absent");
        let dangling: Manifest = [(one.token_id, absent)].into_iter().collect();
        let refused = Package::gather(all.pool(), Envelope::new(now), dangling, &[]);
        assert!(matches!(refused, Err(Error::MissingElement { hash, .. }) if hash == absent));
    }
}
