//! A host, an honest device and an attacker, and what is on its way between them.

use std::collections::{BTreeMap, VecDeque};

use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Durability, Engine, EngineOptions};
use uxf_replication::Timestamp;
use uxf_replication::host::{
    ConnectionId, Disconnect, Event, Host, HostConfig, NewConnection, Output, Request, Standing,
    StandingConfig,
};
use uxf_replication::oplog_sync::SyncConfig;
use uxf_replication::reconcile::{AnswerLimits, Patience, ReconcileConfig};
use uxf_replication::session::{self, ConnectionBinding, Sessions, SessionsConfig, Side};
use uxf_replication::wire::{Frame, FrameReader, Hello, Message, SessionId};

/// The connections of the honest device and of the attacker; those of a crowd follow.
const HONEST: ConnectionId = ConnectionId(1);
pub(crate) const ATTACKER: ConnectionId = ConnectionId(2);

/// Budgets, small so that an attack reaches them soon.
pub(crate) const PEER_BYTES: usize = 256 << 10;
pub(crate) const ROUND_BYTES_MAX: usize = 512 << 10;
const QUEUED_BYTES_MAX: usize = 1 << 20;

pub(crate) fn profile_on(options: EngineOptions, wallet: u8, device: &str) -> Profile {
    let engine = Engine::in_memory(options.durability(Durability::Buffered)).unwrap();
    let secret = WalletSecret::take(&mut [wallet; 32]);
    engine.profile(&secret, device).unwrap()
}

pub(crate) fn profile(wallet: u8, device: &str) -> Profile {
    profile_on(EngineOptions::new(), wallet, device)
}

fn config() -> HostConfig {
    HostConfig {
        connections_max: 100,
        peer_bytes: PEER_BYTES,
        total_bytes: 2 * PEER_BYTES,
        queued_bytes_max: QUEUED_BYTES_MAX,
        sync: SyncConfig {
            round_bytes: ROUND_BYTES_MAX / 4,
            round_bytes_max: ROUND_BYTES_MAX,
            ..SyncConfig::default()
        },
        reconcile: ReconcileConfig {
            answer: AnswerLimits {
                operations_bytes: ROUND_BYTES_MAX / 4,
                ..AnswerLimits::default()
            },
            patience: Patience {
                queue_bytes_max: ROUND_BYTES_MAX,
                ..Patience::default()
            },
        },
        ..HostConfig::default()
    }
}

struct Node {
    host: Host,
    profile: Profile,
    /// Requests to stores that were run.
    requests: usize,
}

impl Node {
    fn new(profile: Profile) -> Self {
        let mut host = Host::new(config());
        host.handle(Event::Serve(*profile.id()), Timestamp::default());
        Self {
            host,
            profile,
            requests: 0,
        }
    }
}

pub(crate) struct World {
    host: Node,
    honest: Node,
    /// What the attacker wrote as the device it is; the wallet's, if it is a member.
    pub(crate) mallory: Profile,
    sessions: Sessions,
    pub(crate) session: SessionId,
    /// What the attacker was told, after its session was open as messages.
    pub(crate) heard: Vec<Message>,
    reader: FrameReader,
    pub(crate) now: u64,
    /// Whether nothing leaves that is for the attacker.
    pub(crate) is_deaf: bool,
    /// Whether the host's store does nothing, and what it is to do.
    pub(crate) is_stuck: bool,
    stuck: Vec<Request>,
    flights: VecDeque<(bool, Vec<u8>)>,
    closed: BTreeMap<ConnectionId, Disconnect>,
    standing: Standing<u64>,
    expected: BTreeMap<String, Vec<u8>>,
    most_buffered: usize,
    most_queued: usize,
}

impl World {
    pub(crate) fn new(is_member: bool) -> Self {
        let wallet = if is_member { 1 } else { 2 };
        let (host, honest) = (profile(1, "host"), profile(1, "phone"));
        let mut expected = BTreeMap::new();
        for (device, one) in [("host", &host), ("phone", &honest)] {
            for number in 0..40_u8 {
                let (key, value) = (format!("app.{device}.{number}"), vec![number; 700]);
                one.put(&key, &value).unwrap();
                expected.insert(key, value);
            }
        }
        let mut world = Self {
            host: Node::new(host),
            honest: Node::new(honest),
            mallory: profile(wallet, "mallory"),
            sessions: dialling(2),
            session: SessionId(0),
            heard: Vec::new(),
            reader: FrameReader::new(),
            now: 0,
            is_deaf: false,
            is_stuck: false,
            stuck: Vec::new(),
            flights: VecDeque::new(),
            closed: BTreeMap::new(),
            standing: Standing::new(StandingConfig::default(), [3; 32]),
            expected,
            most_buffered: 0,
            most_queued: 0,
        };
        world.connect(ATTACKER, 2);
        if is_member {
            world.open_session();
        }
        world
    }

    /// Has somebody connect to the host.
    pub(crate) fn connect(&mut self, connection: ConnectionId, number: u64) {
        let new = NewConnection {
            side: Side::Listener,
            binding: binding(number),
            seed: [5; 32],
        };
        self.tell(Event::Connected(connection, new));
    }

    /// Lets something happen to the host.
    pub(crate) fn tell(&mut self, event: Event<'_>) {
        let now = Timestamp::from_millis(self.now);
        self.host.host.handle(event, now);
        self.note();
        while let Some(output) = self.host.host.poll_output() {
            self.act(output);
        }
    }

    fn note(&mut self) {
        self.most_buffered = self.most_buffered.max(self.host.host.buffered_bytes());
        self.most_queued = self.most_queued.max(self.host.host.queued_bytes());
    }

    fn act(&mut self, output: Output) {
        let now = Timestamp::from_millis(self.now);
        match output {
            Output::Run(request) if self.is_stuck => self.stuck.push(request),
            Output::Run(request) => {
                self.host.requests += 1;
                let reply = request.run(&self.host.profile);
                self.host.host.handle(Event::Reply(reply), now);
                self.note();
            }
            Output::Bytes(ATTACKER, _) if self.is_deaf => {}
            Output::Bytes(ATTACKER, bytes) => {
                let written = Event::Written(ATTACKER, bytes.len());
                self.host.host.handle(written, now);
                self.flights.push_back((false, bytes));
            }
            Output::Bytes(connection, bytes) => {
                let written = Event::Written(connection, bytes.len());
                self.host.host.handle(written, now);
                if connection == HONEST {
                    self.flights.push_back((true, bytes));
                }
            }
            Output::Close(connection, why) => {
                self.standing.closed(connection.0, &why, now);
                self.closed.insert(connection, why);
            }
            _ => {}
        }
    }

    /// Carries what is on its way, and what comes of it.
    pub(crate) fn run(&mut self) {
        while let Some((is_honest, bytes)) = self.flights.pop_front() {
            if is_honest {
                self.tell_honest(Event::Bytes(HONEST, &bytes));
            } else {
                let mut input = bytes.as_slice();
                while let Some(frame) = self.reader.next(&mut input).unwrap() {
                    self.heard.push(frame.message);
                }
            }
        }
    }

    fn tell_honest(&mut self, event: Event<'_>) {
        let now = Timestamp::from_millis(self.now);
        self.honest.host.handle(event, now);
        while let Some(output) = self.honest.host.poll_output() {
            match output {
                Output::Run(request) => {
                    let reply = request.run(&self.honest.profile);
                    self.honest.host.handle(Event::Reply(reply), now);
                }
                Output::Bytes(_, bytes) => {
                    let written = Event::Written(HONEST, bytes.len());
                    self.honest.host.handle(written, now);
                    self.tell(Event::Bytes(HONEST, &bytes));
                }
                Output::Close(_, why) => panic!("the honest device is rid of the host: {why}"),
                _ => {}
            }
        }
    }

    /// Lets time pass, with all timeouts that fall into it.
    pub(crate) fn wait(&mut self, millis: u64) {
        let until = self.now + millis;
        loop {
            self.run();
            let next = self.host.host.next_timeout().map(Timestamp::as_millis);
            let Some(at) = next.filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            self.tell(Event::Timeout);
        }
    }

    /// Bytes as the attacker likes them.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        if !self.closed.contains_key(&ATTACKER) {
            self.tell(Event::Bytes(ATTACKER, bytes));
        }
    }

    /// A message in the attacker's session.
    pub(crate) fn say(&mut self, message: Message) {
        let session = self.session;
        self.raw(&Frame { session, message }.encode());
    }

    /// The attacker proves that it is a device of its profile, as an honest one does.
    pub(crate) fn open_session(&mut self) {
        let now = Timestamp::from_millis(self.now);
        let profile = *self.host.profile.id();
        self.sessions.handle(session::Event::Open(profile), now);
        loop {
            let mut is_quiet = true;
            while let Some(output) = self.sessions.poll_output() {
                is_quiet = false;
                match output {
                    session::Output::Bytes(bytes) => self.raw(&bytes),
                    session::Output::Prove(session, _, binding) => {
                        let proof = self.mallory.prove_membership(&binding).ok().map(Box::new);
                        let proven = session::Event::Proven(session, proof);
                        self.sessions.handle(proven, now);
                    }
                    session::Output::Check(session, _, binding, proof) => {
                        let device = self.mallory.check_membership(&proof, &binding).ok();
                        let checked = session::Event::Checked(session, device);
                        self.sessions.handle(checked, now);
                    }
                    session::Output::Opened(session, ..) => self.session = session,
                    session::Output::Message(_, message) => self.heard.push(message),
                    session::Output::Disconnect(why) => panic!("{why:?}"),
                    session::Output::Refused(..) | session::Output::Closed(..) => {}
                }
            }
            while let Some((is_honest, bytes)) = self.flights.pop_front() {
                assert!(!is_honest);
                is_quiet = false;
                self.sessions.handle(session::Event::Bytes(&bytes), now);
            }
            if is_quiet {
                return;
            }
        }
    }

    /// The hello that the host said to the attacker.
    pub(crate) fn hello(&mut self) -> Hello {
        self.run();
        let said = self.heard.iter().find_map(|message| match message {
            Message::Hello(hello) => Some(hello.clone()),
            _ => None,
        });
        said.unwrap()
    }

    pub(crate) fn host_profile(&self) -> &Profile {
        &self.host.profile
    }

    pub(crate) fn honest_profile(&self) -> &Profile {
        &self.honest.profile
    }

    /// Requests to its store that the host had run.
    pub(crate) fn requests(&self) -> usize {
        self.host.requests
    }

    /// The attacker's connection, with its session open.
    pub(crate) fn status_of_attacker(&self) -> ConnectionId {
        self.host.host.status().next().unwrap().connection
    }

    /// Bytes that are buffered of the attacker.
    pub(crate) fn buffered_of_attacker(&self) -> usize {
        self.host.host.buffered_bytes_of(ATTACKER)
    }

    pub(crate) fn is_fetching(&self) -> bool {
        self.host.host.is_fetching(self.host.profile.id())
    }

    /// What else was written honestly.
    pub(crate) fn expect(&mut self, key: &str, value: &[u8]) {
        self.expected.insert(key.to_owned(), value.to_vec());
    }

    pub(crate) fn closed(&self) -> Option<&Disconnect> {
        self.closed.get(&ATTACKER)
    }

    pub(crate) fn closed_of(&self, connection: u64) -> Option<&Disconnect> {
        self.closed.get(&ConnectionId(connection))
    }

    pub(crate) fn is_banned(&self) -> bool {
        let now = Timestamp::from_millis(self.now);
        self.standing.is_banned(&ATTACKER.0, now)
    }

    /// The honest device comes and is served as if nothing had been.
    pub(crate) fn judge(&mut self) {
        // The crowd goes; who is there honestly has a place.
        for crowd in 3..2_000 {
            self.tell(Event::Disconnected(ConnectionId(crowd)));
        }
        self.is_stuck = false;
        for request in core::mem::take(&mut self.stuck) {
            self.act(Output::Run(request));
        }
        self.connect(HONEST, 1);
        let new = NewConnection {
            side: Side::Dialer,
            binding: binding(1),
            seed: [6; 32],
        };
        self.tell_honest(Event::Connected(HONEST, new));
        self.run();
        // Another peer may have the turn until its time is over.
        self.wait(60_000);
        assert_eq!(self.closed.get(&HONEST), None);
        for node in [&self.host, &self.honest] {
            let snapshot = node.profile.engine().snapshot().unwrap();
            let all = snapshot.profile(&node.profile).prefix("").unwrap();
            let all = all.map(|entry| entry.map(|(key, value)| (key, value.as_bytes().to_vec())));
            let all: BTreeMap<String, Vec<u8>> = all.collect::<Result<_, _>>().unwrap();
            assert!(all == self.expected, "other keys: {:?}", all.keys());
            let engine = node.profile.engine();
            assert!(engine.check_integrity(&mut |_| ()).unwrap().is_clean());
        }
        // Of one peer its budget and the rest of a round; with a frame of each connection.
        let most = 2 * PEER_BYTES + ROUND_BYTES_MAX + (1 << 20);
        assert!(self.most_buffered <= most, "{}", self.most_buffered);
        let most = QUEUED_BYTES_MAX + (2 << 20);
        assert!(self.most_queued <= most, "{}", self.most_queued);
    }
}

fn binding(number: u64) -> ConnectionBinding {
    ConnectionBinding::of(&number.to_be_bytes(), b"the host")
}

fn dialling(number: u64) -> Sessions {
    Sessions::new(
        SessionsConfig::default(),
        Side::Dialer,
        binding(number),
        [9; 32],
    )
}
