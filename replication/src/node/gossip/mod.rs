//! Announcements of heads to whoever listens: what is said, to whom it is readable, and how often.
//!
//! An announcement wakes up a node that is connected with a device of a profile but has no session with it, or that knows where one is
//! and left it alone for a while. What it says is never believed: it only decides whether somebody is asked.
//!
//! A topic is seen by every peer, so its name and what is said there must say nothing to who does not know the profile: the name is
//! a hash, and announcements are sealed under another one.

mod behaviour;
mod sealed;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use libp2p::PeerId;
use libp2p::gossipsub::TopicHash;
use tokio::time::Instant;
use uxf_engine::oplog::{LogHead, Missing, Reached, VersionVector};
use uxf_engine::profile::sealed::ProfileId;

pub(super) use self::behaviour::{Behaviour, behaviour};
use self::sealed::{NONCE_BYTES, Seal, topic_name};
use crate::oplog_sync::Have;
use crate::wire::Announce;

/// Profiles that are announced. The names of all topics are one message, which must not become too long for others.
const TOPICS_MAX: usize = 1_024;
/// Most heads that are announced at once: to wake somebody one is enough.
const HEADS_MAX: usize = 64;
/// Announcements of one profile that wait to be looked at; of more, the oldest are dropped.
const HEARD_MAX: usize = 32;
/// Peers that are not listened to because they passed on what is no announcement; of more, the oldest are forgotten.
const MUTED_MAX: usize = 256;
/// Shortest time between two announcements of a profile, and between two looks at what was announced.
const INTERVAL: Duration = Duration::from_millis(250);

/// Who announced something, who passed it on, and what it is.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) author: PeerId,
    pub(super) via: PeerId,
    announce: Announce,
}

/// All profiles of which heads are announced.
#[derive(Debug)]
pub(super) struct Gossip {
    topics: BTreeMap<TopicHash, ProfileId>,
    profiles: BTreeMap<ProfileId, Topic>,
    muted: VecDeque<PeerId>,
}

#[derive(Debug)]
struct Topic {
    seal: Seal,
    hash: TopicHash,
    /// What was announced last.
    told: Option<Have>,
    /// Whether something was written here since.
    is_changed: bool,
    heard: VecDeque<Heard>,
    /// Whether the store is being asked.
    is_looking: bool,
    next_at: Instant,
}

impl Gossip {
    pub(super) fn new(profiles: impl Iterator<Item = ProfileId>) -> Self {
        let now = Instant::now();
        let profiles = profiles.take(TOPICS_MAX).map(|profile| {
            let topic = Topic {
                seal: Seal::of(&profile),
                hash: TopicHash::from_raw(topic_name(&profile)),
                told: None,
                is_changed: false,
                heard: VecDeque::new(),
                is_looking: false,
                next_at: now,
            };
            (profile, topic)
        });
        let profiles: BTreeMap<ProfileId, Topic> = profiles.collect();
        let topics = profiles.iter();
        let topics = topics.map(|(profile, topic)| (topic.hash.clone(), *profile));
        Self {
            topics: topics.collect(),
            profiles,
            muted: VecDeque::new(),
        }
    }

    /// Something was written to a profile here.
    pub(super) fn changed(&mut self, profile: &ProfileId) {
        if let Some(topic) = self.profiles.get_mut(profile) {
            topic.is_changed = true;
        }
    }

    /// Somebody listens from now on: what nobody has heard is said again.
    pub(super) fn has_listener(&mut self, topic: &TopicHash) {
        let profile = self.topics.get(topic);
        if let Some(topic) = profile.and_then(|profile| self.profiles.get_mut(profile)) {
            topic.is_changed |= topic.told.is_none();
        }
    }

    /// Takes what was said by an author and passed on by a peer; `false` if nobody who knows the profile says such a thing.
    pub(super) fn hear(
        &mut self,
        topic: &TopicHash,
        author: PeerId,
        via: PeerId,
        payload: &[u8],
    ) -> bool {
        let profile = self.topics.get(topic);
        let Some(topic) = profile.and_then(|profile| self.profiles.get_mut(profile)) else {
            return false;
        };
        let Some(announce) = topic.seal.open(&author, payload) else {
            return false;
        };
        // What one author said before is outdone by what it says now.
        topic.heard.retain(|heard| heard.author != author);
        if topic.heard.len() >= HEARD_MAX {
            topic.heard.pop_front();
        }
        let heard = Heard {
            author,
            via,
            announce,
        };
        topic.heard.push_back(heard);
        true
    }

    /// A peer is not to be listened to any more; another one that may be listened to again is given for it.
    pub(super) fn mute(&mut self, peer: PeerId) -> Option<PeerId> {
        self.muted.push_back(peer);
        (self.muted.len() > MUTED_MAX).then(|| self.muted.pop_front())?
    }

    /// Profiles of which the store is to be asked what is there.
    pub(super) fn looks(&mut self, now: Instant) -> Vec<ProfileId> {
        let due = self.profiles.iter_mut().filter(|(_, topic)| {
            let is_wanted = topic.is_changed || !topic.heard.is_empty();
            is_wanted && !topic.is_looking && topic.next_at <= now
        });
        let due = due.map(|(profile, topic)| {
            topic.is_looking = true;
            *profile
        });
        due.collect()
    }

    /// When there is something to look at.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let waiting = self.profiles.values().filter(|topic| {
            let is_wanted = topic.is_changed || !topic.heard.is_empty();
            is_wanted && !topic.is_looking
        });
        waiting.map(|topic| topic.next_at).min()
    }

    /// The store said what is there, if it could: what is to be announced, and those who announced something that is not there.
    pub(super) fn looked(
        &mut self,
        profile: &ProfileId,
        have: Option<&Have>,
        now: Instant,
    ) -> (Option<Announce>, Vec<Heard>) {
        let Some(topic) = self.profiles.get_mut(profile) else {
            return (None, Vec::new());
        };
        topic.is_looking = false;
        topic.next_at = now + INTERVAL;
        let Some(have) = have else {
            return (None, Vec::new());
        };
        let heard = core::mem::take(&mut topic.heard).into_iter();
        let is_new = |heard: &Heard| is_new(&heard.announce, have);
        let heard = heard.filter(is_new).collect();
        let is_changed = core::mem::take(&mut topic.is_changed);
        let announce = is_changed.then(|| news(topic.told.as_ref(), have));
        (announce.flatten(), heard)
    }

    /// What there is of a profile was announced to somebody, or nobody was there.
    pub(super) fn told(&mut self, profile: &ProfileId, have: Option<Have>) {
        if let Some(topic) = self.profiles.get_mut(profile) {
            topic.told = have;
        }
    }

    /// An announcement as it is published.
    pub(super) fn seal(
        &self,
        profile: &ProfileId,
        author: &PeerId,
        nonce: [u8; NONCE_BYTES],
        announce: Announce,
    ) -> Option<(TopicHash, Vec<u8>)> {
        let topic = self.profiles.get(profile)?;
        let sealed = topic.seal.close(author, nonce, announce)?;
        Some((topic.hash.clone(), sealed))
    }
}

/// What moved since it was told; if that is not known, all that fits.
fn news(told: Option<&Have>, have: &Have) -> Option<Announce> {
    let nothing = VersionVector::default();
    let before = told.map_or(&nothing, |told| &told.vector);
    let moved = have.vector.missing_from(before);
    let mut heads = VersionVector::default();
    for Missing { log, .. } in moved.take(HEADS_MAX) {
        let Reached { next_seq, head } = have.vector.get(&log)?;
        let head = LogHead {
            next_seq,
            head: Some(head),
            ..LogHead::empty(log)
        };
        heads.set(&head).ok()?;
    }
    let has_statements = told.is_none_or(|told| told.statements != have.statements);
    let is_news = has_statements || heads.iter().len() > 0;
    is_news.then_some(Announce {
        statements: have.statements,
        heads,
    })
}

/// Whether an announcement names something that is not here.
fn is_new(announce: &Announce, have: &Have) -> bool {
    announce.statements != have.statements
        || announce.heads.missing_from(&have.vector).next().is_some()
}
