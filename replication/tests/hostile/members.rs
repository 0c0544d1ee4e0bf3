//! Attacks of a device of the profile: it has the seed, and its session is open.

use core::time::Duration;
use std::sync::Arc;

use uxf_engine::oplog::identity::{Epoch, LogId};
use uxf_engine::oplog::{CommitId, LogHead, VersionVector};
use uxf_engine::profile::Delta;
use uxf_engine::{Clock, EngineOptions};
use uxf_replication::host::Fault;
use uxf_replication::oplog_sync::encode_round;
use uxf_replication::wire::{
    Announce, CloseReason, Cut, DELTA_PART_BYTES_MAX, DeltaPart, Hello, Message, SKIPS_MAX,
    StatementsDigest,
};

use crate::world::{ROUND_BYTES_MAX, World, profile, profile_on};
use crate::{Case, End, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "a commit with a bit of its signature changed",
        true,
        |w| changed(w, |c| c.len() - 1),
        End::Banned("does not verify"),
    ),
    case(
        "a commit with a bit of its middle changed",
        true,
        |w| changed(w, |c| c.len() / 2),
        End::Banned("does not verify"),
    ),
    case(
        "a commit of a device that nobody certified",
        true,
        uncertified,
        End::Banned("does not verify"),
    ),
    case(
        "a certificate with a bit changed",
        true,
        forged_certificate,
        End::Banned("does not verify"),
    ),
    case(
        "the history of another wallet",
        true,
        other_wallet,
        End::Banned("does not verify"),
    ),
    case(
        "a forged proof of two histories",
        true,
        forged_fork,
        End::Banned("does not verify"),
    ),
    case(
        "a forged checkpoint",
        true,
        forged_checkpoint,
        End::Banned("does not verify"),
    ),
    case(
        "a forged revocation of an honest device",
        true,
        forged_revocation,
        End::Banned("does not verify"),
    ),
    case("the same round again and again", true, replayed, End::Kept),
    case(
        "a clock a year ahead",
        true,
        |w| clock(w, 365 * 24 * 3_600 * 1_000),
        End::Kept,
    ),
    case(
        "a clock at the beginning of time",
        true,
        backdated,
        End::Kept,
    ),
    case("a gap before a commit", true, gap, End::Kept),
    case(
        "a record longer than its round",
        true,
        |w| round(w, &[7, 0, 0, 0, 9, 1]),
        End::Banned("no message"),
    ),
    case(
        "a record of a kind that is none",
        true,
        |w| round(w, &[99, 0, 0, 0, 0]),
        End::Banned("no message"),
    ),
    case("a round without end", true, endless, End::Banned("more")),
    case("a round drop by drop", true, slow, End::Left(Fault::Silent)),
    case(
        "rounds that are not the next",
        true,
        wrong_round,
        End::Banned("out of turn"),
    ),
    case(
        "an ack of what was never sent",
        true,
        |w| w.say(Message::Ack(0, 9)),
        End::Kept,
    ),
    case("an ack twice", true, ack_twice, End::Banned("out of turn")),
    case(
        "a word of new heads before a hello",
        true,
        announce,
        End::Banned("out of turn"),
    ),
    case("a cut of what was not asked for", true, cut, End::Kept),
    case(
        "a welcome in the middle",
        true,
        welcome,
        End::Banned("out of turn"),
    ),
    case("a thousand hellos", true, hellos, End::Kept),
    case("a thousand logs that nobody has", true, withheld, End::Kept),
    case(
        "heads without end that are never given",
        true,
        announced,
        End::Kept,
    ),
    case(
        "an end of the session at once",
        true,
        |w| w.say(Message::Close(CloseReason::Protocol)),
        End::Kept,
    ),
    case(
        "silence after the session is open",
        true,
        |w| w.wait(120_000),
        End::Left(Fault::Silent),
    ),
    case(
        "everything asked for and nothing read",
        true,
        deaf,
        End::Left(Fault::NotReading),
    ),
];

/// Gives bytes as the first and last round of the run that the host asked for.
pub(crate) fn round(world: &mut World, bytes: &[u8]) {
    let run = world.hello().run;
    let parts = bytes.chunks(DELTA_PART_BYTES_MAX).count();
    for (number, part) in bytes.chunks(DELTA_PART_BYTES_MAX).enumerate() {
        let is_last = number + 1 == parts;
        world.say(Message::Delta(DeltaPart {
            run,
            round: 0,
            ends_round: is_last,
            ends_run: is_last,
            bytes: part.to_vec(),
        }));
    }
}

fn give(world: &mut World, delta: &Delta) {
    round(world, &encode_round(delta));
}

/// What the attacker wrote by the rules.
fn written(world: &World) -> Delta {
    world.mallory.put("app.mallory", b"forged").unwrap();
    let nothing = VersionVector::default();
    world.mallory.delta_for(&nothing, 1 << 20).unwrap()
}

fn changed(world: &mut World, place: fn(&[u8]) -> usize) {
    let mut delta = written(world);
    let commit = &mut delta.commits[0];
    let place = place(commit);
    commit[place] ^= 1;
    give(world, &delta);
}

fn uncertified(world: &mut World) {
    let mut delta = written(world);
    delta.certificates.clear();
    give(world, &delta);
}

fn forged_certificate(world: &mut World) {
    let mut delta = written(world);
    delta.commits.clear();
    for certificate in &mut delta.certificates {
        let last = certificate.len() - 1;
        certificate[last] ^= 1;
    }
    give(world, &delta);
}

fn other_wallet(world: &mut World) {
    let other = profile(3, "other");
    other.put("app.other", b"forged").unwrap();
    let delta = other.delta_for(&VersionVector::default(), 1 << 20).unwrap();
    give(world, &delta);
}

fn forged_fork(world: &mut World) {
    let mut delta = written(world);
    let commit = delta.commits.remove(0);
    delta.forks.push(commit);
    give(world, &delta);
}

fn forged_revocation(world: &mut World) {
    let mut delta = written(world);
    delta.commits.clear();
    delta.revocations = delta.certificates.clone();
    give(world, &delta);
}

fn forged_checkpoint(world: &mut World) {
    for _ in 0..300 {
        written(world);
    }
    world.mallory.compact().unwrap();
    let nothing = VersionVector::default();
    let mut delta = world.mallory.delta_for(&nothing, 1 << 20).unwrap();
    let signed = &mut delta.checkpoints[0].signed;
    let last = signed.len() - 1;
    signed[last] ^= 1;
    give(world, &delta);
}

fn replayed(world: &mut World) {
    let nothing = VersionVector::default();
    let delta = world.host_profile().delta_for(&nothing, 1 << 20).unwrap();
    give(world, &delta);
    let before = world.requests();
    for _ in 0..100 {
        let run = world.hello().run;
        let bytes = encode_round(&delta);
        // The run is over: what is given then is dropped unread.
        world.say(Message::Delta(DeltaPart {
            run,
            round: 1,
            ends_round: true,
            ends_run: false,
            bytes: bytes[..100].to_vec(),
        }));
    }
    assert_eq!(world.requests(), before);
}

/// A clock that is wrong by so much, and stands still.
#[derive(Debug)]
struct Wrong(u64);

impl Clock for Wrong {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        self.0
    }
}

fn clock(world: &mut World, ahead: u64) {
    use uxf_engine::SystemClock;
    let wrong = Wrong(SystemClock::new().unix_millis() + ahead);
    let options = EngineOptions::new().clock(Arc::new(wrong));
    let liar = profile_on(options, 1, "liar");
    // It would win over everything for a year. It is kept aside until its time has come.
    liar.put("app.host.1", b"forged").unwrap();
    let delta = liar.delta_for(&VersionVector::default(), 1 << 20).unwrap();
    give(world, &delta);
}

fn backdated(world: &mut World) {
    let options = EngineOptions::new().clock(Arc::new(Wrong(1)));
    let liar = profile_on(options, 1, "liar");
    // Whoever pretends to have been first wins over nobody.
    liar.put("app.host.1", b"forged").unwrap();
    let delta = liar.delta_for(&VersionVector::default(), 1 << 20).unwrap();
    give(world, &delta);
}

fn gap(world: &mut World) {
    for number in 0..3 {
        world
            .mallory
            .put(&format!("app.{number}"), b"forged")
            .unwrap();
    }
    let nothing = VersionVector::default();
    let mut delta = world.mallory.delta_for(&nothing, 1 << 20).unwrap();
    delta.commits.remove(0);
    give(world, &delta);
}

fn endless(world: &mut World) {
    let run = world.hello().run;
    for _ in 0..ROUND_BYTES_MAX / DELTA_PART_BYTES_MAX + 2 {
        world.say(Message::Delta(DeltaPart {
            run,
            round: 0,
            ends_round: false,
            ends_run: false,
            bytes: vec![7; DELTA_PART_BYTES_MAX],
        }));
    }
}

fn slow(world: &mut World) {
    let run = world.hello().run;
    for _ in 0..70 {
        world.say(Message::Delta(DeltaPart {
            run,
            round: 0,
            ends_round: false,
            ends_run: false,
            bytes: vec![7],
        }));
        world.wait(1_000);
    }
}

fn wrong_round(world: &mut World) {
    let run = world.hello().run;
    world.say(Message::Delta(DeltaPart {
        run,
        round: 5,
        ends_round: true,
        ends_run: true,
        bytes: Vec::new(),
    }));
}

pub(crate) fn hello(run: u32, vector: VersionVector) -> Message {
    Message::Hello(Hello {
        run,
        is_pull: true,
        statements: StatementsDigest::default(),
        skip: Vec::new(),
        again: Vec::new(),
        vector,
    })
}

fn ack_twice(world: &mut World) {
    world.say(hello(4, VersionVector::default()));
    world.say(Message::Ack(4, 0));
    world.say(Message::Ack(4, 0));
}

fn announce(world: &mut World) {
    world.say(Message::Announce(Announce {
        statements: StatementsDigest::default(),
        heads: VersionVector::default(),
    }));
}

/// A log of the attacker's device, of which there is nothing.
pub(crate) fn log(world: &World, number: u64) -> LogId {
    LogId {
        device: world.mallory.device(),
        epoch: Epoch::from_u64(number),
    }
}

fn cut(world: &mut World) {
    let log = log(world, 1);
    world.say(Message::Cut(Cut {
        run: 77,
        log,
        seq: 1,
    }));
}

fn welcome(world: &mut World) {
    let proof = world.mallory.prove_membership(&[1; 32]).unwrap();
    world.say(Message::Welcome(Box::new(proof)));
}

fn hellos(world: &mut World) {
    let before = world.requests();
    for run in 0..1_000 {
        world.say(hello(run, VersionVector::default()));
    }
    // Each is answered, none while the one before is being read: no more than a read a hello.
    assert!(world.requests() - before <= 1_001);
}

/// Logs that there are not, each said to be long.
fn invented(world: &World) -> VersionVector {
    let mut vector = VersionVector::default();
    for number in 0..SKIPS_MAX as u64 {
        let head = LogHead {
            next_seq: 1 << 40,
            head: Some(CommitId::from_bytes([1; 32])),
            ..LogHead::empty(log(world, number))
        };
        vector.set(&head).unwrap();
    }
    vector
}

fn withheld(world: &mut World) {
    let run = world.hello().run;
    let invented = invented(world);
    world.say(hello(4, invented));
    world.say(Message::Delta(DeltaPart {
        run,
        round: 0,
        ends_round: true,
        ends_run: true,
        bytes: Vec::new(),
    }));
    world.run();
    let before = world.requests();
    world.wait(5_000);
    // What was not given is not asked for over and over.
    let asked = world.heard.iter();
    let asked = asked.filter(|one| one.kind().name() == "hello").count();
    assert!(asked <= 3, "{asked}");
    assert!(world.requests() - before < 10);
}

fn announced(world: &mut World) {
    let run = world.hello().run;
    world.say(hello(4, VersionVector::default()));
    world.say(Message::Delta(DeltaPart {
        run,
        round: 0,
        ends_round: true,
        ends_run: true,
        bytes: Vec::new(),
    }));
    for next_seq in 2..200 {
        let mut heads = VersionVector::default();
        let head = LogHead {
            next_seq,
            head: Some(CommitId::from_bytes([1; 32])),
            ..LogHead::empty(log(world, 1))
        };
        heads.set(&head).unwrap();
        let statements = StatementsDigest::default();
        world.say(Message::Announce(Announce { statements, heads }));
    }
    world.run();
    let asked = world.heard.iter();
    let asked = asked.filter(|one| one.kind().name() == "hello").count();
    assert!(asked <= 3, "{asked}");
}

fn deaf(world: &mut World) {
    for number in 0..40 {
        let key = format!("app.long.{number}");
        let value = vec![7; 60_000];
        world.host_profile().put(&key, &value).unwrap();
        world.expect(&key, &value);
    }
    world.is_deaf = true;
    // What the attacker was given, an honest device had been given already.
    let run = world.hello().run;
    world.say(hello(4, VersionVector::default()));
    world.say(Message::Delta(DeltaPart {
        run,
        round: 0,
        ends_round: true,
        ends_run: true,
        bytes: Vec::new(),
    }));
    world.wait(31_000);
}
