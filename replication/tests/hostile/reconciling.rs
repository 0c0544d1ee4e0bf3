//! Attacks of a device of the profile that reconciles.

use uxf_engine::oplog::{CommitId, LogHead, VersionVector};
use uxf_replication::host::Fault;
use uxf_replication::wire::{
    Announce, Bound, Cut, Fingerprint, Message, MessageKind, RangeContent, RangeEntry, ShortId,
    StatementsDigest,
};

use crate::members::{hello, log, round};
use crate::world::{ROUND_BYTES_MAX, World, profile};
use crate::{Case, End, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "an end of a reconciliation that nobody began",
        true,
        |w| w.say(Message::Ranges(Vec::new())),
        End::Kept,
    ),
    case(
        "an operation that is none",
        true,
        |w| w.say(Message::Operations(vec![vec![1, 2, 3]])),
        End::Banned("does not verify"),
    ),
    case(
        "an operation with a bit changed",
        true,
        changed,
        End::Banned("does not verify"),
    ),
    case(
        "an operation of another wallet",
        true,
        other_wallet,
        End::Banned("does not verify"),
    ),
    case(
        "an operation of a device that nobody certified",
        true,
        uncertified,
        End::Kept,
    ),
    case(
        "values for operations that never come",
        true,
        values,
        End::Kept,
    ),
    case(
        "ranges while others are being answered",
        true,
        crowded,
        End::Banned("more ranges"),
    ),
    case(
        "operations while the store does nothing",
        true,
        flooded,
        End::Banned("more operations"),
    ),
    case(
        "values while the store does nothing",
        true,
        valued,
        End::Banned("more values"),
    ),
    case(
        "everything asked for by ranges and nothing read",
        true,
        deaf,
        End::Left(Fault::NotReading),
    ),
    case(
        "ranges that never agree",
        true,
        stubborn,
        End::Left(Fault::Silent),
    ),
    case(
        "a reconciliation begun a thousand times",
        true,
        restless,
        End::Kept,
    ),
    case(
        "everything wanted by names that there are not",
        true,
        misnamed,
        End::Kept,
    ),
    case(
        "silence in the middle of a reconciliation",
        true,
        silent,
        End::Left(Fault::Silent),
    ),
    case(
        "a log cut off, and silence when it is reconciled",
        true,
        |w| {
            cut_off(w, 1);
            w.wait(35_000);
        },
        End::Left(Fault::Silent),
    ),
    case(
        "a log cut off, and a forged operation when it is reconciled",
        true,
        |w| {
            cut_off(w, 1);
            w.say(Message::Operations(vec![vec![7; 400]]));
        },
        End::Banned("does not verify"),
    ),
    case(
        "logs cut off without end",
        true,
        cut_off_without_end,
        End::Kept,
    ),
];

fn whole(content: RangeContent) -> Message {
    let end = Bound::End;
    Message::Ranges(vec![RangeEntry { end, content }])
}

/// A fingerprint of everything that nobody has.
fn print(number: u8) -> Message {
    whole(RangeContent::Fingerprint(Fingerprint([number; 16])))
}

/// The fingerprint of nothing: a bid for all there is.
fn nothing() -> Message {
    let sum = uxf_engine::oplog::ItemSum::default();
    whole(RangeContent::Fingerprint(Fingerprint(sum.fingerprint())))
}

/// The attacker gives what the host asked for: nothing.
fn settle(world: &mut World) {
    world.say(hello(4, VersionVector::default()));
    round(world, &[]);
    world.run();
}

fn ranges_heard(world: &World) -> usize {
    let heard = world.heard.iter();
    let is_ranges = |one: &&Message| one.kind() == MessageKind::Ranges;
    heard.filter(is_ranges).count()
}

fn operation(world: &World) -> Vec<u8> {
    world.mallory.put("app.mallory", b"forged").unwrap();
    world.mallory.prove("app.mallory").unwrap().remove(0)
}

fn changed(world: &mut World) {
    let proofs = world.host_profile().prove("app.host.1").unwrap();
    let mut proof = proofs[0].clone();
    let last = proof.len() - 1;
    proof[last] ^= 1;
    world.say(Message::Operations(vec![proof]));
}

fn other_wallet(world: &mut World) {
    let other = profile(3, "other");
    other.put("app.other", b"forged").unwrap();
    let proof = other.prove("app.other").unwrap().remove(0);
    world.say(Message::Operations(vec![proof]));
}

fn uncertified(world: &mut World) {
    // It may be that this side will hear of the certificate later. Until then it counts for nothing.
    let proof = operation(world);
    world.say(Message::Operations(vec![proof]));
}

fn values(world: &mut World) {
    for _ in 0..4 {
        world.say(Message::Value(vec![7; 60_000]));
    }
    world.say(Message::Ranges(Vec::new()));
    world.run();
    assert_eq!(world.buffered_of_attacker(), 0);
}

fn crowded(world: &mut World) {
    world.is_stuck = true;
    for number in 1..5 {
        world.say(print(number));
    }
}

fn flooded(world: &mut World) {
    world.is_stuck = true;
    let proof = operation(world);
    let all = vec![proof.clone(); 100_000 / proof.len()];
    for _ in 0..=ROUND_BYTES_MAX / 90_000 {
        world.say(Message::Operations(all.clone()));
    }
}

fn valued(world: &mut World) {
    world.is_stuck = true;
    for _ in 0..=ROUND_BYTES_MAX / 100_000 {
        world.say(Message::Value(vec![7; 100_000]));
    }
}

fn deaf(world: &mut World) {
    settle(world);
    world.is_deaf = true;
    world.say(nothing());
    world.wait(31_000);
}

fn stubborn(world: &mut World) {
    for number in 1..=40 {
        world.say(print(number));
    }
}

fn restless(world: &mut World) {
    settle(world);
    let before = world.requests();
    for _ in 0..1_000 {
        world.say(print(1));
        world.say(Message::Ranges(Vec::new()));
    }
    let more = world.requests() - before;
    assert!(more <= 8, "{more}");
    // With patience it may begin again.
    world.wait(5_000);
    world.say(print(1));
    world.say(Message::Ranges(Vec::new()));
    assert_eq!(world.requests() - before, more + 1);
}

fn misnamed(world: &mut World) {
    settle(world);
    world.say(whole(RangeContent::Want(vec![ShortId([1; 16])])));
    world.run();
    // There is nothing to say to that.
    let said = world.heard.last().unwrap();
    assert_eq!(*said, Message::Ranges(Vec::new()));
}

fn silent(world: &mut World) {
    settle(world);
    world.say(print(1));
    world.wait(31_000);
}

/// The attacker says that it has a log as far as this, and does not keep its beginning.
fn cut_off(world: &mut World, next_seq: u64) {
    let log = log(world, 1);
    let mut heads = VersionVector::default();
    let head = LogHead {
        next_seq: next_seq + 1,
        head: Some(CommitId::from_bytes([1; 32])),
        ..LogHead::empty(log)
    };
    heads.set(&head).unwrap();
    if next_seq == 1 {
        settle(world);
    }
    world.say(Message::Announce(Announce {
        statements: StatementsDigest::default(),
        heads,
    }));
    world.run();
    let heard = world.heard.iter().rev();
    let mut asked = heard.filter_map(|one| match one {
        Message::Hello(hello) => Some(hello.run),
        _ => None,
    });
    let run = asked.next().unwrap();
    world.say(Message::Cut(Cut { run, log, seq: 1 }));
    round_of(world, run);
    world.run();
}

/// Ends a run that the host asked for.
fn round_of(world: &mut World, run: u32) {
    world.say(Message::Delta(uxf_replication::wire::DeltaPart {
        run,
        round: 0,
        ends_round: true,
        ends_run: true,
        bytes: Vec::new(),
    }));
}

fn cut_off_without_end(world: &mut World) {
    let mut begun = 0;
    for next_seq in 1..60 {
        cut_off(world, next_seq);
        world.wait(1_000);
        while begun < ranges_heard(world) {
            begun += 1;
            world.say(Message::Ranges(Vec::new()));
        }
    }
    assert!((1..=13).contains(&begun), "{begun}");
}
