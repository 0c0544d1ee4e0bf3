use std::sync::OnceLock;

use uxf_engine::oplog::{CommitId, HybridTime, VersionVector};
use uxf_engine::profile::{Delta, LiveBound, Profile};

use super::profile_recipe::{NOW_MS, Writer, is_sound, shown, store};
use super::recipe::Recipe;
use super::{Verdict, Violation, ensure, must};
use crate::simulation::values::KEYS;

/// Deltas that one input may bring.
const DELTAS_MAX: usize = 6;

/// What honest devices gave each other: a piece of each kind that a delta can have.
fn honest() -> &'static Result<Vec<Delta>, Violation> {
    static HONEST: OnceLock<Result<Vec<Delta>, Violation>> = OnceLock::new();
    HONEST.get_or_init(write_honest)
}

fn write_honest() -> Result<Vec<Delta>, Violation> {
    let (phone, laptop) = (store(11)?, store(12)?);
    let mut all = Vec::new();
    let mut keep = |from: &Profile| -> Verdict {
        let everything = from.delta_for(&VersionVector::default(), 1 << 30);
        let mut everything = must("a delta", everything)?;
        everything.alone = alone(from)?;
        all.push(everything);
        Ok(())
    };
    for round in 0..4_u8 {
        for (profile, name) in [(&phone, b'p'), (&laptop, b'l')] {
            must("a put", profile.put("app.k", &[name, round]))?;
            must("a long put", profile.put("app.long", &vec![round; 1_200]))?;
            let set = format!(r#"["{round}{name}"]"#);
            must("a set", profile.put(SET, set.as_bytes()))?;
            must("a delete", profile.delete("app.deleted"))?;
            keep(profile)?;
        }
    }
    let others = laptop.delta_for(&VersionVector::default(), 1 << 30);
    must("a meeting", phone.ingest(&must("a delta", others)?))?;
    must("a revocation", phone.revoke(laptop.device()))?;
    must("compaction", phone.compact())?;
    keep(&phone)?;
    Ok(all)
}

/// What counts on a device, each operation with its proof.
fn alone(profile: &Profile) -> Result<Vec<Vec<u8>>, Violation> {
    let live = must("what counts", profile.live_operations())?;
    let items = live.items(LiveBound::START, LiveBound::End, usize::MAX);
    let items = must("a list", items)?;
    let items: Vec<_> = items.iter().collect();
    let proofs = must("proofs", live.prove(&items))?;
    Ok(proofs.into_iter().flatten().collect())
}

const SET: &str = "DIRECT_0d5508_b1bbbf.invalidatedNametags";

/// Whatever a delta brings, true pieces, changed ones, and what a certified device signs against the rules: nothing
/// panics, what is refused changes nothing that can be seen, and the store stays sound and usable.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    let honest = honest().as_ref().map_err(Clone::clone)?;
    let mut recipe = Recipe::new(bytes);
    let victim = store(13)?;
    must("a put", victim.put("app.own", b"own"))?;
    let mut writers = [Writer::new(0)?, Writer::new(1)?];
    for _ in 0..DELTAS_MAX {
        if recipe.is_empty() {
            break;
        }
        let mut delta = Delta::default();
        for _ in 0..=recipe.byte() % 6 {
            add_piece(&mut recipe, honest, &mut writers, &mut delta)?;
        }
        let before = shown(&victim)?;
        if victim.ingest(&delta).is_err() {
            ensure(shown(&victim)? == before, || {
                "a delta that was refused changed what is seen".to_owned()
            })?;
        }
    }
    let own = must("a get", victim.get("app.own"))?;
    ensure(own.is_some(), || "an own value is gone".to_owned())?;
    must("a put afterwards", victim.put("app.own", b"after"))?;
    let own = must("a get", victim.get("app.own"))?;
    ensure(own.is_some_and(|own| own == b"after"), || {
        "what was written last is not what is read".to_owned()
    })?;
    is_sound(victim.engine())
}

fn add_piece(
    recipe: &mut Recipe<'_>,
    honest: &[Delta],
    writers: &mut [Writer; 2],
    delta: &mut Delta,
) -> Verdict {
    let Some(source) = honest.get(usize::from(recipe.byte()) % honest.len()) else {
        return Ok(());
    };
    let which = recipe.byte();
    match which % 9 {
        // All of it, which alone can be accepted; and a piece of each kind.
        0 => *delta = source.clone(),
        1 => delta
            .certificates
            .extend(piece(recipe, &source.certificates)),
        2 => delta.commits.extend(piece(recipe, &source.commits)),
        3 => delta.blocks.extend(piece(recipe, &source.blocks)),
        4 => delta.revocations.extend(piece(recipe, &source.revocations)),
        5 => {
            if let Some(parts) = source.checkpoints.first() {
                let mut parts = parts.clone();
                if which & 0x40 != 0 {
                    parts.segments = piece(recipe, &parts.segments).into_iter().collect();
                }
                if which & 0x80 != 0 {
                    change(recipe, &mut parts.signed);
                }
                delta.checkpoints.push(parts);
            }
        }
        6 => {
            let len = recipe.number() % 400;
            delta.forks.push(recipe.take(len).to_vec());
        }
        7 => {
            // Without these what comes alone would be left out; with the commits it would be known.
            delta.certificates.extend(source.certificates.clone());
            delta.blocks.extend(source.blocks.clone());
            for _ in 0..=which >> 4 {
                delta.alone.extend(piece(recipe, &source.alone));
            }
        }
        _ => {
            for writer in writers.iter() {
                delta.certificates.push(writer.certificate.clone());
            }
            let at = usize::from(which >> 7);
            if let Some(writer) = writers.get_mut(at) {
                delta.commits.extend(signed(recipe, writer)?);
            }
        }
    }
    Ok(())
}

fn piece(recipe: &mut Recipe<'_>, pieces: &[Vec<u8>]) -> Option<Vec<u8>> {
    let at = recipe.number().checked_rem(pieces.len())?;
    let mut piece = pieces.get(at)?.clone();
    if recipe.byte() % 2 == 1 {
        change(recipe, &mut piece);
    }
    Some(piece)
}

/// Changes, cuts or lengthens a piece.
fn change(recipe: &mut Recipe<'_>, piece: &mut Vec<u8>) {
    let at = recipe.number().checked_rem(piece.len()).unwrap_or(0);
    match recipe.byte() % 4 {
        0 => piece.truncate(at),
        1 => piece.push(recipe.byte()),
        _ => {
            let with = recipe.byte();
            if let Some(byte) = piece.get_mut(at) {
                *byte ^= with;
            }
        }
    }
}

/// A commit with a good signature that may break every other rule.
fn signed(recipe: &mut Recipe<'_>, writer: &mut Writer) -> Result<Option<Vec<u8>>, Violation> {
    let how = recipe.byte();
    let step = u64::from(recipe.byte());
    let millis = if how & 1 == 0 {
        NOW_MS - 100_000 + step * 100
    } else {
        // Up to eight months ahead, or the last time there is.
        NOW_MS + step * 86_400_000
    };
    let time = HybridTime::new(millis, u16::from(recipe.byte())).unwrap_or(HybridTime::ZERO);
    let mut start = writer.start(time);
    if how & 2 != 0 {
        start.first_seq = u64::from(recipe.byte());
    }
    if how & 4 != 0 {
        start.prev = (recipe.byte() & 1 == 0).then(|| CommitId::from_bytes([recipe.byte(); 32]));
    }
    let mut operations = Vec::new();
    for _ in 0..=recipe.byte() % 4 {
        let key = recipe.one_of(&KEYS).unwrap_or("app.a");
        let kind = recipe.byte();
        let len = usize::from(recipe.byte());
        let value = match kind % 4 {
            0 => None,
            // Sealed as it should be, with a value that the rule of the key need not be able to read.
            1 | 2 => Some(writer.seal(key, recipe.take(len))?),
            // No sealed value at all.
            _ => Some(recipe.take(len.max(28)).to_vec()),
        };
        operations.push((key, value));
    }
    let Some(commit) = writer.sign(start, &operations) else {
        return Ok(None);
    };
    if how & 8 == 0 {
        writer.advance(&commit);
    }
    Ok(Some(commit.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uxf_testkit::Rng;

    #[test]
    fn honest_deltas_hostile_ones_and_mixtures_leave_the_store_sound() {
        assert_eq!(check(&[]), Ok(()));
        for seed in 0..40 {
            let mut bytes = vec![0; 300];
            Rng::new(seed).fill(&mut bytes);
            assert_eq!(check(&bytes), Ok(()), "seed {seed}");
        }
    }
}
