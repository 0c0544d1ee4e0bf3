//! When a peer is known to have all that is here, and is asked for all that it has.

use uxf_testkit::Rng;

use super::model::{Model, Net, log};
use super::*;
use crate::wire::{Announce, DeltaPart, Hello, Message, StatementsDigest};
use crate::{Peer, Timestamp};

const PEER: Peer = Peer::new(1);

/// Has something happen, and says what is asked of the store and sent then.
fn hear(sync: &mut OplogSync, event: Event) -> (Option<StoreRequest>, Vec<Message>) {
    sync.handle(event, Timestamp::default());
    let (mut asked, mut sent) = (None, Vec::new());
    while let Some(output) = sync.poll_output() {
        match output {
            Output::Store(request) => asked = Some(request),
            Output::Send(_, message) => sent.push(message),
            _ => {}
        }
    }
    (asked, sent)
}

fn ask(sync: &mut OplogSync, event: Event) -> StoreRequest {
    hear(sync, event).0.unwrap()
}

fn hello(run: u32, is_pull: bool, model: &Model) -> Event {
    let statements = StatementsDigest::default();
    let (skip, again) = (Vec::new(), Vec::new());
    let vector = model.version_vector().unwrap();
    let hello = Hello {
        run,
        is_pull,
        statements,
        skip,
        again,
        vector,
    };
    Event::Message(PEER, Message::Hello(hello))
}

fn announce(model: &Model) -> Event {
    let statements = StatementsDigest::default();
    let heads = model.version_vector().unwrap();
    Event::Message(PEER, Message::Announce(Announce { statements, heads }))
}

fn is_settled(sync: &OplogSync) -> bool {
    sync.standing_of(PEER).unwrap().is_acknowledged
}

#[test]
fn what_a_peer_is_told_while_it_is_given_something_is_not_settled_by_that() {
    let mut sync = OplogSync::new(SyncConfig::default());
    let (one, two, three) = (Model::with(1, 1), Model::with(1, 2), Model::with(1, 3));
    let have = ask(&mut sync, Event::Connected(PEER));
    hear(&mut sync, Event::Store(have.run(&one)));
    hear(&mut sync, hello(0, false, &one));
    assert!(is_settled(&sync));
    // A write is announced, and asked for; while that is on its way there is another one.
    let have = ask(&mut sync, Event::Changed);
    hear(&mut sync, Event::Store(have.run(&two)));
    assert!(!is_settled(&sync));
    let give = ask(&mut sync, hello(1, true, &one));
    hear(&mut sync, Event::Store(give.run(&two)));
    let have = ask(&mut sync, Event::Changed);
    hear(&mut sync, Event::Store(have.run(&three)));
    hear(&mut sync, Event::Message(PEER, Message::Ack(1, 0)));
    assert!(!is_settled(&sync));
    let give = ask(&mut sync, hello(2, true, &two));
    hear(&mut sync, Event::Store(give.run(&three)));
    hear(&mut sync, Event::Message(PEER, Message::Ack(2, 0)));
    assert!(is_settled(&sync));
}

#[test]
fn what_a_peer_tells_of_while_the_store_takes_in_what_it_gave_is_asked_for_right_after() {
    let mut sync = OplogSync::new(SyncConfig::default());
    let (here, two, three) = (Model::with(1, 1), Model::with(1, 2), Model::with(1, 3));
    let have = ask(&mut sync, Event::Connected(PEER));
    hear(&mut sync, Event::Store(have.run(&here)));
    hear(&mut sync, hello(0, false, &here));
    // What the first hello asked for was nothing.
    let nothing = |run| {
        Event::Message(
            PEER,
            Message::Delta(DeltaPart {
                run,
                round: 0,
                ends_round: true,
                ends_run: true,
                bytes: Vec::new(),
            }),
        )
    };
    hear(&mut sync, nothing(0));
    let (_, asked) = hear(&mut sync, announce(&two));
    let [Message::Hello(asked)] = &asked[..] else {
        panic!("{asked:?}");
    };
    let given = two.delta_for(&asked.vector, usize::MAX).unwrap();
    let part = DeltaPart {
        run: asked.run,
        round: 0,
        ends_round: true,
        ends_run: true,
        bytes: encode_round(&given.delta),
    };
    let take = ask(&mut sync, Event::Message(PEER, Message::Delta(part)));
    let (_, too_soon) = hear(&mut sync, announce(&three));
    assert!(too_soon.is_empty(), "{too_soon:?}");
    let (_, sent) = hear(&mut sync, Event::Store(take.run(&here)));
    let [Message::Ack(..), Message::Hello(again)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert!(again.is_pull);
    assert_eq!(again.vector.get(&log(1)).unwrap().next_seq, 3);
}

#[test]
fn who_gets_what_it_was_told_of_from_another_says_that_it_has_it() {
    let mut sync = OplogSync::new(SyncConfig::default());
    let (here, more) = (Model::with(1, 1), Model::with(1, 2));
    let have = ask(&mut sync, Event::Connected(PEER));
    hear(&mut sync, Event::Store(have.run(&here)));
    hear(&mut sync, hello(0, false, &here));
    // Told, but not asked for: the first run is not over.
    let (_, sent) = hear(&mut sync, announce(&more));
    assert!(sent.is_empty(), "{sent:?}");
    let have = ask(&mut sync, Event::Changed);
    let (_, sent) = hear(&mut sync, Event::Store(have.run(&more)));
    let [Message::Announce(confirmed)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(confirmed.heads, more.version_vector().unwrap());
    // That is said once.
    let have = ask(&mut sync, Event::Changed);
    assert!(hear(&mut sync, Event::Store(have.run(&more))).1.is_empty());
}

#[test]
fn when_all_is_quiet_everybody_knows_that_everybody_has_everything() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let count = 2 + rng.index(4);
        let models =
            (1..=count).map(|device| Model::with(u8::try_from(device).unwrap(), rng.index(8)));
        let mut net = Net::new(small(), models.collect());
        net.delay = 1 + rng.below(40);
        for _ in 0..10 + rng.below(60) {
            let (one, other) = (rng.index(count), rng.index(count));
            match rng.below(10) {
                0..4 if one != other => net.connect_if_apart(one, other),
                4 if one != other => net.disconnect(one, other),
                _ => {
                    let device = u8::try_from(one + 1).unwrap();
                    net.nodes[one].history.put(device, 0, 40);
                    net.handle(one, Event::Changed);
                }
            }
            let until = net.now + rng.below(60);
            net.run(until);
        }
        for one in 0..count {
            for other in 0..one {
                net.connect_if_apart(one, other);
            }
        }
        let until = net.now + 5_000;
        net.run(until);
        assert!(equal(&net), "seed {seed}");
        for one in 0..count {
            for other in (0..count).filter(|other| *other != one) {
                let standing = net.nodes[one].sync.standing_of(Peer::new(other as u64));
                let standing = standing.unwrap();
                let progress = standing.progress.unwrap();
                let is_even = progress.want == 0 && progress.lag == 0;
                let is_settled = is_even && standing.is_acknowledged && standing.is_fresh;
                assert!(is_settled, "seed {seed}: {one} of {other}: {standing:?}");
            }
        }
        let before = net.sent.clone();
        net.run(until + 100_000);
        assert_eq!(net.sent, before, "seed {seed}");
    }
}

#[test]
fn who_is_doubted_is_asked_once_more_though_nothing_is_known_to_be_missing() {
    let mut sync = OplogSync::new(SyncConfig::default());
    let one = Model::with(1, 1);
    let have = ask(&mut sync, Event::Connected(PEER));
    let (_, said) = hear(&mut sync, Event::Store(have.run(&one)));
    let [Message::Hello(first)] = said.as_slice() else {
        panic!("{said:?}");
    };
    let part = |run| {
        let part = DeltaPart {
            run,
            round: 0,
            ends_round: true,
            ends_run: true,
            bytes: Vec::new(),
        };
        Event::Message(PEER, Message::Delta(part))
    };
    hear(&mut sync, hello(0, false, &one));
    hear(&mut sync, part(first.run));
    let is_fresh = |sync: &OplogSync| sync.standing_of(PEER).unwrap().is_fresh;
    assert!(is_fresh(&sync));
    let (_, said) = hear(&mut sync, Event::Refresh(PEER));
    let [Message::Hello(again)] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert!(again.is_pull && !is_fresh(&sync));
    hear(&mut sync, part(again.run));
    assert!(is_fresh(&sync));
}
