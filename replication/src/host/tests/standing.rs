use core::time::Duration;

use super::super::*;
use crate::{Misbehaviour, Timestamp};

const SECOND: Duration = Duration::from_secs(1);

fn ban() -> Disconnect {
    Disconnect::Ban(Misbehaviour::Forged { what: "a block" })
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn each_further_fault_is_waited_after_for_twice_as_long_up_to_a_cap() {
    let mut standing = Standing::new(StandingConfig::default(), [1; 32]);
    let now = at(5);
    let mut waits = Vec::new();
    for _ in 0..12 {
        standing.closed("a", &Disconnect::BackOff(Fault::Silent), now);
        waits.push(standing.free_at(&"a").unwrap().as_millis() - 5);
    }
    for (number, wait) in waits.iter().enumerate() {
        let whole = (1_000 << number).min(300_000);
        assert!(
            (whole * 3 / 4..=whole * 5 / 4).contains(wait),
            "{number}: {wait}"
        );
    }
    // A session that opens makes up for all of it.
    standing.opened(&"a");
    standing.closed("a", &Disconnect::BackOff(Fault::Silent), now);
    assert!(standing.free_at(&"a").unwrap() < now + 2 * SECOND);
}

#[test]
fn a_ban_is_neither_shortened_by_a_fault_nor_lifted_by_a_session() {
    let mut standing = Standing::new(StandingConfig::default(), [1; 32]);
    standing.closed("a", &ban(), at(0));
    standing.closed("a", &Disconnect::BackOff(Fault::Silent), at(1));
    standing.opened(&"a");
    assert!(standing.is_banned(&"a", at(3_599_999)));
    assert_eq!(standing.last(&"a"), Some(&ban()));
    assert!(!standing.is_banned(&"a", at(3_600_000)));
    standing.pardon(&"a");
    assert_eq!(standing.free_at(&"a"), None);
}

#[test]
fn no_more_remotes_are_remembered_than_there_is_room_for_and_bans_stay_the_longest() {
    let config = StandingConfig {
        remotes_max: 10,
        ..StandingConfig::default()
    };
    let mut standing = Standing::new(config, [1; 32]);
    standing.closed(0, &ban(), at(0));
    for remote in 1..100 {
        standing.closed(remote, &Disconnect::BackOff(Fault::Silent), at(remote));
    }
    assert!(standing.is_banned(&0, at(100)));
    let known = (0..100).filter(|remote| standing.free_at(remote).is_some());
    assert_eq!(known.count(), 10);
}
