use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;
use uxf_codec::ElementHash;
use uxf_codec::join::{Outcome, OutcomeKind, resolve};
use uxf_codec::package::{MergeOptions, Package};
use uxf_codec::verify::{VerifyProfile, verify};

use crate::support::{
    NOW, bytes, check_report, fresh_sha256, hash, hashes, names, package_in, read,
};

struct Join {
    name: String,
    vector: Value,
    a: Package,
    b: Package,
    verified: BTreeSet<ElementHash>,
}

/// Read once: the property looks at them often.
static JOINS: LazyLock<Vec<Join>> = LazyLock::new(|| {
    names("joins", ".json")
        .into_iter()
        .map(|name| {
            let text = read(&format!("joins/{name}.json"));
            let vector: Value = serde_json::from_slice(&text).unwrap();
            let verified = match &vector["verifiedProofs"] {
                Value::Array(_) => hashes(&vector["verifiedProofs"]),
                _ => Vec::new(),
            };
            Join {
                a: package_in(&text, &["packageA"]),
                b: package_in(&text, &["packageB"]),
                verified: verified.into_iter().collect(),
                name,
                vector,
            }
        })
        .collect()
});

impl Join {
    fn merged(&self, target: &Package, source: &Package) -> Package {
        let mut package = target.clone();
        let options = MergeOptions {
            verified_proofs: Some(&self.verified),
            strict: true,
            on_skip: None,
        };
        package.merge(source, &options, NOW).unwrap();
        package
    }

    /// Both packages' elements in one, with no token joined: what the join resolver looks at.
    fn pool(&self) -> Package {
        let mut package = self.a.clone();
        package.remove(self.id(), NOW);
        let mut source = self.b.clone();
        source.remove(self.id(), NOW);
        package
            .merge(&source, &MergeOptions::default(), NOW)
            .unwrap();
        package
    }

    fn id(&self) -> &str {
        self.vector["tokenId"].as_str().unwrap()
    }

    fn roots(&self) -> [ElementHash; 2] {
        ["rootA", "rootB"].map(|key| hash(&self.vector[key]))
    }

    fn check(&self, outcome: &Outcome) {
        let (name, expect) = (&self.name, &self.vector["expect"]);
        assert_eq!(expect["kind"], outcome.kind.as_str(), "{name}");
        assert_eq!(outcome.root, hash(&expect["rootHash"]), "{name}");
        let losers = match &expect["losers"] {
            Value::Array(_) => hashes(&expect["losers"]),
            _ => Vec::new(),
        };
        assert_eq!(outcome.losers, losers, "{name}");
        let synthetic = &expect["syntheticRoot"];
        let expected = (!synthetic.is_null()).then(|| bytes(&synthetic["preimage"]));
        assert_eq!(outcome.synthetic, expected, "{name}");
    }
}

#[test]
fn joins_come_to_what_the_reference_comes_to_in_either_order() {
    for join in JOINS.iter() {
        let pool = join.pool();
        let [a, b] = join.roots();
        for candidates in [[a, b], [b, a]] {
            let outcome = resolve(pool.pool(), &candidates, &join.verified).unwrap();
            join.check(&outcome);
        }
    }
}

#[test]
fn merges_join_as_the_reference_does_in_either_order() {
    for join in JOINS.iter() {
        let (name, expect) = (&join.name, &join.vector["expect"]);
        for (target, source) in [(&join.a, &join.b), (&join.b, &join.a)] {
            let package = join.merged(target, source);
            let root = package.root(join.id()).unwrap();
            assert_eq!(root, hash(&expect["manifestRootAfterMerge"]), "{name}");
            let count = expect["elementCountAfterMerge"].as_u64();
            assert_eq!(Some(package.pool().len() as u64), count, "{name}");
            let json = package.assemble(join.id()).unwrap();
            assert_eq!(expect["assembledSha256"], fresh_sha256(&json), "{name}");
            check_report(
                name,
                &expect["verify"],
                &verify(&package, VerifyProfile::Exact),
            );
            let export = package
                .to_json()
                .err()
                .map_or("ok", |error| error.code().as_str());
            assert_eq!(expect["exportJson"], export, "{name}");
        }
        let [there, back] = [(&join.a, &join.b), (&join.b, &join.a)]
            .map(|(target, source)| join.merged(target, source));
        assert_eq!(there.pool(), back.pool(), "{name}");
        assert_eq!(there.manifest(), back.manifest(), "{name}");
        assert_eq!(there.indexes(), back.indexes(), "{name}");
    }
}

#[test]
fn the_vectors_have_a_join_of_every_kind() {
    let kinds: BTreeSet<_> = JOINS
        .iter()
        .map(|join| join.vector["expect"]["kind"].as_str().unwrap().to_owned())
        .collect();
    for kind in [
        OutcomeKind::Single,
        OutcomeKind::LongestValid,
        OutcomeKind::Enriched,
        OutcomeKind::Divergent,
    ] {
        assert!(kinds.contains(kind.as_str()), "{kind:?}");
    }
}

#[test]
fn roots_that_are_no_token_cannot_win() {
    let join = JOINS.iter().find(|join| join.name == "prefix").unwrap();
    let pool = join.pool();
    let [a, b] = join.roots();
    let absent = ElementHash::from_bytes([0; 32]);
    let (no_root, _) = pool.pool().iter().next().unwrap();
    let outcome = resolve(pool.pool(), &[*no_root, a, absent, b], &join.verified).unwrap();
    join.check(&outcome);
    let outcome = resolve(pool.pool(), &[*no_root, a, absent], &join.verified).unwrap();
    assert_eq!((outcome.kind, outcome.root), (OutcomeKind::Single, a));
    let outcome = resolve(pool.pool(), &[*no_root, absent], &join.verified).unwrap();
    assert_eq!(
        (outcome.kind, outcome.root),
        (OutcomeKind::Divergent, absent)
    );
    assert!(resolve(pool.pool(), &[], &join.verified).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any number of candidates: all roots of all joins of one length of life, repeated and shuffled.
    #[test]
    fn the_order_of_candidates_does_not_matter(
        order in prop::collection::vec(any::<prop::sample::Index>(), 24),
        which in any::<prop::sample::Index>(),
    ) {
        let join = &JOINS[which.index(JOINS.len())];
        let mut pool = join.pool();
        let mut candidates = join.roots().to_vec();
        for other in JOINS.iter().filter(|other| other.id() == join.id()) {
            pool.merge(&other.pool(), &MergeOptions::default(), NOW).unwrap();
            candidates.extend(other.roots());
        }
        let expected = resolve(pool.pool(), &candidates, &join.verified).unwrap();
        let mut shuffled: Vec<_> = order.iter().map(|at| candidates[at.index(candidates.len())]).collect();
        shuffled.extend(candidates.iter().rev());
        prop_assert_eq!(resolve(pool.pool(), &shuffled, &join.verified).unwrap(), expected);
    }
}
