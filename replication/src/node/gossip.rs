//! Announcements of heads to whoever listens: what is said, to whom it is readable, and how often.
//!
//! An announcement wakes up a node that is connected with a device of a profile but has no session with it, or that knows where one is
//! and left it alone for a while. What it says is never believed: it only decides whether somebody is asked.
//!
//! A topic is seen by every peer, so its name and what is said there must say nothing to who does not know the profile: the name is
//! a hash, and announcements are sealed under another one.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use libp2p::PeerId;
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter,
    MessageAuthenticity, TopicHash, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;
use tokio::time::Instant;
use uxf_engine::oplog::{LogHead, Missing, Reached, VersionVector};
use uxf_engine::profile::sealed::ProfileId;

use crate::oplog_sync::Have;
use crate::wire::{Announce, Message, MessageKind};

/// Longest payload of gossip, in bytes. An announcement of so many heads has fewer.
pub(super) const PAYLOAD_BYTES_MAX: usize = 8 << 10;
/// Most heads that are announced at once: to wake somebody one is enough.
const HEADS_MAX: usize = 64;
/// Announcements of one profile that wait to be looked at; of more, the oldest are dropped.
const HEARD_MAX: usize = 32;
/// Peers that are not listened to because they passed on what is no announcement; of more, the oldest are forgotten.
const MUTED_MAX: usize = 256;
/// Shortest time between two announcements of a profile, and between two looks at what was announced.
const INTERVAL: Duration = Duration::from_millis(250);
const NONCE_BYTES: usize = 12;

/// Profiles that are announced. The names of all topics are one message, which must not become too long for others.
const TOPICS_MAX: usize = 1_024;
/// Longest message of gossip with everything around it, in bytes.
const MESSAGE_BYTES_MAX: usize = 128 << 10;
/// Messages that wait to be written to one peer.
const QUEUED_MAX: usize = 256;

/// What speaks to the others: only topics of this node are listened to, by whomever.
pub(super) type Behaviour = gossipsub::Behaviour<
    IdentityTransform,
    MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>,
>;

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

struct Topic {
    cipher: Box<Aes256Gcm>,
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

impl core::fmt::Debug for Topic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Topic").finish_non_exhaustive()
    }
}

/// The topic of a profile.
fn topic(profile: &ProfileId) -> String {
    let mut tag = blake3::Hasher::new_derive_key("uxf replication 1: gossip tag");
    tag.update(profile.as_bytes());
    format!("/uxf/heads/1/{}", tag.finalize().to_hex())
}

/// Listens to the topics of profiles. What comes is given on only once it was found to be an announcement.
pub(super) fn behaviour<'p>(
    key: &Keypair,
    profiles: impl Iterator<Item = &'p ProfileId>,
) -> Result<Behaviour, Box<dyn core::error::Error + Send + Sync>> {
    let topics: Vec<String> = profiles.take(TOPICS_MAX).map(topic).collect();
    let hashes = topics.iter().map(TopicHash::from_raw).collect();
    let config = ConfigBuilder::default()
        .max_transmit_size(MESSAGE_BYTES_MAX)
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .connection_handler_queue_len(QUEUED_MAX)
        .build()?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(hashes),
        max_subscribed_topics: topics.len(),
        max_subscriptions_per_request: TOPICS_MAX,
    };
    let signed = MessageAuthenticity::Signed(key.clone());
    let mut behaviour = Behaviour::new_with_subscription_filter(signed, config, filter)?;
    for topic in topics {
        behaviour.subscribe(&IdentTopic::new(topic))?;
    }
    Ok(behaviour)
}

fn cipher(profile: &ProfileId) -> Box<Aes256Gcm> {
    let mut key = blake3::Hasher::new_derive_key("uxf replication 1: gossip key");
    key.update(profile.as_bytes());
    let key = key.finalize();
    let key: &Key<Aes256Gcm> = key.as_bytes().into();
    Box::new(Aes256Gcm::new(key))
}

impl Gossip {
    pub(super) fn new(profiles: impl Iterator<Item = ProfileId>) -> Self {
        let now = Instant::now();
        let profiles = profiles.take(TOPICS_MAX).map(|profile| {
            let topic = Topic {
                cipher: cipher(&profile),
                hash: TopicHash::from_raw(topic(&profile)),
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
        let Some(announce) = open(&topic.cipher, &author, payload) else {
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
        Some((
            topic.hash.clone(),
            seal(&topic.cipher, author, nonce, announce)?,
        ))
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

fn seal(
    cipher: &Aes256Gcm,
    author: &PeerId,
    nonce: [u8; NONCE_BYTES],
    announce: Announce,
) -> Option<Vec<u8>> {
    let mut payload = Vec::new();
    Message::Announce(announce).encode_into(&mut payload);
    let aad = author.to_bytes();
    let payload = Payload {
        msg: &payload,
        aad: &aad,
    };
    let mut out = nonce.to_vec();
    let nonce: &Nonce<_> = (&nonce).into();
    // Fails only for lengths that no announcement has.
    out.extend(cipher.encrypt(nonce, payload).ok()?);
    Some(out)
}

/// Reads what an author published; `None` if it is no announcement of who knows the profile.
fn open(cipher: &Aes256Gcm, author: &PeerId, payload: &[u8]) -> Option<Announce> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return None;
    }
    let (nonce, msg) = payload.split_first_chunk::<NONCE_BYTES>()?;
    let (nonce, aad): (&Nonce<_>, _) = (nonce.into(), author.to_bytes());
    let opened = cipher.decrypt(nonce, Payload { msg, aad: &aad }).ok()?;
    match Message::decode(MessageKind::Announce, &opened) {
        Ok(Message::Announce(announce)) => Some(announce),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uxf_engine::oplog::CommitId;
    use uxf_engine::oplog::identity::{DeviceId, Epoch, LogId};

    use super::*;
    use crate::wire::StatementsDigest;

    const PROFILE: ProfileId = ProfileId::from_bytes([2; 33]);

    fn have(devices: u8, next_seq: u64) -> Have {
        let mut vector = VersionVector::default();
        for device in 0..devices {
            let log = LogId {
                device: DeviceId::unchecked([device; 32]),
                epoch: Epoch::from_u64(1),
            };
            let head = Some(CommitId::from_bytes([9; 32]));
            let head = LogHead {
                next_seq,
                head,
                ..LogHead::empty(log)
            };
            vector.set(&head).unwrap();
        }
        let statements = StatementsDigest([7; 16]);
        Have { vector, statements }
    }

    fn announced(have: &Have) -> Announce {
        news(None, have).unwrap()
    }

    #[test]
    fn who_does_not_know_the_profile_reads_nothing_and_says_nothing() {
        let (author, other) = (PeerId::random(), PeerId::random());
        let mut gossip = Gossip::new([PROFILE].into_iter());
        let sealed = gossip.seal(&PROFILE, &author, [3; 12], announced(&have(2, 5)));
        let (topic, payload) = sealed.unwrap();
        assert!(!topic.as_str().contains("02020202"), "{topic}");
        assert!(payload.windows(8).all(|bytes| bytes != [1; 8]));
        assert!(gossip.hear(&topic, author, other, &payload));
        // Nobody else can say it again as something of his own.
        assert!(!gossip.hear(&topic, other, other, &payload));
        for at in [0, 12, payload.len() - 1] {
            let mut wrong = payload.clone();
            wrong[at] ^= 1;
            assert!(!gossip.hear(&topic, author, other, &wrong));
        }
        for end in [0, 11, 12, 27, payload.len() - 1] {
            assert!(!gossip.hear(&topic, author, other, &payload[..end]));
        }
        assert!(!gossip.hear(&topic, author, other, &[0; PAYLOAD_BYTES_MAX + 1]));
        let elsewhere = TopicHash::from_raw(super::topic(&ProfileId::from_bytes([3; 33])));
        assert!(!gossip.hear(&elsewhere, author, other, &payload));
        assert_eq!(gossip.profiles[&PROFILE].heard.len(), 1);
    }

    #[test]
    fn the_name_of_a_topic_is_the_one_that_is_written_down() {
        let tag = "a00d768bfe4c5df7e8267ccab6110c82acdf08629eb890158e58f5c2e00a4152";
        assert_eq!(topic(&PROFILE), format!("/uxf/heads/1/{tag}"));
    }

    #[test]
    fn what_is_heard_is_looked_at_once_and_not_at_any_rate_that_others_like() {
        let author = PeerId::random();
        let mut gossip = Gossip::new([PROFILE].into_iter());
        let now = Instant::now();
        let hear = |gossip: &mut Gossip, author: PeerId, have: &Have| {
            let sealed = gossip.seal(&PROFILE, &author, [3; 12], announced(have));
            let (topic, payload) = sealed.unwrap();
            assert!(gossip.hear(&topic, author, author, &payload));
        };
        assert!(gossip.looks(now).is_empty());
        hear(&mut gossip, author, &have(2, 5));
        hear(&mut gossip, author, &have(2, 6));
        assert_eq!(gossip.looks(now), [PROFILE]);
        hear(&mut gossip, PeerId::random(), &have(2, 5));
        assert!(gossip.looks(now).is_empty());
        let (announce, heard) = gossip.looked(&PROFILE, Some(&have(2, 5)), now);
        assert!(announce.is_none());
        let heard: Vec<PeerId> = heard.iter().map(|heard| heard.author).collect();
        assert_eq!(heard, [author]);
        for _ in 0..100 {
            hear(&mut gossip, PeerId::random(), &have(2, 6));
        }
        assert_eq!(gossip.profiles[&PROFILE].heard.len(), HEARD_MAX);
        assert!(gossip.looks(now).is_empty());
        let later = now + INTERVAL;
        assert_eq!(gossip.next_look(), Some(later));
        assert_eq!(gossip.looks(later), [PROFILE]);
    }

    #[test]
    fn what_moved_is_announced_once_and_all_of_it_while_nobody_listens() {
        let mut gossip = Gossip::new([PROFILE].into_iter());
        let now = Instant::now();
        let look = |gossip: &mut Gossip, have: &Have, now| {
            assert_eq!(gossip.looks(now), [PROFILE]);
            gossip.looked(&PROFILE, Some(have), now).0
        };
        let listens = TopicHash::from_raw(topic(&PROFILE));
        gossip.changed(&PROFILE);
        let (first, second) = (have(2, 5), have(3, 5));
        let said = look(&mut gossip, &first, now).unwrap();
        assert_eq!(said.heads, first.vector);
        gossip.told(&PROFILE, None);
        gossip.has_listener(&listens);
        let now = now + INTERVAL;
        assert_eq!(look(&mut gossip, &first, now), Some(said));
        gossip.told(&PROFILE, Some(first));
        gossip.has_listener(&listens);
        let now = now + INTERVAL;
        assert!(gossip.looks(now).is_empty());
        gossip.changed(&PROFILE);
        let said = look(&mut gossip, &second, now).unwrap();
        assert_eq!(said.heads.iter().len(), 1);
        // However many there are, it is short.
        let many = announced(&have(200, 5));
        let sealed = gossip.seal(&PROFILE, &PeerId::random(), [3; 12], many);
        assert!(sealed.unwrap().1.len() < PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn of_many_that_are_muted_the_first_is_listened_to_again() {
        let mut gossip = Gossip::new([].into_iter());
        let first = PeerId::random();
        assert_eq!(gossip.mute(first), None);
        for _ in 1..MUTED_MAX {
            assert_eq!(gossip.mute(PeerId::random()), None);
        }
        assert_eq!(gossip.mute(PeerId::random()), Some(first));
    }
}
