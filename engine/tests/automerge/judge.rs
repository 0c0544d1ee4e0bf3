use std::collections::BTreeMap;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, Automerge, ObjId, ObjType, ROOT, ScalarValue};
use uxf_engine::oplog::HybridTime;
use uxf_engine::profile::Profile;

use super::{NOW, device, give, present, seen, values};

/// A device, here and in Automerge. Both number its operations alike: one more than the greatest number seen.
struct Twin {
    ours: Profile,
    theirs: Automerge,
    map: ObjId,
    counter: u16,
}

/// Three of them, in the order of their logs, which is that of their actors.
fn twins() -> Vec<Twin> {
    let mut base = Automerge::new().with_actor(ActorId::from([0]));
    let mut transaction = base.transaction();
    let map = transaction
        .put_object(ROOT, "values", ObjType::Map)
        .unwrap();
    transaction.commit();
    let mut ours = ["phone", "laptop", "tablet"].map(device);
    ours.sort_by_key(Profile::log_id);
    let twin = |ours: Profile| {
        let log = ours.log_id();
        let epoch = log.epoch.as_u64().to_be_bytes();
        let actor = [&log.device.as_bytes()[..], &epoch].concat();
        Twin {
            ours,
            theirs: base.clone().with_actor(ActorId::from(actor)),
            map: map.clone(),
            counter: 0,
        }
    };
    ours.into_iter().map(twin).collect()
}

impl Twin {
    /// Sets a key, or deletes it.
    fn write(&mut self, key: &str, value: Option<&[u8]>) {
        let mut transaction = self.theirs.transaction();
        let scalar = value.map_or(ScalarValue::Null, |value| {
            ScalarValue::Bytes(value.to_vec())
        });
        transaction.put(&self.map, key, scalar).unwrap();
        transaction.commit();
        match value {
            Some(value) => self.ours.put(key, value).unwrap(),
            None => self.ours.delete(key).unwrap(),
        }
        // Both clocks give the same number, the map of values being Automerge's first.
        let last = self.theirs.get_last_local_change().unwrap();
        assert_eq!(last.max_op(), u64::from(self.counter) + 2);
        if value.is_some() {
            let time = self.ours.get(key).unwrap().unwrap().time();
            assert_eq!(time, HybridTime::new(NOW, self.counter));
        }
        self.counter += 1;
    }

    fn learn(&mut self, from: &mut (Profile, Automerge, u16)) {
        give(&from.0, &self.ours);
        self.theirs.merge(&mut from.1).unwrap();
        self.counter = self.counter.max(from.2);
    }

    fn share(&self) -> (Profile, Automerge, u16) {
        (self.ours.clone(), self.theirs.clone(), self.counter)
    }

    fn agrees(&self, seed: u64) {
        let theirs = present(values(&self.theirs));
        assert_eq!(seen(&self.ours), theirs, "seed {seed}");
    }
}

/// Numbers that look random and are the same every time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Where two devices write one key at one time, a delete here wins over every put, and in Automerge the greater actor's
/// write does. So that both orders are one, of such writes no lesser device deletes where a greater one puts.
fn deletes(wanted: bool, device: usize, others: &[(usize, bool)]) -> bool {
    if others
        .iter()
        .any(|(other, deleted)| *other < device && *deleted)
    {
        return true;
    }
    wanted
        && !others
            .iter()
            .any(|(other, deleted)| *other > device && !*deleted)
}

fn run(seed: u64) -> usize {
    let mut numbers = Numbers(seed);
    let mut all = twins();
    let mut written: BTreeMap<(u64, u16), Vec<(usize, bool)>> = BTreeMap::new();
    for step in 0..60_u32 {
        let device = usize::try_from(numbers.below(3)).unwrap();
        if numbers.below(4) == 0 {
            let other = (device + usize::try_from(1 + numbers.below(2)).unwrap()) % 3;
            let mut from = all[other].share();
            all[device].learn(&mut from);
        } else {
            let key = numbers.below(4);
            let clash = written.entry((key, all[device].counter)).or_default();
            let name = format!("app.{key}");
            // Null put over null is no operation in Automerge.
            let is_there = all[device].ours.get(&name).unwrap().is_some();
            let is_delete = deletes(is_there && numbers.below(3) == 0, device, clash);
            if is_delete && !is_there {
                continue;
            }
            clash.push((device, is_delete));
            let value = format!("{seed}-{step}-{device}");
            let value = (!is_delete).then_some(value.as_bytes());
            all[device].write(&name, value);
        }
        all[device].agrees(seed);
    }
    for device in [0, 1, 2, 0, 1] {
        for other in 0..3 {
            if other != device {
                let mut from = all[other].share();
                all[device].learn(&mut from);
            }
        }
        all[device].agrees(seed);
    }
    assert_eq!(seen(&all[0].ours), seen(&all[1].ours), "seed {seed}");
    assert_eq!(seen(&all[0].ours), seen(&all[2].ours), "seed {seed}");
    written.values().filter(|writes| writes.len() > 1).count()
}

#[test]
fn automerge_finds_the_same_winners_in_random_histories_of_three_devices() {
    let seeds = std::env::var("UXF_SEED").map_or(0..40, |seed| {
        let seed = seed.parse().unwrap();
        seed..seed + 1
    });
    let clashes: usize = seeds.clone().map(run).sum();
    // Without writes of one key at one time there would be little to judge.
    let runs = usize::try_from(seeds.end - seeds.start).unwrap();
    assert!(runs == 1 || clashes > runs, "{clashes} clashes");
}

#[test]
fn of_a_delete_and_a_greater_devices_put_at_one_time_we_keep_the_delete_and_automerge_the_put() {
    let mut all = twins();
    all[0].write("app.k", None);
    all[2].write("app.k", Some(b"put"));
    let mut from = all[2].share();
    all[0].learn(&mut from);
    assert!(seen(&all[0].ours).is_empty());
    assert_eq!(
        values(&all[0].theirs)["app.k"].as_deref(),
        Some(&b"put"[..])
    );
}
