//! Operations that travel alone, each with its proof.

use uxf_engine::oplog::{HybridTime, ItemSum};
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::profile::{Delta, IngestOutcome, LiveBound, LiveItem, Profile, ProfileError};
use uxf_engine::{BlockKind, Clock, Engine, EngineOptions, Error};
use uxf_testkit::Rng;
use uxf_testkit::disk::{MemoryDisk, RecordingDisk, Unsynced};

use super::{NOW, SetClock, device, device_at, give, secret, text};

const SET: &str = "DIRECT_0d5508_b1bbbf.invalidatedNametags";

fn items(profile: &Profile) -> Vec<LiveItem> {
    let live = profile.live_operations().unwrap();
    live.items(LiveBound::START, LiveBound::End, usize::MAX)
        .unwrap()
}

fn sum(profile: &Profile) -> ItemSum {
    let live = profile.live_operations().unwrap();
    live.sum(LiveBound::START, LiveBound::End).unwrap()
}

/// What counts on a device and is wanted, with proofs; and the blocks of long values, if there are to be any.
fn alone(from: &Profile, is_wanted: impl Fn(&LiveItem) -> bool, with_blocks: bool) -> Delta {
    let live = from.live_operations().unwrap();
    let all = items(from);
    let wanted: Vec<&LiveItem> = all.iter().filter(|item| is_wanted(item)).collect();
    let mut delta = Delta {
        alone: live.prove(&wanted).unwrap().into_iter().flatten().collect(),
        ..Delta::default()
    };
    if with_blocks {
        let blocks = live.blocks(&wanted).unwrap();
        delta.blocks = blocks.into_iter().flatten().collect();
    }
    delta
}

/// Certificates and revocations, and nothing else.
fn introduce(from: &Profile, to: &Profile) {
    let statements = from.delta_for(&from.version_vector().unwrap(), 1).unwrap();
    assert!(statements.commits.is_empty());
    to.ingest(&statements).unwrap();
}

fn is_sound(profile: &Profile) {
    let report = profile.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

/// How many blocks a store has for operations that came alone.
fn stored_alone(profile: &Profile) -> u64 {
    let engine = profile.engine();
    engine.sweep(u64::MAX).unwrap();
    let stats = engine.stats().unwrap();
    let of_kind = stats
        .by_type
        .iter()
        .find(|one| one.kind == BlockKind::Operation);
    of_kind.map_or(0, |one| one.elements)
}

/// A device with values in commits and in a checkpoint, long, merged and deleted ones.
fn phone() -> Profile {
    let phone = device("phone");
    for key in 0..30 {
        phone.put(&format!("app.{key}"), b"first").unwrap();
    }
    phone.put("app.long", &[7; 5_000]).unwrap();
    phone.put(SET, br#"["a"]"#).unwrap();
    phone.delete("app.3").unwrap();
    phone.put("app.4", b"again").unwrap();
    phone.compact().unwrap();
    phone.put("app.5", b"after").unwrap();
    phone.delete("app.6").unwrap();
    phone
}

#[test]
fn what_came_alone_counts_is_given_on_outlives_a_restart_and_gives_way_to_its_log() {
    let phone = phone();
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let clock = SetClock::at(NOW) as std::sync::Arc<dyn Clock>;
        let engine = Engine::open(directory.path(), EngineOptions::new().clock(clock)).unwrap();
        engine.profile(&secret(), "laptop").unwrap()
    };
    let laptop = open();
    introduce(&phone, &laptop);
    laptop.put(SET, br#"["b"]"#).unwrap();
    laptop.put("app.own", b"mine").unwrap();
    let vector = laptop.version_vector().unwrap();
    let delta = alone(&phone, |_| true, true);
    let outcome = laptop.ingest(&delta).unwrap();
    assert_eq!((outcome.alone, outcome.left_out, outcome.known), (32, 0, 0));
    // Again, it changes nothing.
    let outcome = laptop.ingest(&delta).unwrap();
    assert_eq!((outcome.alone, outcome.left_out, outcome.known), (0, 0, 32));
    drop(laptop);
    let laptop = open();
    is_sound(&laptop);
    assert_eq!(laptop.version_vector().unwrap(), vector);
    for key in ["app.0", "app.3", "app.4", "app.5", "app.6", "app.long"] {
        assert_eq!(text(&laptop, key), text(&phone, key), "{key}");
    }
    assert_eq!(text(&laptop, SET).unwrap(), r#"["a","b"]"#);
    assert_eq!(sum(&laptop).count(), sum(&phone).count() + 2);

    // It is given on with the proofs it came with.
    let tablet = device("tablet");
    introduce(&laptop, &tablet);
    tablet.ingest(&alone(&laptop, |_| true, true)).unwrap();
    assert_eq!(
        tablet.ingest(&alone(&phone, |_| true, true)).unwrap().alone,
        0
    );
    give(&laptop, &tablet);
    assert_eq!(sum(&tablet), sum(&laptop));

    // The log catches up: nothing changes, and what came alone is not needed any more.
    let before = sum(&laptop);
    assert_eq!(stored_alone(&laptop), 32);
    let watch = laptop.watch("");
    give(&phone, &laptop);
    assert_eq!(watch.try_next(), None);
    assert_eq!(sum(&laptop), before);
    assert_eq!(stored_alone(&laptop), 0);
    is_sound(&laptop);
    assert_eq!(text(&laptop, "app.5").unwrap(), "after");
    assert_eq!(items(&laptop).len(), 34);
}

#[test]
fn what_supersedes_an_operation_that_came_alone_has_it_released() {
    let phone = phone();
    let engine = Engine::in_memory(
        EngineOptions::new()
            .checkpoint_elements(16)
            .clock(SetClock::at(NOW + 1)),
    );
    let laptop = engine.unwrap().profile(&secret(), "laptop").unwrap();
    introduce(&phone, &laptop);
    laptop.ingest(&alone(&phone, |_| true, true)).unwrap();
    for key in 0..30 {
        laptop.put(&format!("app.{key}"), b"mine").unwrap();
    }
    laptop.delete("app.long").unwrap();
    // Two checkpoints of the tables later at most.
    for key in 0..32 {
        laptop.put(&format!("app.more.{key}"), b"v").unwrap();
    }
    assert_eq!(stored_alone(&laptop), 1);
    is_sound(&laptop);
    give(&laptop, &phone);
    give(&phone, &laptop);
    assert_eq!(sum(&laptop), sum(&phone));
    assert_eq!(text(&laptop, SET).unwrap(), r#"["a"]"#);
}

#[test]
fn what_a_device_may_not_write_or_has_no_value_for_is_left_out_and_may_come_again() {
    let phone = phone();
    let laptop = device("laptop");
    let delta = alone(&phone, |_| true, false);
    let left_out = |outcome: IngestOutcome| (outcome.alone, outcome.left_out);
    assert_eq!(left_out(laptop.ingest(&delta).unwrap()), (0, 32));
    introduce(&phone, &laptop);
    // The long value is missing.
    assert_eq!(left_out(laptop.ingest(&delta).unwrap()), (31, 1));
    let long = alone(&phone, |item| item.key == "app.long", true);
    assert_eq!(left_out(laptop.ingest(&long).unwrap()), (1, 0));
    assert_eq!(sum(&laptop), sum(&phone));

    // Of a revoked device nothing is taken that it wrote after its end, nor given to others.
    let tablet = device("tablet");
    give(&phone, &tablet);
    phone.put("app.last", b"after its end").unwrap();
    tablet.revoke(phone.device()).unwrap();
    let outcome = tablet.ingest(&alone(&phone, |_| true, true)).unwrap();
    assert_eq!((left_out(outcome), outcome.known), ((0, 1), 32));
    introduce(&tablet, &phone);
    assert_eq!(items(&phone).len(), 33);
    assert_eq!(alone(&phone, |_| true, true).alone.len(), 32);
    is_sound(&tablet);
}

#[test]
fn what_lies_ahead_of_the_clock_is_left_out_and_what_was_taken_is_never_written_over_by_an_earlier_time()
 {
    let early = device_at("early", &SetClock::at(NOW + 5 * 60_000));
    let late = device_at("late", &SetClock::at(NOW + 20 * 60_000));
    early.put("app.k", b"five minutes ahead").unwrap();
    late.put("app.k", b"twenty minutes ahead").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let clock = SetClock::at(NOW) as std::sync::Arc<dyn Clock>;
        let engine = Engine::open(directory.path(), EngineOptions::new().clock(clock)).unwrap();
        engine.profile(&secret(), "here").unwrap()
    };
    let here = open();
    for other in [&early, &late] {
        introduce(other, &here);
    }
    let outcome = here.ingest(&alone(&late, |_| true, true)).unwrap();
    assert_eq!((outcome.alone, outcome.left_out), (0, 1));
    assert_eq!(
        here.ingest(&alone(&early, |_| true, true)).unwrap().alone,
        1
    );
    drop(here);
    let here = open();
    assert_eq!(text(&here, "app.k").unwrap(), "five minutes ahead");
    here.put("app.k", b"written after it was seen").unwrap();
    assert_eq!(text(&here, "app.k").unwrap(), "written after it was seen");
    let time = here.get("app.k").unwrap().unwrap().time().unwrap();
    assert!(time > HybridTime::new(NOW + 5 * 60_000, 0).unwrap());
}

#[test]
fn nothing_is_taken_of_what_proves_nothing_or_is_of_another_profile() {
    let phone = phone();
    let laptop = device("laptop");
    introduce(&phone, &laptop);
    let good = alone(&phone, |_| true, true);
    for at in [0, good.alone.len() - 1] {
        let mut bad = good.clone();
        let end = bad.alone[at].len() - 1;
        bad.alone[at][end] ^= 1;
        let refused = laptop.ingest(&bad).unwrap_err();
        assert!(
            matches!(refused, Error::Profile(ProfileError::Alone(_))),
            "{refused}"
        );
        assert_eq!(sum(&laptop), ItemSum::default());
    }
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let secret = WalletSecret::take(&mut [9; 32]);
    let stranger = engine.profile(&secret, "stranger").unwrap();
    assert!(matches!(
        stranger.ingest(&good),
        Err(Error::Profile(ProfileError::OtherProfile))
    ));
}

#[test]
fn devices_come_to_the_same_whichever_way_operations_come() {
    for seed in 0..6 {
        let mut rng = Rng::new(seed);
        let devices: Vec<Profile> = ["a", "b", "c"]
            .map(|name| {
                let options = EngineOptions::new().checkpoint_elements(32);
                let engine = Engine::in_memory(options.clock(SetClock::at(NOW))).unwrap();
                engine.profile(&secret(), name).unwrap()
            })
            .into();
        for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            introduce(&devices[from], &devices[to]);
        }
        for _ in 0..120 {
            let (one, other) = (rng.index(3), rng.index(3));
            let (one, other) = (&devices[one], &devices[other]);
            let key = format!("app.{}", rng.index(12));
            match rng.index(12) {
                0..5 => one.put(&key, &rng.next_u64().to_be_bytes()).unwrap(),
                5 => one.delete(&key).unwrap(),
                6 => one.put(SET, format!(r#"["{key}"]"#).as_bytes()).unwrap(),
                7 => one.put(&key, &vec![1; 2_000]).unwrap(),
                8 => drop(one.compact().unwrap()),
                9 => give(one, other),
                _ => {
                    let salt = rng.next_u64().to_be_bytes()[0];
                    let is_wanted = |item: &LiveItem| (item.hash.0[0] ^ salt).is_multiple_of(2);
                    other.ingest(&alone(one, is_wanted, true)).unwrap();
                }
            }
        }
        for _ in 0..2 {
            for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1)] {
                give(&devices[from], &devices[to]);
            }
        }
        for device in &devices {
            assert_eq!(sum(device), sum(&devices[0]), "seed {seed}");
            assert_eq!(items(device), items(&devices[0]), "seed {seed}");
            assert_eq!(text(device, SET), text(&devices[0], SET), "seed {seed}");
            is_sound(device);
        }
    }
}

#[test]
fn a_power_cut_loses_nothing_that_came_alone_and_leaves_no_half_of_it() {
    let phone = phone();
    let options = || {
        let clock = SetClock::at(NOW + 1) as std::sync::Arc<dyn Clock>;
        EngineOptions::new().checkpoint_elements(16).clock(clock)
    };
    let empty = MemoryDisk::new(Vec::new());
    let engine = Engine::open_with_backend(empty.clone(), options()).unwrap();
    let laptop = engine.profile(&secret(), "laptop").unwrap();
    introduce(&phone, &laptop);
    engine.close().unwrap();
    drop((laptop, engine));

    // What counts after each step, and where the disk was when the step was acknowledged.
    let disk = RecordingDisk::new(empty.image());
    let engine = Engine::open_with_backend(disk.clone(), options()).unwrap();
    let laptop = engine.open_profile(&secret()).unwrap();
    let mut states = vec![(0, sum(&laptop))];
    for step in 0..9_u64 {
        match step {
            // Some that nothing supersedes, some that is written over, all with the long value.
            0 | 2 | 5 => {
                let is_wanted = |item: &LiveItem| u64::from(item.hash.0[0]) % 9 <= step;
                laptop.ingest(&alone(&phone, is_wanted, true)).unwrap();
            }
            7 => give(&phone, &laptop),
            _ => {
                let mut batch = laptop.engine().begin();
                for key in 0..5 {
                    let key = format!("app.{}", (key * 7 + step) % 30);
                    batch.put_value(&laptop, &key, b"mine").unwrap();
                }
                batch.commit().unwrap();
            }
        }
        states.push((disk.position(), sum(&laptop)));
    }
    drop((laptop, engine));

    let record = disk.record();
    let mut images = record.crash_images();
    let mut rng = Rng::new(3);
    for cut in 0..=record.ops().len() {
        images.move_to(cut);
        for unsynced in [Unsynced::Nothing, Unsynced::Everything, Unsynced::Random] {
            let disk = MemoryDisk::new(images.image(unsynced, &mut rng));
            let engine = Engine::open_with_backend(disk, options()).unwrap();
            let laptop = engine.open_profile(&secret()).unwrap();
            is_sound(&laptop);
            let found = sum(&laptop);
            let acknowledged = states.iter().rposition(|(at, _)| *at <= cut).unwrap();
            let allowed = &states[acknowledged..states.len().min(acknowledged + 2)];
            let is_allowed = allowed.iter().any(|(_, state)| *state == found);
            assert!(is_allowed, "cut {cut}, after step {acknowledged}");
        }
    }
}
