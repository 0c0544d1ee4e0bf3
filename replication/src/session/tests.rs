use uxf_engine::oplog::HybridTime;
use uxf_engine::oplog::identity::{Certificate, DeviceKey, MembershipProof, ProfileSigner};
use uxf_engine::profile::sealed::{ProfileId, WalletSecret};

use super::*;
use crate::wire::{
    Announce, CloseReason, Frame, FrameReader, Message, Nonce, Open, ProfileTag, Refusal,
    SessionId, StatementsDigest, VERSIONS, Versions,
};
use crate::{Misbehaviour, Timestamp};

/// One end: its sessions, and how its device proves and checks.
struct End {
    sessions: Sessions,
    key: DeviceKey,
    certificate: Certificate,
    got: Vec<Output>,
}

fn signer(wallet: u8) -> ProfileSigner {
    ProfileSigner::new(&WalletSecret::take(&mut [wallet; 32])).unwrap()
}

fn profile(wallet: u8) -> ProfileId {
    *signer(wallet).profile()
}

impl End {
    /// An end whose device was certified by a wallet.
    fn new(side: Side, wallet: u8, device: u8) -> Self {
        let binding = ConnectionBinding::of(b"one", b"other");
        let config = SessionsConfig::default();
        let key = DeviceKey::take(&mut [device; 32]);
        let signer = signer(wallet);
        let issued = Certificate::issue(&signer, key.id(), HybridTime::ZERO, "device");
        let mut sessions = Sessions::new(config, side, binding, [device; 32]);
        sessions.serve(vec![profile(wallet)]);
        Self {
            sessions,
            key,
            certificate: issued.unwrap(),
            got: Vec::new(),
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        self.sessions.handle(event, Timestamp::from_millis(1));
    }

    /// Answers what the machine asks and gives what it wants to send.
    fn run(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(output) = self.sessions.poll_output() {
            match output {
                Output::Bytes(more) => bytes.extend(more),
                Output::Prove(session, profile, binding) => {
                    let certificate = self.certificate.clone();
                    let proof = MembershipProof::sign(&self.key, certificate, &profile, &binding);
                    self.handle(Event::Proven(session, Some(Box::new(proof))));
                }
                Output::Check(session, profile, binding, proof) => {
                    let device = proof.verify(&profile, &binding).ok();
                    self.handle(Event::Checked(session, device));
                }
                output => self.got.push(output),
            }
        }
        bytes
    }
}

/// Carries bytes both ways until nobody has anything to say.
fn talk(one: &mut End, other: &mut End) {
    loop {
        let there = one.run();
        other.handle(Event::Bytes(&there));
        let back = other.run();
        one.handle(Event::Bytes(&back));
        if there.is_empty() && back.is_empty() {
            return;
        }
    }
}

fn announce() -> Message {
    Message::Announce(Announce {
        statements: StatementsDigest::default(),
        heads: uxf_engine::oplog::VersionVector::default(),
    })
}

#[test]
fn two_devices_of_a_profile_open_sessions_both_ways_and_speak_in_them() {
    let mut one = End::new(Side::Dialer, 1, 7);
    let mut other = End::new(Side::Listener, 1, 8);
    one.handle(Event::Open(profile(1)));
    other.handle(Event::Open(profile(1)));
    talk(&mut one, &mut other);
    for (end, peer) in [(&one, &other), (&other, &one)] {
        let id = peer.key.id();
        for session in [SessionId(0), SessionId(1)] {
            let opened = Output::Opened(session, profile(1), id);
            assert!(end.got.contains(&opened), "{:?}", end.got);
        }
    }
    assert_eq!(one.sessions.next_timeout(), None);
    one.handle(Event::Send(SessionId(1), announce()));
    one.handle(Event::Close(SessionId(0), CloseReason::Done));
    talk(&mut one, &mut other);
    let got = &other.got[other.got.len() - 2..];
    assert_eq!(
        got,
        [
            Output::Message(SessionId(1), announce()),
            Output::Closed(SessionId(0), CloseReason::Done)
        ]
    );
    // What the other side sends before it heard of the end is dropped.
    other.handle(Event::Send(SessionId(0), announce()));
    talk(&mut one, &mut other);
    assert!(
        !one.got
            .iter()
            .any(|output| matches!(output, Output::Disconnect(_)))
    );
}

#[test]
fn a_stranger_hears_the_same_whether_the_profile_is_here_or_not() {
    let mut heard = Vec::new();
    for served in [1, 3] {
        // Certified by wallet 2, asks for the profile of wallet 1.
        let mut stranger = End::new(Side::Dialer, 2, 7);
        let mut host = End::new(Side::Listener, served, 8);
        stranger.handle(Event::Open(profile(1)));
        let mut all = Vec::new();
        for _ in 0..4 {
            let there = stranger.run();
            host.handle(Event::Bytes(&there));
            let back = host.run();
            all.extend_from_slice(&back);
            stranger.handle(Event::Bytes(&back));
        }
        assert!(host.got.is_empty(), "{:?}", host.got);
        assert!(matches!(
            stranger.got.as_slice(),
            [Output::Refused(_, refused)] if refused.refusal == Refusal::NotAMember
        ));
        heard.push(all);
    }
    assert_eq!(heard[0], heard[1]);
    let (mut reader, mut rest) = (FrameReader::new(), &heard[0][..]);
    let mut kinds = Vec::new();
    while let Some(frame) = reader.next(&mut rest).unwrap() {
        kinds.push(frame.message.kind().name());
    }
    assert_eq!(kinds, ["challenge", "refused"]);
}

#[test]
fn a_host_that_is_no_member_gets_no_session() {
    let mut one = End::new(Side::Dialer, 1, 7);
    let mut host = End::new(Side::Listener, 2, 8);
    host.sessions.serve(vec![profile(1)]);
    one.handle(Event::Open(profile(1)));
    talk(&mut one, &mut host);
    assert!(matches!(one.got.as_slice(), [Output::Refused(..)]));
}

#[test]
fn a_proof_heard_in_one_session_opens_no_other() {
    let mut member = End::new(Side::Dialer, 1, 7);
    let mut host = End::new(Side::Listener, 1, 8);
    member.handle(Event::Open(profile(1)));
    let open = member.run();
    host.handle(Event::Bytes(&open));
    member.handle(Event::Bytes(&host.run()));
    let proof = member.run();
    // A thief repeats all that the member said, to the same host.
    let mut second = End::new(Side::Listener, 1, 8);
    second.sessions = Sessions::new(
        SessionsConfig::default(),
        Side::Listener,
        ConnectionBinding::of(b"one", b"other"),
        [77; 32],
    );
    second.sessions.serve(vec![profile(1)]);
    second.handle(Event::Bytes(&open));
    second.run();
    second.handle(Event::Bytes(&proof));
    let answer = second.run();
    assert!(second.got.is_empty(), "{:?}", second.got);
    let frame = FrameReader::new().next(&mut &answer[..]).unwrap().unwrap();
    assert!(matches!(frame.message, Message::Refused(_)));
}

#[test]
fn an_unknown_version_is_refused_politely_and_told_what_is_spoken() {
    let mut host = End::new(Side::Listener, 1, 8);
    let mut member = End::new(Side::Dialer, 1, 7);
    member.handle(Event::Open(profile(1)));
    talk(&mut member, &mut host);
    let versions = Versions {
        lowest: 9,
        highest: 12,
    };
    let open = Message::Open(Open {
        versions,
        body: None,
    });
    let session = SessionId(2);
    let frame = Frame {
        session,
        message: open,
    };
    host.handle(Event::Bytes(&frame.encode()));
    let answer = host.run();
    let frame = FrameReader::new().next(&mut &answer[..]).unwrap().unwrap();
    let Message::Refused(refused) = frame.message else {
        panic!("not refused");
    };
    assert_eq!(refused.refusal, Refusal::Version);
    assert_eq!(refused.versions, VERSIONS);
    // The connection goes on.
    member.handle(Event::Send(SessionId(0), announce()));
    talk(&mut member, &mut host);
    assert!(matches!(
        host.got.as_slice(),
        [Output::Opened(..), Output::Message(..)]
    ));
}

fn open_again() -> Message {
    Message::Open(Open {
        versions: VERSIONS,
        body: Some((ProfileTag([1; 32]), Nonce([1; 32]))),
    })
}

#[test]
fn messages_before_a_session_is_open_and_garbage_end_the_connection() {
    let open = |host: &mut End| {
        let mut stranger = End::new(Side::Dialer, 2, 7);
        stranger.handle(Event::Open(profile(1)));
        host.handle(Event::Bytes(&stranger.run()));
        host.run();
    };
    let early = |session, message| Frame { session, message }.encode();
    for (bytes, opens) in [
        (early(SessionId(0), announce()), true),
        (early(SessionId(1), announce()), false),
        (early(SessionId(2), announce()), true),
        (early(SessionId(0), open_again()), true),
        (early(SessionId(0), Message::Ack(0, 0)), true),
        (vec![0, 0, 0, 9, 0, 0, 99], false),
        (vec![0xff; 7], true),
    ] {
        let mut host = End::new(Side::Listener, 1, 8);
        if opens {
            open(&mut host);
        }
        host.handle(Event::Bytes(&bytes));
        host.run();
        assert!(
            matches!(host.got.as_slice(), [Output::Disconnect(Some(_))]),
            "{:?}",
            host.got
        );
        // And nothing is answered any more.
        host.handle(Event::Bytes(&bytes));
        assert!(host.run().is_empty());
    }
}

#[test]
fn who_guesses_profiles_or_leaves_sessions_half_open_loses_the_connection() {
    let mut host = End::new(Side::Listener, 1, 8);
    let mut stranger = End::new(Side::Dialer, 2, 7);
    for _ in 0..SessionsConfig::default().refusals_max {
        stranger.handle(Event::Open(profile(1)));
    }
    talk(&mut stranger, &mut host);
    let what = "proofs of membership";
    let banned = Output::Disconnect(Some(Misbehaviour::TooMuch { what }));
    assert_eq!(host.got, [banned]);

    let mut host = End::new(Side::Listener, 1, 8);
    let mut sleeper = End::new(Side::Dialer, 1, 7);
    sleeper.handle(Event::Open(profile(1)));
    host.handle(Event::Bytes(&sleeper.run()));
    let late = host.sessions.next_timeout().unwrap();
    assert_eq!(late, Timestamp::from_millis(10_001));
    host.sessions.handle(Event::Timeout, late);
    host.run();
    assert_eq!(host.got, [Output::Disconnect(None)]);
}

#[test]
fn further_sessions_than_there_is_room_for_are_refused_as_busy() {
    let mut one = End::new(Side::Dialer, 1, 7);
    let mut host = End::new(Side::Listener, 1, 8);
    let max = SessionsConfig::default().sessions_max;
    one.sessions = Sessions::new(
        SessionsConfig {
            sessions_max: max + 1,
            ..SessionsConfig::default()
        },
        Side::Dialer,
        ConnectionBinding::of(b"one", b"other"),
        [7; 32],
    );
    for _ in 0..=max {
        one.handle(Event::Open(profile(1)));
    }
    talk(&mut one, &mut host);
    let refused = one.got.iter().filter(
        |output| matches!(output, Output::Refused(_, refused) if refused.refusal == Refusal::Busy),
    );
    assert_eq!(refused.count(), 1);
    assert_eq!(host.got.len(), max);
}

fn hello() -> Message {
    Message::Hello(crate::wire::Hello {
        run: 1,
        is_pull: false,
        statements: StatementsDigest::default(),
        skip: Vec::new(),
        again: Vec::new(),
        vector: uxf_engine::oplog::VersionVector::default(),
    })
}

/// The opener's end while the store checks the other side's proof, and the proof's session is open there.
fn checking() -> (End, End, Output) {
    let mut one = End::new(Side::Dialer, 1, 7);
    let mut other = End::new(Side::Listener, 1, 8);
    one.handle(Event::Open(profile(1)));
    for _ in 0..2 {
        let there = one.run();
        other.handle(Event::Bytes(&there));
        let back = other.run();
        one.handle(Event::Bytes(&back));
    }
    let check = one.sessions.poll_output().unwrap();
    assert!(matches!(check, Output::Check(..)));
    (one, other, check)
}

#[test]
fn what_the_other_side_says_behind_its_welcome_waits_until_its_proof_is_checked() {
    let (mut one, mut other, check) = checking();
    other.handle(Event::Send(SessionId(0), hello()));
    let bytes = other.run();
    one.handle(Event::Bytes(&bytes));
    assert_eq!(one.sessions.poll_output(), None);
    let Output::Check(session, profile, binding, proof) = check else {
        return;
    };
    let device = proof.verify(&profile, &binding).ok();
    one.handle(Event::Checked(session, device));
    one.run();
    let id = other.key.id();
    let opened = Output::Opened(session, profile, id);
    assert_eq!(one.got, [opened, Output::Message(session, hello())]);
}

#[test]
fn no_more_is_kept_of_an_unchecked_peer_than_what_one_says_first() {
    for message in [hello(), announce()] {
        let (mut one, mut other, _) = checking();
        other.handle(Event::Send(SessionId(0), hello()));
        other.handle(Event::Send(SessionId(0), message));
        let bytes = other.run();
        one.handle(Event::Bytes(&bytes));
        one.run();
        assert!(matches!(
            one.got[..],
            [Output::Disconnect(Some(Misbehaviour::OutOfTurn { .. }))]
        ));
    }
}
