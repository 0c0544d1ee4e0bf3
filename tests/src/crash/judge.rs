//! Whether a store holds one of the states it may hold, all of it and nothing besides.

use std::collections::BTreeMap;

use uxf_codec::ElementHash;
use uxf_engine::profile::{Profile, ProfileError};
use uxf_engine::{Durability, Engine, Error};

use super::model::{INVENTORIES, Model};
use super::profile::{blocks_of, compare_profile, go_on, secret};
use super::text;
use super::vocabulary::Vocabulary;

/// Judges a store that was just opened: it equals one of the allowed states, newest first, its counts equal a recount,
/// a sweep leaves nothing unreferenced, its integrity check is clean and it takes writes.
///
/// # Errors
/// What is wrong; if no state fits, why the newest does not.
pub fn judge(engine: &Engine, vocabulary: &Vocabulary, allowed: &[Model]) -> Result<(), String> {
    let found = tokens(engine, vocabulary)?;
    let profile = match engine.open_profile(&secret()) {
        Ok(profile) => Some(profile),
        Err(Error::Profile(ProfileError::NotFound)) => None,
        Err(error) => return Err(text(error)),
    };
    // Until a sweep, strays of a batch that put a token and replaced it at once still refer to their children.
    let mut reasons = Vec::new();
    let mut fits = |state: &&Model, is_swept: bool| {
        same_profile(profile.as_ref(), state)
            .and_then(|()| compare(engine, vocabulary, &found, state, is_swept))
            .map_err(|reason| reasons.push(reason))
            .is_ok()
    };
    let mut candidates: Vec<&Model> = allowed.iter().rev().collect();
    candidates.retain(|state| fits(state, false));
    check_integrity(engine)?;
    engine.sweep(u64::MAX).map_err(text)?;
    candidates.retain(|state| fits(state, true));
    let Some(state) = candidates.first() else {
        return Err(format!(
            "none of {} allowed states fits: {}",
            allowed.len(),
            reasons.join("; ")
        ));
    };
    check_integrity(engine)?;
    write_on(engine, vocabulary)?;
    let given = state.profile.as_ref().and_then(|shown| shown.given);
    profile.map_or(Ok(()), |profile| go_on(&profile, given))
}

fn same_profile(profile: Option<&Profile>, state: &Model) -> Result<(), String> {
    match (profile, &state.profile) {
        (None, None) => Ok(()),
        (Some(profile), Some(shown)) => compare_profile(profile, shown),
        (found, _) => Err(format!(
            "there is a profile: {}, which is wrong",
            found.is_some()
        )),
    }
}

type Found = BTreeMap<(usize, String), ElementHash>;

/// The tokens of both inventories, each assembled and compared with what went in.
fn tokens(engine: &Engine, vocabulary: &Vocabulary) -> Result<Found, String> {
    let mut found = BTreeMap::new();
    for (which, name) in INVENTORIES.into_iter().enumerate() {
        let inventory = engine.inventory(name).map_err(text)?;
        for row in inventory.tokens().map_err(text)? {
            let (id, root) = row.map_err(text)?;
            let known = vocabulary
                .tokens
                .iter()
                .find(|token| token.root == root && token.id == id)
                .ok_or_else(|| format!("token {id} has the foreign root {root}"))?;
            let assembled = inventory.assemble(&id).map_err(text)?;
            if assembled != known.assembled {
                return Err(format!("token {id} comes out differently"));
            }
            found.insert((which, id), root);
        }
    }
    Ok(found)
}

fn compare(
    engine: &Engine,
    vocabulary: &Vocabulary,
    found: &Found,
    state: &Model,
    is_swept: bool,
) -> Result<(), String> {
    let expected: Found = state
        .tokens
        .iter()
        .filter_map(|(key, version)| {
            let token = vocabulary.tokens.get(*version)?;
            Some((key.clone(), token.root))
        })
        .collect();
    if *found != expected {
        return Err(format!(
            "{} tokens are there, {} expected, or their roots differ",
            found.len(),
            expected.len()
        ));
    }
    let pins: u64 = state.pins.values().sum();
    let stats = engine.stats().map_err(text)?;
    if stats.pins != pins {
        return Err(format!("{} pins are there, {pins} expected", stats.pins));
    }
    let references = state.references(vocabulary);
    let of_profile = match engine.open_profile(&secret()) {
        Ok(profile) if is_swept => blocks_of(engine, &profile)?,
        _ => 0,
    };
    let parked = state
        .profile
        .as_ref()
        .map_or(0, |shown| shown.parked_blocks);
    let of_profile = of_profile + parked;
    let elements = stats.elements.saturating_sub(of_profile);
    if is_swept && elements != references.len() as u64 {
        return Err(format!(
            "{elements} elements are left after a sweep, {} are referenced",
            references.len()
        ));
    }
    let snapshot = engine.snapshot().map_err(text)?;
    for (hash, element) in vocabulary.elements() {
        let expected = references.get(hash).copied().unwrap_or(0);
        if expected > 0 {
            if is_swept {
                expect_references(engine, hash, expected)?;
            }
            let bytes = snapshot.get(hash).map_err(text)?;
            if bytes.is_none_or(|bytes| bytes.as_ref() != element.bytes) {
                return Err(format!("element {hash} is missing or has other bytes"));
            }
        }
    }
    Ok(())
}

/// The store refuses to take one reference more than there are, and says how many there are.
fn expect_references(engine: &Engine, hash: &ElementHash, expected: u64) -> Result<(), String> {
    let mut batch = engine.begin();
    // Pins are also counted all together; as many of something else keep that count where it is.
    let other = batch.put_opaque(b"something else").map_err(text)?;
    for _ in 0..=expected {
        batch.unpin(hash).map_err(text)?;
        batch.pin(&other).map_err(text)?;
    }
    match batch.commit() {
        Err(Error::OverReleased { references, .. }) if references == expected => Ok(()),
        Err(Error::OverReleased { references, .. }) => Err(format!(
            "element {hash} has {references} references, {expected} expected"
        )),
        Err(other) => Err(text(other)),
        Ok(_) => Err(format!(
            "element {hash} has more than {expected} references"
        )),
    }
}

/// A store that was recovered is a store: it takes a durable write and has it.
fn write_on(engine: &Engine, vocabulary: &Vocabulary) -> Result<(), String> {
    let Some(token) = vocabulary.tokens.first() else {
        return Ok(());
    };
    let inventory = engine.inventory("after").map_err(text)?;
    let mut batch = engine.begin().durability(Durability::Durable);
    batch
        .ingest(&inventory, token.json.as_bytes())
        .map_err(text)?;
    batch.commit().map_err(text)?;
    if inventory.assemble(&token.id).map_err(text)? != token.assembled {
        return Err("a token ingested after recovery comes out differently".to_owned());
    }
    Ok(())
}

/// What an open store says of itself.
pub(super) fn check_integrity(engine: &Engine) -> Result<(), String> {
    let report = engine.check_integrity(&mut |_| ()).map_err(text)?;
    match report.problems.first() {
        Some(problem) => Err(format!(
            "{} problems, the first: {problem}",
            report.problems.len()
        )),
        None if report.is_clean() => Ok(()),
        None => Err("the check was cut short".to_owned()),
    }
}
