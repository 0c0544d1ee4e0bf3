//! Attacks with blocks, of a device of the profile.

use uxf_codec::ElementHash;
use uxf_replication::block_exchange::Role;
use uxf_replication::host::{Event, Fault};
use uxf_replication::wire::{
    Block, Blocks, Have, Message, REQUESTS_MAX, WANTS_MAX, Want, WantKind,
};

use crate::world::World;
use crate::{Case, End, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "a block that has not its hash",
        true,
        wrong_hash,
        End::Banned("does not verify"),
    ),
    case(
        "a block of its hash that is no bundle",
        true,
        no_bundle,
        End::Kept,
    ),
    case(
        "blocks that nobody asked for",
        true,
        unasked,
        End::Banned("out of turn"),
    ),
    case(
        "a block twice in an answer",
        true,
        twice,
        End::Banned("no message"),
    ),
    case(
        "a place that was not in the request",
        true,
        no_place,
        End::Banned("out of turn"),
    ),
    case(
        "words of what it has that nobody asked for",
        true,
        unasked_have,
        End::Banned("out of turn"),
    ),
    case(
        "an answer of another length than the question",
        true,
        short_have,
        End::Banned("out of turn"),
    ),
    case(
        "blocks asked for and never given",
        true,
        |w| {
            wanted(w);
            w.wait(16_000);
        },
        End::Left(Fault::Silent),
    ),
    case("blocks that it says it has not", true, withheld, End::Kept),
    case(
        "more requests than wait anywhere",
        true,
        flood,
        End::Banned("more"),
    ),
    case("requests for what is private", true, private, End::Kept),
];

/// The host wants a bundle, and asks the attacker for it.
fn wanted(world: &mut World) -> (u32, ElementHash) {
    let root = ElementHash::of(b"no bundle at all");
    let profile = *world.host_profile().id();
    world.tell(Event::Fetch(profile, root, Role::Envelope));
    world.run();
    let asked = world.heard.iter().find_map(|message| match message {
        Message::Want(want) => Some(want.request),
        _ => None,
    });
    (asked.unwrap(), root)
}

fn answer(request: u32, blocks: &[(u16, &[u8])]) -> Message {
    let blocks = blocks.iter().map(|(index, bytes)| Block {
        index: *index,
        bytes: bytes.to_vec(),
    });
    Message::Blocks(Blocks {
        request,
        is_last: true,
        blocks: blocks.collect(),
    })
}

fn wrong_hash(world: &mut World) {
    let (request, _) = wanted(world);
    world.say(answer(request, &[(0, b"something else")]));
}

fn no_bundle(world: &mut World) {
    let (request, root) = wanted(world);
    world.say(answer(request, &[(0, b"no bundle at all")]));
    // Who named it lied, and that need not be who has it: the root is given up, and nothing of it stored.
    let profile = *world.host_profile().id();
    world.tell(Event::Cancel(profile, root));
    let snapshot = world.host_profile().engine().snapshot().unwrap();
    assert!(snapshot.get(&root).unwrap().is_none());
}

fn unasked(world: &mut World) {
    world.say(answer(3, &[(0, b"a gift")]));
}

fn twice(world: &mut World) {
    let (request, _) = wanted(world);
    let block: (u16, &[u8]) = (0, b"no bundle at all");
    world.say(answer(request, &[block, block]));
}

fn no_place(world: &mut World) {
    let (request, _) = wanted(world);
    world.say(answer(request, &[(7, b"no bundle at all")]));
}

fn unasked_have(world: &mut World) {
    let present = vec![true];
    world.say(Message::Have(Have {
        request: 0,
        present,
    }));
}

fn short_have(world: &mut World) {
    let status = world.status_of_attacker();
    let hashes = vec![ElementHash::of(b"a"), ElementHash::of(b"b")];
    world.tell(Event::Ask(status, *world.host_profile().id(), hashes));
    world.run();
    let present = vec![true];
    world.say(Message::Have(Have {
        request: 0,
        present,
    }));
}

fn withheld(world: &mut World) {
    let (request, root) = wanted(world);
    world.say(answer(request, &[]));
    world.wait(20_000);
    // It is not asked again at once, and nobody waits for it.
    let asked = world.heard.iter();
    assert_eq!(asked.filter(|one| one.kind().name() == "want").count(), 1);
    assert!(!world.is_fetching());
    let profile = *world.host_profile().id();
    world.tell(Event::Cancel(profile, root));
}

fn want(request: u32, hashes: &[ElementHash]) -> Message {
    Message::Want(Want::of_hashes(request, WantKind::Block, hashes))
}

fn flood(world: &mut World) {
    world.is_stuck = true;
    let many = u32::try_from(REQUESTS_MAX).unwrap() + 2;
    for request in 0..many {
        world.say(want(request, &[ElementHash::of(b"x"); WANTS_MAX]));
    }
}

fn private(world: &mut World) {
    // The blocks of the profile's history are known by their hash, and go through the history alone.
    let nothing = uxf_engine::oplog::VersionVector::default();
    let delta = world.honest_profile().delta_for(&nothing, 1 << 20).unwrap();
    world.host_profile().ingest(&delta).unwrap();
    let commits = delta.commits.iter().chain(&delta.certificates);
    let hashes: Vec<_> = commits.map(|bytes| ElementHash::of(bytes)).collect();
    world.say(want(1, &hashes));
    world.run();
    let given = world.heard.iter().find_map(|message| match message {
        Message::Blocks(blocks) => Some(blocks.blocks.len()),
        _ => None,
    });
    assert_eq!(given, Some(0));
}
