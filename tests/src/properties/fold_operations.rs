use uxf_engine::oplog::HybridTime;
use uxf_engine::profile::Delta;
use uxf_engine::profile::merge::Merger;
use uxf_testkit::Rng;

use super::profile_recipe::{NOW_MS, Writer, is_sound, shown, store};
use super::recipe::Recipe;
use super::{Verdict, ensure, must};
use crate::simulation::model::{Model, Operation, Put};
use crate::simulation::values::{KEYS, merger, value};

/// Commits that one input may make.
const COMMITS_MAX: usize = 24;

/// Commits of three devices come to what a pure model says, in the order they were made, and log by log in pieces.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    let mut recipe = Recipe::new(bytes);
    let mut model = Model::default();
    let mut writers = [Writer::new(0)?, Writer::new(1)?, Writer::new(2)?];
    let certificates: Vec<_> = writers
        .iter()
        .map(|writer| writer.certificate.clone())
        .collect();
    let mut commits: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut last = [NOW_MS - 1_000_000; 3];
    for _ in 0..COMMITS_MAX {
        if recipe.is_empty() {
            break;
        }
        let at = usize::from(recipe.byte()) % writers.len();
        let (Some(writer), Some(last)) = (writers.get_mut(at), last.get_mut(at)) else {
            break;
        };
        // Small steps, so that times of different devices are often equal.
        *last += 1 + u64::from(recipe.byte() % 4);
        let time = HybridTime::new(*last, 0).unwrap_or(HybridTime::ZERO);
        let operations = operations(&mut recipe, time);
        let mut written = Vec::new();
        for operation in &operations {
            let put = operation.put.as_ref();
            let value = put.map(|put| writer.seal(operation.key, &put.value));
            written.push((operation.key, value.transpose()?));
        }
        let Some(commit) = writer.sign(writer.start(time), &written) else {
            continue;
        };
        writer.advance(&commit);
        for operation in operations {
            model.push(writer.head.log, operation);
        }
        commits.push((at, commit.into_bytes()));
    }
    let (one, other) = (store(21)?, store(21)?);
    let delta = |commits: Vec<Vec<u8>>| Delta {
        certificates: certificates.clone(),
        commits,
        ..Delta::default()
    };
    for (_, bytes) in &commits {
        must("a commit", one.ingest(&delta(vec![bytes.clone()])))?;
    }
    // Stable, so that each log stays in order.
    commits.sort_by_key(|(at, _)| 2 - at);
    let mut mixed: Vec<_> = commits.into_iter().map(|(_, bytes)| bytes).collect();
    while !mixed.is_empty() {
        let len = (1 + recipe.number() % 9).min(mixed.len());
        let rest = mixed.split_off(len);
        must("some commits", other.ingest(&delta(mixed)))?;
        mixed = rest;
    }
    ensure(shown(&one)? == shown(&other)?, || {
        "another order of commits comes to something else".to_owned()
    })?;
    compare(&one, &model)?;
    is_sound(one.engine())
}

/// One operation for each of some keys.
fn operations(recipe: &mut Recipe<'_>, time: HybridTime) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    for _ in 0..=recipe.byte() % 3 {
        let key = recipe.one_of(&KEYS).unwrap_or("app.a");
        let how = recipe.byte();
        let seed = u64::from(recipe.byte());
        let mut value = value(&mut Rng::new(seed), key, seed);
        if how & 2 != 0 && merger(key) != Merger::LastWriter {
            // What no rule can read loses.
            value = b"unreadable".to_vec();
        }
        let put = (how & 1 == 0 || how & 4 == 0).then(|| Put {
            given: Vec::new(),
            value,
        });
        if operations.iter().all(|known| known.key != key) {
            operations.push(Operation { time, key, put });
        }
    }
    operations
}

fn compare(profile: &uxf_engine::profile::Profile, model: &Model) -> Verdict {
    let known = model.everything();
    for key in KEYS {
        let expected = model.visible(&known, key);
        let found = must("a get", profile.get(key))?;
        let same = match (&found, &expected) {
            (None, None) => true,
            (Some(found), Some(expected)) => {
                found.as_bytes() == expected.value
                    && found.written_by() == Some(expected.written_by)
            }
            _ => false,
        };
        ensure(same, || format!("{key} is not what the model says"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_operations_come_to_what_the_model_says() {
        assert_eq!(check(&[]), Ok(()));
        for seed in 0..40 {
            let mut bytes = vec![0; 600];
            Rng::new(seed).fill(&mut bytes);
            assert_eq!(check(&bytes), Ok(()), "seed {seed}");
        }
    }
}
