//! What a peer can have this side do, and hold.

use core::time::Duration;

use uxf_engine::profile::sealed::ProfileId;

use super::super::*;
use crate::wire::{Bound, Fingerprint, Message, RangeContent, RangeEntry};
use crate::{Peer, Timestamp};

const PEER: Peer = Peer::new(1);

fn machine() -> Reconciler {
    let mut machine = Reconciler::new(ReconcileConfig::default());
    machine.handle(Event::Connected(PEER), Timestamp::default());
    machine
}

fn outputs(machine: &mut Reconciler) -> Vec<Output> {
    core::iter::from_fn(|| machine.poll_output()).collect()
}

fn tell(machine: &mut Reconciler, event: Event, millis: u64) -> Vec<Output> {
    machine.handle(event, Timestamp::from_millis(millis));
    outputs(machine)
}

fn print() -> Message {
    let content = RangeContent::Fingerprint(Fingerprint([9; 16]));
    let end = Bound::End;
    Message::Ranges(vec![RangeEntry { end, content }])
}

fn from_peer(message: Message) -> Event {
    Event::Message(PEER, message)
}

fn answer(operations: usize, bytes: usize) -> Event {
    let Message::Ranges(ranges) = print() else {
        panic!("ranges are ranges");
    };
    let proof = vec![7; bytes];
    let proven = Proven { proof, value: None };
    let operations = vec![proven; operations];
    let answer = Answer { operations, ranges };
    Event::Store(StoreReply::Answer(PEER, Ok(answer)))
}

fn is_end(output: &Output) -> bool {
    matches!(output, Output::Send(_, Message::Ranges(ranges)) if ranges.is_empty())
}

#[test]
fn who_begins_too_often_is_told_that_there_is_nothing_to_say_and_may_begin_again_later() {
    let mut machine = machine();
    let mut begin = |millis| {
        let began = tell(&mut machine, from_peer(print()), millis);
        let asks = matches!(began[..], [Output::Store(StoreRequest::Answer(..))]);
        assert!(
            asks || matches!(&began[..], [one] if is_end(one)),
            "{began:?}"
        );
        if asks {
            tell(&mut machine, answer(0, 0), millis);
            let done = tell(&mut machine, from_peer(Message::Ranges(Vec::new())), millis);
            assert!(matches!(done[..], [Output::Done(..)]));
        }
        asks
    };
    let first: Vec<bool> = (0..10).map(|_| begin(0)).collect();
    assert_eq!(first.iter().filter(|asks| **asks).count(), 8);
    assert!(!begin(3_999));
    assert!(begin(4_000));
    assert!(!begin(4_000));
    // However long nothing comes, it is never more than at first.
    let later: Vec<bool> = (0..10).map(|_| begin(1_000_000)).collect();
    assert_eq!(later.iter().filter(|asks| **asks).count(), 8);
}

#[test]
fn operations_that_never_count_here_are_not_taken_again_and_again() {
    let mut machine = machine();
    tell(&mut machine, Event::Begin(PEER), 0);
    let mut rounds = 0;
    loop {
        let said = tell(&mut machine, answer(0, 0), 0);
        if said.iter().any(is_end) {
            let Some(Output::Done(_, sum)) = said.last() else {
                panic!("{said:?}");
            };
            assert_eq!((sum.received, sum.new), (10 * rounds, 0));
            break;
        }
        rounds += 1;
        tell(
            &mut machine,
            from_peer(Message::Operations(vec![vec![1; 50]])),
            0,
        );
        let applied = StoreReply::Apply(PEER, Some(Ok((10, 0))));
        tell(&mut machine, Event::Store(applied), 0);
        tell(&mut machine, from_peer(print()), 0);
        assert!(rounds < 40);
    }
    assert_eq!(rounds, 16);
}

#[test]
fn who_gets_something_for_what_does_not_count_is_listened_to() {
    let mut machine = machine();
    tell(&mut machine, Event::Begin(PEER), 0);
    for _ in 0..100 {
        let said = tell(&mut machine, answer(1, 100), 0);
        assert!(!said.iter().any(is_end), "{said:?}");
        tell(&mut machine, Event::Sent(PEER), 0);
        let operations = Message::Operations(vec![vec![1; 50]]);
        tell(&mut machine, from_peer(operations), 0);
        let applied = StoreReply::Apply(PEER, Some(Ok((1, 0))));
        tell(&mut machine, Event::Store(applied), 0);
        tell(&mut machine, from_peer(print()), 0);
    }
}

#[test]
fn no_more_is_handed_out_than_leaves_and_nothing_is_read_for_who_does_not_take_it() {
    let mut machine = machine();
    tell(&mut machine, from_peer(print()), 0);
    let said = tell(&mut machine, answer(10, 100_000), 0);
    let sent = |said: &[Output]| said.len();
    // Two messages of two operations each: 256 KiB are passed by the second.
    assert_eq!(sent(&said), 2);
    let standing = machine.standing_of(PEER).unwrap();
    assert!(standing.queued_bytes > 600_000 && standing.is_open);
    assert_eq!(machine.queued_bytes(), standing.queued_bytes);
    // Nobody waits for an answer to what was not sent.
    assert_eq!(machine.next_timeout(), None);
    assert!(tell(&mut machine, from_peer(print()), 0).is_empty());
    // What comes is taken in all the same.
    let taken = tell(
        &mut machine,
        from_peer(Message::Operations(vec![vec![1; 50]])),
        0,
    );
    assert!(matches!(
        taken[..],
        [Output::Store(StoreRequest::Apply(..))]
    ));
    let applied = StoreReply::Apply(PEER, Some(Ok((1, 1))));
    assert!(tell(&mut machine, Event::Store(applied), 0).is_empty());
    let mut messages = 2;
    let last = loop {
        let mut said = tell(&mut machine, Event::Sent(PEER), 5_000);
        let last = said.pop().unwrap();
        messages += said.len();
        if matches!(last, Output::Store(_)) {
            break last;
        }
        messages += 1;
        assert!(messages < 7);
    };
    assert!(matches!(last, Output::Store(StoreRequest::Answer(..))));
    assert_eq!(messages, 6);
    assert_eq!(machine.queued_bytes(), 0);
    let late = Timestamp::from_millis(35_000);
    assert_eq!(machine.next_timeout(), Some(late));
}

#[test]
fn values_without_their_operations_are_not_held_for_ever() {
    let mut machine = machine();
    for millis in [0, 20_000] {
        let value = Message::Value(vec![1; 100]);
        tell(&mut machine, from_peer(value), millis);
    }
    let late = machine.next_timeout().unwrap();
    assert_eq!(late, Timestamp::from_millis(30_000));
    let said = tell(&mut machine, Event::Timeout, 30_000);
    assert!(matches!(said[..], [Output::Disconnect(PEER, None)]));
    assert_eq!(machine.buffered_bytes(), 0);
}

#[test]
fn what_the_store_was_given_is_buffered_until_it_has_replied() {
    let mut machine = machine();
    tell(&mut machine, from_peer(Message::Value(vec![1; 3_000])), 0);
    let standing = machine.standing_of(PEER).unwrap();
    assert_eq!(
        (standing.buffered_bytes, standing.is_storing),
        (3_000, false)
    );
    tell(
        &mut machine,
        from_peer(Message::Operations(vec![vec![1; 500]])),
        0,
    );
    let standing = machine.standing_of(PEER).unwrap();
    assert_eq!(
        (standing.buffered_bytes, standing.is_storing),
        (3_500, true)
    );
    let applied = StoreReply::Apply(PEER, Some(Ok((1, 1))));
    tell(&mut machine, Event::Store(applied), 0);
    assert_eq!(machine.buffered_bytes(), 0);
    tell(&mut machine, from_peer(print()), 0);
    assert!((1..500).contains(&machine.buffered_bytes()));
    tell(&mut machine, answer(0, 0), 0);
    assert_eq!(machine.buffered_bytes(), 0);
}

#[test]
fn a_store_that_fails_ends_the_reconciliation_for_both_and_it_can_be_begun_again() {
    let mut machine = machine();
    tell(&mut machine, Event::Begin(PEER), 0);
    let failed = || SourceError::Store("full".into());
    let reply = StoreReply::Answer(PEER, Err(failed()));
    let said = tell(&mut machine, Event::Store(reply), 0);
    assert!(is_end(&said[0]), "{said:?}");
    assert!(matches!(said[1], Output::StoreFailed(PEER, _)));
    assert!(!machine.standing_of(PEER).unwrap().is_open);
    let again = tell(&mut machine, Event::Begin(PEER), 0);
    assert!(matches!(
        again[..],
        [Output::Store(StoreRequest::First(..))]
    ));
}

#[test]
fn a_long_answer_is_waited_for_as_long_as_something_of_it_comes() {
    let set = LiveSet::new(ProfileId::from_bytes([2; 33]));
    let mut machine = machine();
    for output in tell(&mut machine, Event::Begin(PEER), 0) {
        let Output::Store(request) = output else {
            panic!("{output:?}");
        };
        tell(&mut machine, Event::Store(request.run(&set)), 0);
    }
    let limit = Timestamp::default() + Duration::from_secs(30);
    assert_eq!(machine.next_timeout(), Some(limit));
    tell(
        &mut machine,
        from_peer(Message::Value(vec![1; 100])),
        20_000,
    );
    let operations = Message::Operations(vec![vec![1; 50]]);
    tell(&mut machine, from_peer(operations), 21_000);
    let limit = Timestamp::from_millis(51_000);
    assert_eq!(machine.next_timeout(), Some(limit));
}
