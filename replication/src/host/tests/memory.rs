use super::super::memory::{Load, Memory};
use super::super::*;
use crate::Timestamp;

const CONFIG: fn() -> HostConfig = || HostConfig {
    peer_bytes: 100,
    total_bytes: 250,
    small_bytes: 10,
    ..HostConfig::default()
};

fn set(memory: &mut Memory, connection: u64, bytes: usize, is_storing: bool) {
    let load = Load { bytes, is_storing };
    memory.set(&CONFIG(), ConnectionId(connection), load);
}

fn decide(memory: &mut Memory) -> Vec<(u64, bool)> {
    let changed = memory.decide(&CONFIG(), Timestamp::default());
    changed.into_iter().map(|(one, is)| (one.0, is)).collect()
}

#[test]
fn who_has_too_much_is_not_read_until_the_store_has_taken_it() {
    let mut memory = Memory::default();
    set(&mut memory, 1, 101, true);
    set(&mut memory, 2, 99, false);
    assert_eq!(decide(&mut memory), [(1, true)]);
    assert!(memory.is_paused(ConnectionId(1)));
    set(&mut memory, 1, 50, true);
    assert_eq!(decide(&mut memory), [(1, false)]);
}

#[test]
fn one_at_a_time_may_bring_a_round_that_is_longer_than_its_budget() {
    let mut memory = Memory::default();
    set(&mut memory, 1, 101, false);
    set(&mut memory, 2, 120, false);
    // The second has the turn.
    assert_eq!(decide(&mut memory), [(1, true)]);
    let (holder, _) = memory.turn_deadline(&CONFIG()).unwrap();
    assert_eq!(holder, ConnectionId(2));
    set(&mut memory, 2, 1_000, false);
    assert_eq!(decide(&mut memory), []);
    // Whole, it waits for the store, and is not read either.
    set(&mut memory, 2, 1_100, true);
    assert_eq!(decide(&mut memory), [(2, true)]);
    set(&mut memory, 2, 0, false);
    assert_eq!(decide(&mut memory), [(1, false), (2, false)]);
    // Nobody waits, so nobody is late.
    assert_eq!(memory.turn_deadline(&CONFIG()), None);
}

#[test]
fn if_all_together_have_too_much_only_one_of_those_with_more_than_a_little_is_read() {
    let mut memory = Memory::default();
    for connection in 1..=3 {
        set(&mut memory, connection, 90, false);
    }
    set(&mut memory, 4, 9, false);
    let paused = decide(&mut memory);
    assert_eq!(paused.len(), 2);
    assert!(!paused.contains(&(4, true)));
    let (holder, _) = memory.turn_deadline(&CONFIG()).unwrap();
    memory.forget(holder);
    // What is left fits in.
    assert_eq!(decide(&mut memory), [(1, false), (2, false)]);
}
