use uxf_engine::oplog::CommitId;
use uxf_engine::oplog::identity::{DeviceId, Epoch, LogId};

use super::sealed::PAYLOAD_BYTES_MAX;
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
    let elsewhere = TopicHash::from_raw(topic_name(&ProfileId::from_bytes([3; 33])));
    assert!(!gossip.hear(&elsewhere, author, other, &payload));
    assert_eq!(gossip.profiles[&PROFILE].heard.len(), 1);
}

#[test]
fn the_name_of_a_topic_is_the_one_that_is_written_down() {
    let tag = "a00d768bfe4c5df7e8267ccab6110c82acdf08629eb890158e58f5c2e00a4152";
    assert_eq!(topic_name(&PROFILE), format!("/uxf/heads/1/{tag}"));
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
    let listens = TopicHash::from_raw(topic_name(&PROFILE));
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
