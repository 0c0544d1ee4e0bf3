//! Peers that lie, flood and stall, each a script against a host that an honest device uses at the same time.
//!
//! After every script the honest device and the host have the same, all that was written honestly is there and nothing else, no budget
//! of memory was passed at any moment, the store is sound, and the attacker met the end the table says: banned with the reason where
//! its own bytes prove what it did, left alone for a while where they do not, and not blamed for what an honest peer may do.
//!
//! No sockets: the host is a state machine, and time is a number.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod blocks;
mod members;
mod outsiders;
mod reconciling;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use uxf_replication::Misbehaviour;
use uxf_replication::host::{Disconnect, Fault};

use crate::world::World;

/// How it ends for the attacker.
#[derive(Debug)]
pub(crate) enum End {
    /// Banned, with these words in the reason.
    Banned(&'static str),
    /// Left alone for a while.
    Left(Fault),
    /// Nothing was proven, and nothing had to be done.
    Kept,
}

/// An attack.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Whether the attacker is a device of the profile, with its session open, before the script begins.
    pub(crate) is_member: bool,
    pub(crate) script: fn(&mut World),
    pub(crate) end: End,
}

pub(crate) const fn case(
    name: &'static str,
    is_member: bool,
    script: fn(&mut World),
    end: End,
) -> Case {
    Case {
        name,
        is_member,
        script,
        end,
    }
}

fn attack(case: &Case) {
    let mut world = World::new(case.is_member);
    (case.script)(&mut world);
    world.run();
    match (&case.end, world.closed()) {
        (End::Banned(words), Some(Disconnect::Ban(reason))) => {
            assert!(reason.to_string().contains(words), "{reason}");
            assert!(!matches!(reason, Misbehaviour::TooMuch { what: "" }));
            assert!(world.is_banned());
        }
        (End::Left(fault), Some(Disconnect::BackOff(found))) => {
            assert_eq!(fault, found);
            assert!(!world.is_banned());
        }
        (End::Kept, None) => assert!(!world.is_banned()),
        (end, found) => panic!("{end:?} was expected, {found:?} was found"),
    }
    world.judge();
}

#[test]
fn every_attack_ends_as_it_should_and_harms_nobody() {
    let all = [
        outsiders::CASES,
        members::CASES,
        reconciling::CASES,
        blocks::CASES,
    ];
    let all: Vec<&Case> = all.into_iter().flatten().collect();
    assert!(all.len() >= 30, "{}", all.len());
    let mut failed = Vec::new();
    for case in &all {
        if catch_unwind(AssertUnwindSafe(|| attack(case))).is_err() {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "{failed:#?} of {}", all.len());
}
