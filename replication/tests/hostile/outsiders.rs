//! Attacks of those who are no device of the profile.

use uxf_engine::oplog::VersionVector;
use uxf_replication::host::{ConnectionId, Disconnect, Fault};
use uxf_replication::session::ConnectionBinding;
use uxf_replication::wire::{
    Announce, CloseReason, FRAME_BYTES_MAX, Frame, Message, Nonce, Open, ProfileTag, SessionId,
    StatementsDigest, Versions,
};

use crate::world::{World, profile};
use crate::{Case, End, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "bytes that are no frame",
        false,
        |world| world.raw(&[255; 64]),
        End::Banned("no message"),
    ),
    case(
        "a frame longer than any",
        false,
        too_long,
        End::Banned("no message"),
    ),
    case(
        "a frame of no length",
        false,
        |world| world.raw(&[0; 7]),
        End::Banned("no message"),
    ),
    case(
        "a kind of message that is none",
        false,
        unknown_kind,
        End::Banned("no message"),
    ),
    case(
        "a message cut short inside its frame",
        false,
        short_inside,
        End::Banned("no message"),
    ),
    case(
        "something behind the last field",
        false,
        longer_inside,
        End::Banned("no message"),
    ),
    case(
        "a word before the session",
        false,
        announce_first,
        End::Banned("out of turn"),
    ),
    case(
        "the end of a session that is none",
        false,
        close_first,
        End::Kept,
    ),
    case(
        "a session with the host's own numbers",
        false,
        odd_session,
        End::Banned("out of turn"),
    ),
    case(
        "a session twice",
        false,
        open_twice,
        End::Banned("out of turn"),
    ),
    case(
        "a stranger with a certificate of another wallet",
        false,
        stranger,
        End::Kept,
    ),
    case(
        "a guess of profiles, one after the other",
        false,
        guesses,
        End::Banned("proofs of membership"),
    ),
    case(
        "a version that nobody speaks",
        false,
        unknown_version,
        End::Kept,
    ),
    case(
        "a session left half open",
        false,
        half_open,
        End::Left(Fault::Silent),
    ),
    case(
        "a hundred sessions half open",
        false,
        many_half_open,
        End::Left(Fault::Silent),
    ),
    case(
        "a frame that never ends, drop by drop",
        false,
        drops,
        End::Kept,
    ),
    case("a crowd of connections", false, crowd, End::Kept),
    case("a device that was revoked", false, revoked, End::Kept),
];

fn too_long(world: &mut World) {
    let length = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend([0, 0, 17]);
    world.raw(&bytes);
}

fn unknown_kind(world: &mut World) {
    world.raw(&[0, 0, 0, 4, 0, 0, 99, 1]);
}

fn short_inside(world: &mut World) {
    // An ack has eight bytes.
    world.raw(&[0, 0, 0, 7, 0, 0, 18, 1, 2, 3, 4]);
}

fn longer_inside(world: &mut World) {
    let mut bytes = open(0, 1).encode();
    let length = u32::try_from(bytes.len() - 3).unwrap();
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes.push(0);
    world.raw(&bytes);
}

fn announce_first(world: &mut World) {
    world.say(Message::Announce(Announce {
        statements: StatementsDigest::default(),
        heads: VersionVector::default(),
    }));
}

fn close_first(world: &mut World) {
    world.say(Message::Close(CloseReason::Done));
}

fn open(session: u16, versions: u8) -> Frame {
    let session = SessionId(session);
    let versions = Versions {
        lowest: versions,
        highest: versions,
    };
    let body = Some((ProfileTag([7; 32]), Nonce([8; 32])));
    let message = Message::Open(Open { versions, body });
    Frame { session, message }
}

fn odd_session(world: &mut World) {
    world.raw(&open(1, 1).encode());
}

fn open_twice(world: &mut World) {
    world.raw(&open(0, 1).encode());
    world.raw(&open(0, 1).encode());
}

fn stranger(world: &mut World) {
    world.open_session();
    // It cannot even make a proof, and hears nothing but a nonce.
    let heard: Vec<&str> = world.heard.iter().map(|one| one.kind().name()).collect();
    assert_eq!(heard, [""; 0]);
    assert!(world.requests() < 5);
}

fn guesses(world: &mut World) {
    let proof = |world: &World, guess: u8| {
        let binding = ConnectionBinding::of(&[guess], b"wrong");
        let digest = *blake3::hash(format!("{binding:?}").as_bytes()).as_bytes();
        Message::Proof(Box::new(world.mallory.prove_membership(&digest).unwrap()))
    };
    for guess in 0..8_u8 {
        let session = SessionId(u16::from(guess) * 2);
        world.raw(&open(session.0, 1).encode());
        let message = proof(world, guess);
        world.raw(&Frame { session, message }.encode());
    }
}

fn unknown_version(world: &mut World) {
    world.raw(&open(0, 77).encode());
    world.run();
    let heard: Vec<&str> = world.heard.iter().map(|one| one.kind().name()).collect();
    assert_eq!(heard, ["refused"]);
}

fn half_open(world: &mut World) {
    world.raw(&open(0, 1).encode());
    world.wait(11_000);
}

fn many_half_open(world: &mut World) {
    for session in 0..100 {
        world.raw(&open(session * 2, 1).encode());
    }
    world.run();
    // Sixty-four are challenged, the others are told that there is no room.
    let busy = world.heard.iter();
    assert_eq!(
        busy.filter(|one| one.kind().name() == "refused").count(),
        36
    );
    world.wait(11_000);
}

fn drops(world: &mut World) {
    // The longest frame is all that is ever kept of who has not proven anything.
    world.raw(&[0, 0, 0, 250, 0, 0, 1]);
    for _ in 0..240 {
        world.raw(&[0]);
        world.wait(100);
    }
}

fn crowd(world: &mut World) {
    for number in 3..2_000 {
        world.connect(ConnectionId(number), number);
    }
    let full = Disconnect::BackOff(Fault::Full);
    assert_eq!(world.closed_of(1_999), Some(&full));
    assert_eq!(world.closed_of(50), None);
}

fn revoked(world: &mut World) {
    let mallory = profile(1, "lost phone");
    let device = mallory.device();
    let certificate = mallory.delta_for(&VersionVector::default(), 0).unwrap();
    world.host_profile().ingest(&certificate).unwrap();
    world.host_profile().revoke(device).unwrap();
    world.mallory = mallory;
    world.open_session();
    let heard: Vec<&str> = world.heard.iter().map(|one| one.kind().name()).collect();
    assert_eq!(heard, [""; 0]);
}
