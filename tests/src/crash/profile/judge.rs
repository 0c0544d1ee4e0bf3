//! Whether a store shows of its profile what it should, and goes on with it.

use std::collections::BTreeMap;

use uxf_engine::Engine;
use uxf_engine::oplog::{Commit, LogHead, SignedCheckpoint, VersionVector};
use uxf_engine::profile::Profile;

use super::{Given, Shown};
use crate::crash::text;

/// Blocks that a store holds for its profile.
///
/// # Errors
/// What the engine says.
pub(in crate::crash) fn blocks_of(engine: &Engine, profile: &Profile) -> Result<u64, String> {
    let stats = engine.stats().map_err(text)?;
    let of_logs = stats
        .by_type
        .iter()
        .filter(|kind| matches!(kind.name(), "commit" | "segment"));
    let of_logs: u64 = of_logs.map(|kind| kind.elements).sum();
    let all = profile
        .delta_for(&VersionVector::default(), usize::MAX)
        .map_err(text)?;
    let mut blocks = all.blocks;
    blocks.sort_unstable();
    blocks.dedup();
    Ok(of_logs + blocks.len() as u64)
}

/// Compares what a store shows of its profile with what it should show.
///
/// # Errors
/// The first difference.
pub(in crate::crash) fn compare_profile(profile: &Profile, expected: &Shown) -> Result<(), String> {
    let vector = profile.version_vector().map_err(text)?;
    let reached: BTreeMap<_, _> = vector
        .iter()
        .map(|(log, reached)| (log, reached.next_seq))
        .collect();
    if reached != expected.reached {
        return Err(format!(
            "the logs reach {reached:?}, expected {:?}",
            expected.reached
        ));
    }
    let parked = profile.parked().map_err(text)?.len();
    if parked != expected.parked {
        return Err(format!(
            "{parked} commits are parked, expected {}",
            expected.parked
        ));
    }
    let snapshot = profile.engine().snapshot().map_err(text)?;
    let mut found = BTreeMap::new();
    for row in snapshot.profile(profile).prefix("").map_err(text)? {
        let (key, value) = row.map_err(text)?;
        found.insert(key, value.as_bytes().to_vec());
    }
    let same = found.len() == expected.values.len()
        && expected
            .values
            .iter()
            .all(|(key, value)| found.get(*key) == Some(value));
    if same {
        return Ok(());
    }
    Err("the values of the profile are others".to_owned())
}

/// A profile that was recovered goes on: what it writes next can be read, and its log is one chain from what other devices
/// may have of it to that write.
///
/// # Errors
/// What does not hold.
pub(in crate::crash) fn go_on(profile: &Profile, given: Option<Given>) -> Result<(), String> {
    let log = profile.log_id();
    let found = profile.version_vector().map_err(text)?;
    profile.put("app.after", b"goes on").map_err(text)?;
    let after = profile.get("app.after").map_err(text)?;
    if after.is_none_or(|after| after != b"goes on") {
        return Err("a value written after recovery comes out differently".to_owned());
    }
    let found = found.get(&log).map(|reached| Given {
        next_seq: reached.next_seq,
        head: reached.head,
    });
    is_chain(profile, found)?;
    is_chain(profile, given)
}

/// Whether the commits behind an end of the own log go on there, one after the other; a checkpoint may stand for them.
fn is_chain(profile: &Profile, end: Option<Given>) -> Result<(), String> {
    let log = profile.log_id();
    let mut vector = VersionVector::default();
    if let Some(end) = end {
        let head = LogHead {
            next_seq: end.next_seq,
            head: Some(end.head),
            ..LogHead::empty(log)
        };
        vector.set(&head).map_err(text)?;
    }
    let delta = profile.delta_for(&vector, 1 << 30).map_err(text)?;
    let (mut next, mut prev) = (end.map_or(1, |end| end.next_seq), end.map(|end| end.head));
    for parts in &delta.checkpoints {
        let signed = SignedCheckpoint::decode(&parts.signed).map_err(text)?;
        let head = signed.header().log_head();
        if head.log == log {
            (next, prev) = (head.next_seq, head.head);
        }
    }
    let mut commits = 0_u64;
    for bytes in &delta.commits {
        let commit = Commit::decode(bytes).map_err(text)?;
        let header = commit.header();
        if header.log != log {
            continue;
        }
        if header.first_seq != next || header.prev != prev {
            return Err(format!("the log forks at its operation {next}"));
        }
        (next, prev) = (header.last_seq() + 1, Some(commit.id()));
        commits += 1;
    }
    if commits == 0 {
        return Err("a write made no commit".to_owned());
    }
    Ok(())
}
