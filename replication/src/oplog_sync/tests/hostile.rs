//! Peers that do not keep to the protocol.

use uxf_engine::oplog::VersionVector;

use super::super::*;
use super::model::{Model, Net, log};
use crate::wire::{
    Announce, CloseReason, Cut, DeltaPart, Hello, Message, StatementsDigest, Want, WantKind,
};
use crate::{Misbehaviour, Peer, Timestamp};

/// A machine that has said hello to peer 1 and waits for the answer to its run 0.
fn asked() -> Net<Model> {
    let config = SyncConfig {
        round_bytes_max: 100_000,
        buffer_bytes_max: 150_000,
        ..SyncConfig::default()
    };
    let mut net = Net::new(config, vec![Model::with(1, 3), Model::default()]);
    net.handle(0, Event::Connected(Peer::new(1)));
    net
}

fn part(round: u32, ends_round: bool, ends_run: bool, bytes: Vec<u8>) -> Message {
    Message::Delta(DeltaPart {
        run: 0,
        round,
        ends_round,
        ends_run,
        bytes,
    })
}

fn hello(run: u32) -> Message {
    Message::Hello(Hello {
        run,
        is_pull: true,
        statements: StatementsDigest::default(),
        skip: Vec::new(),
        again: Vec::new(),
        vector: VersionVector::default(),
    })
}

#[test]
fn whoever_sends_out_of_turn_or_garbage_is_disconnected_with_the_reason() {
    let announce = Message::Announce(Announce {
        statements: StatementsDigest::default(),
        heads: VersionVector::default(),
    });
    let hash = uxf_codec::ElementHash::of(b"");
    let want = Message::Want(Want::of_hashes(0, WantKind::Have, &[hash]));
    let cases: Vec<Vec<Message>> = vec![
        vec![announce],
        vec![want],
        vec![Message::Close(CloseReason::Done)],
        // Another round than the next, a round twice, one behind the last.
        vec![part(1, true, false, Vec::new())],
        vec![
            part(0, true, false, Vec::new()),
            part(0, true, false, Vec::new()),
        ],
        vec![
            part(0, true, true, Vec::new()),
            part(1, true, true, Vec::new()),
        ],
        // No records, and a record that is longer than the round.
        vec![part(0, true, false, vec![99; 50])],
        vec![part(0, true, false, vec![7, 0, 0, 0, 9, 1])],
        // A round that is too long.
        vec![
            part(0, false, false, vec![7; 60_000]),
            part(0, false, false, vec![7; 60_000]),
        ],
        // What was not sent is acknowledged.
        vec![hello(5), Message::Ack(5, 1)],
        vec![hello(5), Message::Ack(5, 0), Message::Ack(5, 0)],
    ];
    for (number, messages) in cases.into_iter().enumerate() {
        let mut net = asked();
        let behind = number == 5;
        for message in messages {
            net.handle(0, Event::Message(Peer::new(1), message));
        }
        let reasons = net.reasons(0);
        if behind {
            // The run was over: what comes of it then is dropped.
            assert!(reasons.is_empty());
            continue;
        }
        assert!(
            matches!(reasons.as_slice(), [Some(_)]),
            "{number}: {reasons:?}"
        );
        // And it is heard no more.
        net.handle(0, Event::Message(Peer::new(1), hello(1)));
        assert_eq!(net.reasons(0).len(), 1);
        assert_eq!(net.nodes[0].history.len(), 3);
        assert_eq!(net.nodes[0].sync.buffered_bytes(), 0);
    }
}

#[test]
fn a_run_is_answered_by_the_peer_that_was_asked_alone() {
    let mut net = asked();
    net.handle(0, Event::Connected(Peer::new(2)));
    let bytes = vec![1; 8];
    net.handle(
        0,
        Event::Message(Peer::new(2), part(0, false, false, bytes)),
    );
    let cut = Cut {
        run: 0,
        log: log(1),
        seq: 1,
    };
    net.handle(0, Event::Connected(Peer::new(3)));
    net.handle(0, Event::Message(Peer::new(3), Message::Cut(cut)));
    let out_of_turn = |what| Some(Misbehaviour::OutOfTurn { what });
    assert_eq!(net.reasons(0), [out_of_turn("delta"), out_of_turn("cut")]);
}

#[test]
fn a_window_that_is_overrun_while_the_store_is_slow_costs_the_connection() {
    let mut sync = OplogSync::new(SyncConfig::default());
    let (peer, now) = (Peer::new(1), Timestamp::default());
    sync.handle(Event::Connected(peer), now);
    sync.handle(Event::Store(StoreReply::Have(Ok(Have::default()))), now);
    // The store never says that it took the first round in.
    for round in 0..3 {
        let certificate = vec![1, 0, 0, 0, 1, 9];
        let message = part(round, true, false, certificate);
        sync.handle(Event::Message(peer, message), now);
    }
    let outputs: Vec<Output> = core::iter::from_fn(|| sync.poll_output()).collect();
    let takes = outputs.iter();
    let takes = takes.filter(|output| matches!(output, Output::Store(StoreRequest::Take { .. })));
    assert_eq!(takes.count(), 1);
    assert!(matches!(
        outputs.last(),
        Some(Output::Disconnect(_, Some(Misbehaviour::TooMuch { .. })))
    ));
    // What came whole is still taken in, one after the other.
    assert_eq!(sync.buffered_bytes(), 18);
}

#[test]
fn hello_is_said_first_even_to_who_said_it_before_the_store_had_answered() {
    let mut sync = OplogSync::new(SyncConfig::default());
    let (peer, now) = (Peer::new(1), Timestamp::default());
    sync.handle(Event::Connected(peer), now);
    let Message::Hello(greeting) = hello(0) else {
        panic!("no hello");
    };
    let greeting = Message::Hello(Hello {
        is_pull: false,
        ..greeting
    });
    sync.handle(Event::Message(peer, greeting), now);
    let model = Model::with(1, 3);
    let have = StoreRequest::Have.run(&model);
    sync.handle(Event::Store(have), now);
    let outputs = core::iter::from_fn(|| sync.poll_output());
    let mut sent = outputs.filter_map(|output| match output {
        Output::Send(_, message) => Some(message.kind().name()),
        _ => None,
    });
    assert_eq!(sent.next(), Some("hello"));
}

#[test]
fn hellos_without_end_have_the_store_read_for_one_of_them_at_a_time() {
    let mut sync = OplogSync::new(SyncConfig::default());
    let (peer, now) = (Peer::new(1), Timestamp::default());
    sync.handle(Event::Connected(peer), now);
    sync.handle(Event::Store(StoreReply::Have(Ok(Have::default()))), now);
    for run in 0..1_000 {
        sync.handle(Event::Message(peer, hello(run)), now);
    }
    let outputs = core::iter::from_fn(|| sync.poll_output());
    let reads = outputs.filter(|output| matches!(output, Output::Store(StoreRequest::Give { .. })));
    assert_eq!(reads.count(), 1);
}

#[test]
fn who_sends_drop_by_drop_is_given_up_after_half_a_minute() {
    let mut net = asked();
    for at in 0..40 {
        net.now = at * 1_000;
        let drop = part(0, false, false, vec![7]);
        net.handle(0, Event::Message(Peer::new(1), drop));
        if net.nodes[0]
            .sync
            .next_timeout()
            .is_some_and(|at| at.as_millis() <= net.now)
        {
            net.handle(0, Event::Timeout);
        }
    }
    assert_eq!(net.reasons(0), [None]);
    assert_eq!(net.nodes[0].sync.buffered_bytes(), 0);
}
