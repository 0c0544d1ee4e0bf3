//! Logs of which a part is there, caught up with over the wire.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointId, ItemSum, VersionVector};
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::profile::{CaughtUp, Delta, LiveBound, OwnEntries, Profile, Whole};
use uxf_engine::{Durability, Engine, EngineOptions};

use super::super::*;
use super::model::Net;
use crate::reconcile::Answer;
use crate::wire::{Bound, Compare, Compared, Entries, Message, RangeContent, RangeEntry};
use crate::{Peer, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// That nothing differs.
    Same,
    /// One entry less.
    Less,
    /// Another entry.
    Changed,
    /// Bytes.
    Junk,
    /// That there is no such checkpoint.
    Gone,
    /// Ranges without end.
    Endless,
}

/// A profile whose answers may be lies.
struct Party {
    profile: Profile,
    lie: Option<Lie>,
    answers: Cell<u32>,
    wholes: Cell<u32>,
    adopted: Cell<u32>,
}

impl Party {
    const fn new(profile: Profile) -> Self {
        Self {
            profile,
            lie: None,
            answers: Cell::new(0),
            wholes: Cell::new(0),
            adopted: Cell::new(0),
        }
    }
}

impl History for Party {
    fn version_vector(&self) -> Result<VersionVector, HistoryError> {
        History::version_vector(&self.profile)
    }

    fn delta_for(&self, theirs: &VersionVector, bytes_max: usize) -> Result<Given, HistoryError> {
        History::delta_for(&self.profile, theirs, bytes_max)
    }

    fn delta_offering(
        &self,
        theirs: &VersionVector,
        bytes_max: usize,
        whole: &Whole,
    ) -> Result<Given, HistoryError> {
        let given = History::delta_offering(&self.profile, theirs, bytes_max, whole)?;
        let wholes = u32::try_from(given.delta.checkpoints.len()).unwrap();
        self.wholes.set(self.wholes.get() + wholes);
        Ok(given)
    }

    fn begin_catch_up(
        &self,
        signed: &[u8],
    ) -> Result<Option<(OwnEntries, Vec<RangeEntry>)>, HistoryError> {
        self.profile.begin_catch_up(signed)
    }

    fn compare_own(
        &self,
        own: &OwnEntries,
        ranges: &[RangeEntry],
    ) -> Result<(BTreeSet<u64>, Vec<RangeEntry>), HistoryError> {
        self.profile.compare_own(own, ranges)
    }

    fn adopt(&self, caught_up: CaughtUp) -> Result<Taken, HistoryError> {
        let taken = self.profile.adopt(caught_up)?;
        self.adopted.set(self.adopted.get() + 1);
        Ok(taken)
    }

    fn answer_entries(
        &self,
        log: LogId,
        checkpoint: CheckpointId,
        ranges: &[RangeEntry],
    ) -> Result<Option<Answer>, HistoryError> {
        self.answers.set(self.answers.get() + 1);
        let mut answer = self.profile.answer_entries(log, checkpoint, ranges)?;
        if let Some(answer) = &mut answer {
            let first = answer.operations.first_mut();
            match self.lie {
                Some(Lie::Same) => answer.ranges.clear(),
                Some(Lie::Less) => drop(answer.operations.pop()),
                Some(Lie::Changed) => {
                    if let Some(first) = first {
                        *first.proof.last_mut().unwrap() ^= 1;
                    }
                }
                Some(Lie::Junk) => {
                    if let Some(first) = first {
                        first.proof = vec![7; 30];
                    }
                }
                Some(Lie::Gone) => return Ok(None),
                Some(Lie::Endless) => answer.ranges = ranges.to_vec(),
                None => {}
            }
        }
        Ok(answer)
    }

    fn ingest(&self, delta: &Delta) -> Result<Taken, HistoryError> {
        History::ingest(&self.profile, delta)
    }
}

fn profile(device: &str) -> Profile {
    let options = EngineOptions::new().durability(Durability::Buffered);
    let engine = Engine::in_memory(options).unwrap();
    let secret = WalletSecret::take(&mut [1; 32]);
    engine.profile(&secret, device).unwrap()
}

fn put(profile: &Profile, keys: core::ops::Range<u32>, step: usize, value: &[u8]) {
    let mut batch = profile.engine().begin();
    for key in keys.step_by(step) {
        let key = format!("app.{key}");
        batch.put_value(profile, &key, value).unwrap();
    }
    batch.commit().unwrap();
}

fn live(profile: &Profile) -> ItemSum {
    let live = profile.live_operations().unwrap();
    live.sum(LiveBound::START, LiveBound::End).unwrap()
}

fn is_same(one: &Profile, other: &Profile) -> bool {
    one.version_vector().unwrap() == other.version_vector().unwrap() && live(one) == live(other)
}

fn sound(profile: &Profile) {
    let report = profile.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:#?}", report.problems);
}

/// Gives everything at once, without a network.
fn give(from: &Profile, to: &Profile) {
    let theirs = to.version_vector().unwrap();
    to.ingest(&from.delta_for(&theirs, 1 << 30).unwrap())
        .unwrap();
}

/// Two replicas of which one has an older checkpoint of a log with so many entries, of which ten are others in the newer one.
fn apart(entries: u32) -> (Profile, Profile) {
    let (phone, laptop) = (profile("phone"), profile("laptop"));
    for from in (0..entries).step_by(1_000) {
        put(&phone, from..(from + 1_000).min(entries), 1, &[7; 100]);
    }
    phone.compact().unwrap();
    give(&phone, &laptop);
    let step = usize::try_from(entries / 10).unwrap();
    put(&phone, 5..entries, step, b"changed");
    phone.compact().unwrap();
    put(&phone, 0..3, 1, b"behind it");
    (phone, laptop)
}

fn config(whole_checkpoint_bytes: u64) -> SyncConfig {
    SyncConfig {
        whole_checkpoint_bytes,
        ..SyncConfig::default()
    }
}

#[test]
fn ten_changed_keys_of_twenty_thousand_cost_a_few_kilobytes_and_four_round_trips() {
    let (phone, laptop) = apart(20_000);
    let parties = [&phone, &laptop].map(|one| Party::new(one.clone()));
    let mut net = Net::new(SyncConfig::default(), parties.into());
    net.connect(0, 1);
    // Each round trip takes 20: one for the hellos, three to compare and fetch.
    net.run(80);
    assert_eq!(net.nodes[1].history.adopted.get(), 1);
    // And one for the commits behind the checkpoint.
    net.run(110);
    assert!(is_same(&phone, &laptop));
    let sent: usize = net.sent.values().sum();
    assert!(sent < 20_000, "{sent}");
    assert_eq!(net.nodes[0].history.wholes.get(), 0);
    assert!(net.nodes[0].history.answers.get() <= 3);
    assert!(net.reasons(0).is_empty() && net.reasons(1).is_empty());
    let standing = net.nodes[0].sync.standing_of(Peer::new(1)).unwrap();
    assert!(standing.is_acknowledged && standing.is_fresh);
    sound(&laptop);
    // Nothing is said any more.
    let before = net.sent.clone();
    net.run(200_000);
    assert_eq!(net.sent, before);
}

#[test]
fn who_has_nothing_of_a_log_and_who_lacks_little_is_given_the_checkpoint_whole() {
    let (phone, laptop) = apart(300);
    let tablet = profile("tablet");
    for (config, other) in [(SyncConfig::default(), laptop), (config(0), tablet)] {
        let parties = [&phone, &other].map(|one| Party::new(one.clone()));
        let mut net = Net::new(config, parties.into());
        net.connect(0, 1);
        net.run(1_000);
        assert!(is_same(&phone, &other));
        assert_eq!(net.nodes[0].history.wholes.get(), 1);
        assert_eq!(net.nodes[0].history.answers.get(), 0);
    }
}

#[test]
fn who_lies_about_a_checkpoint_is_asked_for_it_whole_and_gains_nothing() {
    use Lie::{Changed, Endless, Gone, Junk, Less, Same};
    for lie in [Same, Less, Changed, Junk, Gone, Endless] {
        let (phone, laptop) = apart(300);
        let mut liar = Party::new(phone.clone());
        liar.lie = Some(lie);
        let mut net = Net::new(config(0), vec![liar, Party::new(laptop.clone())]);
        net.connect(0, 1);
        net.run(10_000);
        assert_eq!(net.nodes[1].history.adopted.get(), 0, "{lie:?}");
        assert_eq!(net.nodes[0].history.wholes.get(), 1, "{lie:?}");
        assert!(is_same(&phone, &laptop), "{lie:?}");
        assert!(net.reasons(1).is_empty(), "{lie:?}");
        sound(&laptop);
    }
}

#[test]
fn a_process_that_ends_at_any_moment_of_it_loses_nothing_and_begins_anew() {
    for at in (0..140).step_by(10) {
        let (phone, laptop) = apart(300);
        for until in [at, 1_000] {
            // What a machine knows is gone with it.
            let parties = [&phone, &laptop].map(|one| Party::new(one.clone()));
            let mut net = Net::new(config(0), parties.into());
            net.connect(0, 1);
            net.run(until);
            assert_eq!(net.nodes[0].history.wholes.get(), 0);
            sound(&laptop);
        }
        assert!(is_same(&phone, &laptop), "ended at {at}");
    }
}

#[test]
fn a_stream_that_breaks_anywhere_is_taken_up_again() {
    let (phone, laptop) = apart(100);
    let mut net = Net::new(
        config(0),
        [&phone, &laptop].map(|one| Party::new(one.clone())).into(),
    );
    net.connect(0, 1);
    net.run(1_000);
    let sent = net.sent[&(0, 1)];
    for cut in (0..sent).step_by(sent / 12) {
        let (phone, laptop) = apart(100);
        let parties = [&phone, &laptop].map(|one| Party::new(one.clone()));
        let mut net = Net::new(config(0), parties.into());
        net.cuts.insert((0, 1), cut);
        net.connect(0, 1);
        net.run(1_000);
        net.disconnect(0, 1);
        net.cuts.clear();
        net.connect(0, 1);
        net.run(3_000);
        assert!(is_same(&phone, &laptop), "cut after {cut} of {sent}");
        assert_eq!(net.nodes[0].history.wholes.get(), 0);
    }
}

#[test]
fn several_logs_of_one_peer_are_caught_up_with_one_question_at_a_time() {
    for lie in [None, Some(Lie::Endless), Some(Lie::Gone)] {
        let all = ["phone", "laptop", "desk", "watch"].map(profile);
        let [phone, laptop, desk, watch] = &all;
        let mut from = 0;
        for device in [phone, desk, watch] {
            put(device, from..from + 400, 1, &[7; 50]);
            device.compact().unwrap();
            give(device, phone);
            from += 400;
        }
        give(phone, laptop);
        let mut from = 0;
        for device in [phone, desk, watch] {
            put(device, from..from + 400, 90, b"changed");
            device.compact().unwrap();
            give(device, phone);
            from += 400;
        }
        let mut liar = Party::new(phone.clone());
        liar.lie = lie;
        let mut net = Net::new(config(0), vec![liar, Party::new(laptop.clone())]);
        net.connect(0, 1);
        net.run(20_000);
        assert!(is_same(phone, laptop), "{lie:?}");
        assert!(net.reasons(0).is_empty() && net.reasons(1).is_empty());
        let adopted = if lie.is_none() { 3 } else { 0 };
        assert_eq!(net.nodes[1].history.adopted.get(), adopted);
        sound(laptop);
    }
}

#[test]
fn answers_that_nobody_asked_for_and_two_questions_at_once_are_held_against_a_peer() {
    let log = profile("phone").log_id();
    let compare = Message::Compare(Compare {
        log,
        checkpoint: CheckpointId::from_bytes([7; 32]),
        ranges: vec![RangeEntry {
            end: Bound::End,
            content: RangeContent::Items(Vec::new()),
        }],
    });
    let (ranges, entries) = (None, vec![(vec![1], None)]);
    let entries = Message::Entries(Entries { log, entries });
    let compared = Message::Compared(Compared { log, ranges });
    for (messages, is_blamed) in [
        (vec![compare.clone()], false),
        (vec![compare.clone(), compare], true),
        (vec![entries], true),
        (vec![compared], true),
    ] {
        let mut sync = OplogSync::new(SyncConfig::default());
        let (peer, now) = (Peer::new(1), Timestamp::default());
        sync.handle(Event::Connected(peer), now);
        for message in messages {
            sync.handle(Event::Message(peer, message), now);
        }
        let blamed = core::iter::from_fn(|| sync.poll_output())
            .any(|output| matches!(output, Output::Disconnect(_, Some(_))));
        assert_eq!(blamed, is_blamed);
    }
}

#[test]
fn of_several_peers_one_gives_the_entries() {
    let (phone, laptop) = apart(500);
    let desk = profile("desk");
    give(&phone, &desk);
    let parties = [&phone, &laptop, &desk].map(|one| Party::new(one.clone()));
    let mut net = Net::new(config(0), parties.into());
    net.connect(1, 0);
    net.connect(1, 2);
    net.run(5_000);
    assert!(is_same(&phone, &laptop) && is_same(&desk, &laptop));
    let answers = [0, 2].map(|node: usize| net.nodes[node].history.answers.get());
    assert!(answers.contains(&0), "{answers:?}");
    assert_eq!(net.nodes[1].history.adopted.get(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, u32, u8),
    Delete(usize, u32),
    Compact(usize),
    Give(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = || 0_usize..2;
    let step = prop_oneof![
        6 => (device(), 0_u32..40, any::<u8>()).prop_map(|(at, key, value)| Step::Put(at, key, value)),
        2 => (device(), 0_u32..40).prop_map(|(at, key)| Step::Delete(at, key)),
        1 => device().prop_map(Step::Compact),
        1 => (device(), device()).prop_map(|(from, to)| Step::Give(from, to)),
    ];
    proptest::collection::vec(step, 1..60)
}

fn take_steps(devices: &[Profile; 2], steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Put(at, key, value) => {
                let value = vec![value; if value % 8 == 0 { 4_000 } else { 1 }];
                devices[at].put(&format!("app.{key}"), &value).unwrap();
            }
            Step::Delete(at, key) => devices[at].delete(&format!("app.{key}")).unwrap(),
            Step::Compact(at) => drop(devices[at].compact().unwrap()),
            Step::Give(from, to) => give(&devices[from], &devices[to]),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn catching_up_comes_to_what_whole_checkpoints_come_to(first in steps(), then in steps()) {
        let devices = [profile("a"), profile("b")];
        take_steps(&devices, &first);
        let lates = [profile("late"), profile("twin")];
        for late in &lates {
            for device in &devices {
                give(device, late);
            }
        }
        take_steps(&devices, &then);
        devices[0].compact().unwrap();
        give(&devices[1], &devices[0]);
        for (late, whole) in lates.iter().zip([0, u64::MAX]) {
            let parties = [&devices[0], late].map(|one| Party::new(one.clone()));
            let mut net = Net::new(config(whole), parties.into());
            net.connect(0, 1);
            net.run(5_000);
            prop_assert!(is_same(&devices[0], late));
            prop_assert!(net.reasons(0).is_empty() && net.reasons(1).is_empty());
            sound(late);
        }
        prop_assert_eq!(live(&lates[0]), live(&lates[1]));
    }
}
