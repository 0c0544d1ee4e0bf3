use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use uxf_engine::oplog::identity::{DeviceId, MembershipProof};
use uxf_engine::profile::sealed::ProfileId;

use super::binding::{ConnectionBinding, SessionEnd, Side};
use crate::wire::{
    CloseReason, Frame, FrameReader, Message, MessageKind, Nonce, Open, ProfileTag, REQUESTS_MAX,
    Refusal, Refused, SessionId, VERSIONS,
};
use crate::{Misbehaviour, Timestamp};

/// Limits of the sessions of one connection.
#[derive(Clone, Copy, Debug)]
pub struct SessionsConfig {
    /// Most sessions, those that are only being opened included. Default 64; 1 to 1,024. Further ones are refused as
    /// busy.
    pub sessions_max: usize,
    /// Most refusals of members' proofs before the connection is given up. Default 8. A stranger that guesses profiles
    /// gets no further.
    pub refusals_max: usize,
    /// Longest time to open a session. Default 10 s.
    pub handshake_timeout: Duration,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            sessions_max: 64,
            refusals_max: 8,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// What happens to the sessions of a connection.
#[derive(Debug)]
pub enum Event<'e> {
    /// Bytes came over the stream.
    Bytes(&'e [u8]),
    /// This side wants a session of a profile.
    Open(ProfileId),
    /// A message is to be sent in an open session; in one that is not it is dropped.
    Send(SessionId, Message),
    /// This side is done with a session.
    Close(SessionId, CloseReason),
    /// The proof that [`Output::Prove`] asked for; `None` if there is none.
    Proven(SessionId, Option<Box<MembershipProof>>),
    /// The device that [`Output::Check`] asked for; `None` if it is no member.
    Checked(SessionId, Option<DeviceId>),
    /// The time that was asked for has come.
    Timeout,
}

/// What the driver of the sessions has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send bytes over the stream.
    Bytes(Vec<u8>),
    /// Sign a binding as a device of a profile.
    Prove(SessionId, ProfileId, [u8; 32]),
    /// Check a proof of membership for a binding.
    Check(SessionId, ProfileId, [u8; 32], Box<MembershipProof>),
    /// A session is open: both sides are devices of the profile.
    Opened(SessionId, ProfileId, DeviceId),
    /// A session that this side asked for was refused.
    Refused(ProfileId, Refused),
    /// A message of an open session.
    Message(SessionId, Message),
    /// An open session ended.
    Closed(SessionId, CloseReason),
    /// The connection is to be closed; a reason if the peer is to be banned for it.
    Disconnect(Option<Misbehaviour>),
}

/// Where a session stands.
#[derive(Debug)]
enum State {
    /// This side asked and waits for the challenge.
    Asked,
    /// This side was challenged and has its proof made.
    Proving,
    /// This side's proof is under way to the other.
    Proved,
    /// The other side asked and was challenged.
    Challenged,
    /// The other side's proof is being checked.
    Checking,
    /// The other side is a member; this side's own proof is being made.
    Welcoming(DeviceId),
    /// Both have proven.
    Open,
}

#[derive(Debug)]
struct Session {
    /// `None` if nobody here knows the tag; the stranger is challenged all the same.
    profile: Option<ProfileId>,
    opener: Nonce,
    answerer: Nonce,
    state: State,
    /// When opening must be done.
    deadline: Timestamp,
    /// What the other side said since it opened the session, while its proof is still being checked here.
    early: Vec<Message>,
}

/// The sessions of one connection.
///
/// ```
/// use uxf_engine::profile::sealed::ProfileId;
/// use uxf_replication::Timestamp;
/// use uxf_replication::session::{
///     ConnectionBinding, Event, Output, Sessions, SessionsConfig, Side,
/// };
///
/// let binding = ConnectionBinding::of(b"dialer's identity", b"listener's identity");
/// let mut sessions = Sessions::new(SessionsConfig::default(), Side::Dialer, binding, [7; 32]);
/// sessions.handle(Event::Open(ProfileId::from_bytes([2; 33])), Timestamp::default());
/// assert!(matches!(sessions.poll_output(), Some(Output::Bytes(_))));
/// assert_eq!(sessions.poll_output(), None);
/// ```
#[derive(Debug)]
pub struct Sessions {
    config: SessionsConfig,
    side: Side,
    binding: ConnectionBinding,
    seed: [u8; 32],
    nonces: u64,
    /// The number of the next session that this side opens, and the least that the other side may use.
    next: u16,
    next_theirs: u16,
    serves: Vec<ProfileId>,
    reader: FrameReader,
    all: BTreeMap<SessionId, Session>,
    refusals: usize,
    is_over: bool,
    outputs: VecDeque<Output>,
}

impl Sessions {
    /// The sessions of a new connection. Nonces are made of the seed, which the driver draws at random for each
    /// connection.
    pub fn new(
        config: SessionsConfig,
        side: Side,
        binding: ConnectionBinding,
        seed: [u8; 32],
    ) -> Self {
        Self {
            config,
            side,
            binding,
            seed,
            nonces: 0,
            next: u16::from(side == Side::Listener),
            next_theirs: u16::from(side == Side::Dialer),
            serves: Vec::new(),
            reader: FrameReader::new(),
            all: BTreeMap::new(),
            refusals: 0,
            is_over: false,
            outputs: VecDeque::new(),
        }
    }

    /// Says which profiles the other side may open sessions of, from now on.
    pub fn serve(&mut self, profiles: Vec<ProfileId>) {
        self.serves = profiles;
    }

    /// Bytes that are kept of frames that are not whole yet. What may be said in a session before it is open here is not
    /// counted: a hello and a few wants.
    pub fn buffered_bytes(&self) -> usize {
        self.reader.buffered_bytes()
    }

    /// Lets something happen.
    pub fn handle(&mut self, event: Event<'_>, now: Timestamp) {
        if self.is_over {
            return;
        }
        match event {
            Event::Bytes(mut bytes) => self.read(&mut bytes, now),
            Event::Open(profile) => self.open(profile, now),
            Event::Send(session, message) => {
                if self.is_open(session) {
                    self.send(session, message);
                }
            }
            Event::Close(session, reason) => {
                if self.all.remove(&session).is_some() {
                    self.send(session, Message::Close(reason));
                }
            }
            Event::Proven(session, proof) => self.proven(session, proof),
            Event::Checked(session, device) => self.checked(session, device),
            Event::Timeout => self.time_out(now),
        }
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Event::Timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let opening = self.all.values();
        opening
            .filter(|session| !matches!(session.state, State::Open))
            .map(|session| session.deadline)
            .min()
    }

    fn is_open(&self, session: SessionId) -> bool {
        let session = self.all.get(&session);
        session.is_some_and(|session| matches!(session.state, State::Open))
    }

    fn send(&mut self, session: SessionId, message: Message) {
        let frame = Frame { session, message };
        self.outputs.push_back(Output::Bytes(frame.encode()));
    }

    fn nonce(&mut self) -> Nonce {
        let count = self.nonces.to_be_bytes();
        self.nonces = self.nonces.saturating_add(1);
        Nonce(blake3::keyed_hash(&self.seed, &count).into())
    }

    fn open(&mut self, profile: ProfileId, now: Timestamp) {
        let session = SessionId(self.next);
        // Numbers are not used twice; 32,768 sessions on one connection are enough.
        let Some(next) = self.next.checked_add(2) else {
            return self.disconnect(None);
        };
        let is_full = self.all.len() >= self.config.sessions_max;
        if is_full {
            let refusal = Refusal::Busy;
            let versions = VERSIONS;
            let refused = Refused { refusal, versions };
            return self.outputs.push_back(Output::Refused(profile, refused));
        }
        self.next = next;
        let opener = self.nonce();
        let tag = ProfileTag::of(&profile, self.binding.as_bytes(), &opener);
        let state = Session {
            profile: Some(profile),
            opener,
            answerer: Nonce([0; 32]),
            state: State::Asked,
            deadline: now + self.config.handshake_timeout,
            early: Vec::new(),
        };
        self.all.insert(session, state);
        let open = Open {
            versions: VERSIONS,
            body: Some((tag, opener)),
        };
        self.send(session, Message::Open(open));
    }

    fn read(&mut self, bytes: &mut &[u8], now: Timestamp) {
        while !self.is_over {
            match self.reader.next(bytes) {
                Ok(Some(frame)) => self.take(frame, now),
                Ok(None) => return,
                Err(error) => self.disconnect(Some(error.into())),
            }
        }
    }

    fn take(&mut self, frame: Frame, now: Timestamp) {
        let Frame { session, message } = frame;
        let what = message.kind().name();
        let state = self.all.get(&session).map(|session| &session.state);
        match (message, state) {
            (Message::Open(open), None) if self.may_open(session) => {
                self.next_theirs = session.0.saturating_add(2);
                self.asked(session, open, now);
            }
            (Message::Challenge(version, nonce), Some(State::Asked)) => {
                self.challenged(session, version, nonce);
            }
            (Message::Proof(proof), Some(State::Challenged))
            | (Message::Welcome(proof), Some(State::Proved)) => self.check(session, proof),
            (Message::Refused(refused), Some(State::Asked | State::Proved)) => {
                if let Some(profile) = self.forget(session) {
                    self.outputs.push_back(Output::Refused(profile, refused));
                }
            }
            (Message::Close(reason), Some(State::Open)) => {
                self.all.remove(&session);
                self.outputs.push_back(Output::Closed(session, reason));
            }
            (Message::Close(_), _) => {
                self.all.remove(&session);
            }
            (message, Some(State::Open)) if !message.kind().is_of_sessions() => {
                self.outputs.push_back(Output::Message(session, message));
            }
            // For the other side the session opened with its welcome.
            (message, Some(State::Checking)) if self.keeps_early(session, &message) => {
                if let Some(state) = self.all.get_mut(&session) {
                    state.early.push(message);
                }
            }
            // It was closed here, and the other side did not know yet.
            (message, None) if self.was_known(session) && !message.kind().is_of_sessions() => {}
            _ => self.disconnect(Some(Misbehaviour::OutOfTurn { what })),
        }
    }

    /// Whether a message may come before its sender is known to be a member: what one says first, and not twice.
    fn keeps_early(&self, session: SessionId, message: &Message) -> bool {
        let early = self.all.get(&session).map(|state| &state.early);
        let (kind, early) = (message.kind(), early.map_or(&[][..], Vec::as_slice));
        let count = early.iter().filter(|one| one.kind() == kind).count();
        let most = match kind {
            MessageKind::Hello => 1,
            MessageKind::Want => REQUESTS_MAX,
            _ => 0,
        };
        self.side.opens(session) && count < most
    }

    fn was_known(&self, session: SessionId) -> bool {
        let opened = if self.side.opens(session) {
            self.next
        } else {
            self.next_theirs
        };
        session.0 < opened
    }

    /// Whether the other side may open a session of this number: one of its own that is greater than all before.
    fn may_open(&self, session: SessionId) -> bool {
        !self.side.opens(session) && session.0 >= self.next_theirs
    }

    /// The other side asks for a session.
    fn asked(&mut self, session: SessionId, open: Open, now: Timestamp) {
        let Some((tag, opener)) = open.body else {
            return self.refuse(session, Refusal::Version);
        };
        if self.all.len() >= self.config.sessions_max {
            return self.refuse(session, Refusal::Busy);
        }
        let binding = self.binding.as_bytes();
        let mut serves = self.serves.iter();
        let profile = serves.find(|one| ProfileTag::of(one, binding, &opener) == tag);
        let profile = profile.copied();
        let answerer = self.nonce();
        let state = Session {
            profile,
            opener,
            answerer,
            state: State::Challenged,
            deadline: now + self.config.handshake_timeout,
            early: Vec::new(),
        };
        self.all.insert(session, state);
        let version = VERSIONS.common(open.versions).unwrap_or(VERSIONS.highest);
        self.send(session, Message::Challenge(version, answerer));
    }

    /// The other side asks for this side's proof.
    fn challenged(&mut self, session: SessionId, version: u8, nonce: Nonce) {
        if !(VERSIONS.lowest..=VERSIONS.highest).contains(&version) {
            let what = "a version that was not offered";
            return self.disconnect(Some(Misbehaviour::OutOfTurn { what }));
        }
        if let Some(state) = self.all.get_mut(&session) {
            state.answerer = nonce;
            state.state = State::Proving;
        }
        self.prove(session);
    }

    fn prove(&mut self, session: SessionId) {
        let is_opener = self.side.opens(session);
        if let Some((profile, binding)) = self.binding_of(session, is_opener) {
            let output = Output::Prove(session, profile, binding);
            self.outputs.push_back(output);
        }
    }

    fn check(&mut self, session: SessionId, proof: Box<MembershipProof>) {
        let is_opener = !self.side.opens(session);
        match self.binding_of(session, is_opener) {
            Some((profile, binding)) => {
                if let Some(state) = self.all.get_mut(&session) {
                    state.state = State::Checking;
                }
                let output = Output::Check(session, profile, binding, proof);
                self.outputs.push_back(output);
            }
            None => self.refuse(session, Refusal::NotAMember),
        }
    }

    fn binding_of(&self, session: SessionId, is_opener: bool) -> Option<(ProfileId, [u8; 32])> {
        let state = self.all.get(&session)?;
        let profile = state.profile?;
        let binding = self.binding.of_session(&SessionEnd {
            session,
            profile: &profile,
            opener: state.opener,
            answerer: state.answerer,
            is_opener,
        });
        Some((profile, binding))
    }

    fn proven(&mut self, session: SessionId, proof: Option<Box<MembershipProof>>) {
        let Some(state) = self.all.get_mut(&session) else {
            return;
        };
        let Some(proof) = proof else {
            return self.refuse(session, Refusal::NotAMember);
        };
        match state.state {
            State::Proving => {
                state.state = State::Proved;
                self.send(session, Message::Proof(proof));
            }
            State::Welcoming(device) => {
                state.state = State::Open;
                let profile = state.profile;
                self.send(session, Message::Welcome(proof));
                self.opened(session, profile, device);
            }
            _ => {}
        }
    }

    fn checked(&mut self, session: SessionId, device: Option<DeviceId>) {
        let is_ours = self.side.opens(session);
        let Some(state) = self.all.get_mut(&session) else {
            return;
        };
        if !matches!(state.state, State::Checking) {
            return;
        }
        let Some(device) = device else {
            // Whoever was dialled is no member: that is for the user to know, not a crime.
            if is_ours && let Some(profile) = self.forget(session) {
                let refusal = Refusal::NotAMember;
                let versions = VERSIONS;
                let refused = Refused { refusal, versions };
                self.outputs.push_back(Output::Refused(profile, refused));
                return self.send(session, Message::Close(CloseReason::Protocol));
            }
            return self.refuse(session, Refusal::NotAMember);
        };
        if is_ours {
            state.state = State::Open;
            let profile = state.profile;
            let early = core::mem::take(&mut state.early);
            self.opened(session, profile, device);
            let early = early.into_iter();
            self.outputs
                .extend(early.map(|message| Output::Message(session, message)));
        } else {
            state.state = State::Welcoming(device);
            self.prove(session);
        }
    }

    fn opened(&mut self, session: SessionId, profile: Option<ProfileId>, device: DeviceId) {
        if let Some(profile) = profile {
            let output = Output::Opened(session, profile, device);
            self.outputs.push_back(output);
        }
    }

    fn refuse(&mut self, session: SessionId, refusal: Refusal) {
        self.all.remove(&session);
        let versions = VERSIONS;
        self.send(session, Message::Refused(Refused { refusal, versions }));
        if refusal == Refusal::NotAMember {
            self.refusals = self.refusals.saturating_add(1);
            if self.refusals >= self.config.refusals_max {
                let what = "proofs of membership";
                self.disconnect(Some(Misbehaviour::TooMuch { what }));
            }
        }
    }

    fn forget(&mut self, session: SessionId) -> Option<ProfileId> {
        self.all.remove(&session)?.profile
    }

    fn time_out(&mut self, now: Timestamp) {
        let late =
            |session: &Session| session.deadline <= now && !matches!(session.state, State::Open);
        // Who leaves a session half open has no use for the connection.
        if self.all.values().any(late) {
            self.disconnect(None);
        }
    }

    fn disconnect(&mut self, reason: Option<Misbehaviour>) {
        self.is_over = true;
        self.all.clear();
        self.outputs.push_back(Output::Disconnect(reason));
    }
}
