//! The event loop.

mod act;
mod bundles;
mod calls;
mod dial;
#[cfg(feature = "discovery")]
mod discovery;
mod found;
#[cfg(feature = "gossip")]
mod gossip;

use core::time::Duration;
use std::collections::{BTreeMap, HashSet};

use futures_util::StreamExt as _;
use libp2p::core::transport::ListenerId;
use libp2p::{Multiaddr, PeerId, Stream, Swarm};
use libp2p_stream::{Control, IncomingStreams};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::ProfileId;
use uxf_engine::wallet::Wallet;

use super::behaviour::{Behaviour, SYNC};
use super::bitswap::{Call, Exchange, Gives};
use super::builder::{NodeBuilder, random};
use super::bundles::Bundles;
use super::candidates::Candidates;
use super::command::Command;
use super::error::{NodeError, SyncError};
use super::event::Listeners;
#[cfg(feature = "gossip")]
use super::gossip::Gossip;
use super::keep::KnownPeer;
use super::pool::{Done, Pool};
use super::status::NodeMetrics;
use super::stream::{StreamEnd, StreamEvent};
use super::waiting::Waiting;
use super::written::watch;
use crate::Timestamp;
use crate::host::{ConnectionId, Event, Host, Standing};
use crate::session::Side;

/// Pieces of all streams that wait for the loop.
const PIECES_MAX: usize = 64;
/// Longest time to say goodbye in.
const GOODBYE: Duration = Duration::from_millis(500);

/// A stream that was opened, or not.
type Opened = (PeerId, Result<Stream, libp2p_stream::OpenStreamError>);

/// All that a node is.
pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    control: Control,
    incoming: IncomingStreams,
    host: Host,
    pool: Pool,
    standing: Standing<PeerId>,
    metrics: NodeMetrics,
    start: Instant,
    /// Peers to be kept connected, and those for whom somebody waits.
    kept: Vec<KnownPeer>,
    /// Peers that were found and nobody named.
    candidates: Candidates,
    #[cfg(feature = "mdns")]
    local: found::LocalNetwork,
    #[cfg(feature = "gossip")]
    gossip: Option<Gossip>,
    #[cfg(feature = "discovery")]
    ways: discovery::Ways,
    waiting: Vec<Waiting>,
    listeners: Listeners,
    /// What is known of the bundles of each profile.
    bundles: BTreeMap<ProfileId, Bundles>,
    /// How many addresses are to be listened on, and which of them have begun to.
    listens: usize,
    listening: HashSet<ListenerId>,
    asked_addresses: Vec<oneshot::Sender<Vec<Multiaddr>>>,
    streams: BTreeMap<ConnectionId, (PeerId, StreamEnd)>,
    next_connection: u64,
    /// Peers that are being dialled or to whom a stream is being opened.
    opening: BTreeMap<PeerId, Instant>,
    dial_interval: Duration,
    next_dial: Instant,
    events: (mpsc::Sender<StreamEvent>, mpsc::Receiver<StreamEvent>),
    opened: (
        mpsc::UnboundedSender<Opened>,
        mpsc::UnboundedReceiver<Opened>,
    ),
    replies: mpsc::UnboundedReceiver<(Done, bool)>,
    commands: mpsc::Receiver<Command>,
    /// The task that speaks to IPFS nodes.
    bitswap: Option<mpsc::UnboundedSender<Call>>,
    /// Profiles to which something was written here.
    written: mpsc::Receiver<ProfileId>,
}

impl Driver {
    pub(super) fn new(
        options: &NodeBuilder,
        swarm: Swarm<Behaviour>,
        profiles: BTreeMap<ProfileId, Profile>,
        wallets: Vec<Wallet>,
        kept: Vec<KnownPeer>,
        commands: mpsc::Receiver<Command>,
    ) -> Result<Self, NodeError> {
        let mut control = swarm.behaviour().streams.new_control();
        let incoming = control.accept(SYNC);
        let incoming = incoming.map_err(|error| NodeError::Transport(Box::new(error)))?;
        let bitswap = match &options.bitswap {
            None => None,
            Some(gives) => Some(speak_bitswap(&control, gives)?),
        };
        let (sender, replies) = mpsc::unbounded_channel();
        let (write, written) = mpsc::channel(1);
        for profile in profiles.values() {
            watch(profile, write.clone())?;
        }
        let bundles = bundles_of(profiles.keys().copied(), wallets);
        #[cfg(feature = "gossip")]
        let gossip = options
            .gossip
            .then(|| Gossip::new(profiles.keys().copied()));
        let now = Instant::now();
        let mut driver = Self {
            listens: options
                .listen
                .iter()
                .filter(|address| !options.is_on_relay(address))
                .count(),
            listening: HashSet::new(),
            swarm,
            control,
            incoming,
            host: Host::new(options.host),
            pool: Pool::new(profiles, options.threads, sender),
            standing: Standing::new(options.standing, random()?),
            metrics: NodeMetrics::default(),
            start: now,
            kept,
            candidates: Candidates::default(),
            #[cfg(feature = "mdns")]
            local: found::LocalNetwork::new(options.mdns),
            #[cfg(feature = "gossip")]
            gossip,
            #[cfg(feature = "discovery")]
            ways: discovery::Ways::new(options),
            waiting: Vec::new(),
            listeners: Listeners::default(),
            bundles,
            asked_addresses: Vec::new(),
            streams: BTreeMap::new(),
            next_connection: 0,
            opening: BTreeMap::new(),
            dial_interval: options.dial_interval,
            next_dial: now,
            events: mpsc::channel(PIECES_MAX),
            opened: mpsc::unbounded_channel(),
            replies,
            commands,
            bitswap,
            written,
        };
        #[cfg(feature = "discovery")]
        driver.say_where(&options.discovery.external);
        let profiles: Vec<ProfileId> = driver.pool.profiles().copied().collect();
        for profile in profiles {
            driver.tell(Event::Serve(profile));
            driver.survey(profile);
        }
        Ok(driver)
    }

    pub(super) fn peer(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// Runs until it is told to end, or nobody holds the handle any more.
    pub(super) async fn run(mut self) {
        loop {
            let wake = self.next_wake();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some((peer, stream)) = self.incoming.next() => {
                    self.on_stream(peer, stream, Side::Listener);
                }
                Some(event) = self.events.1.recv() => self.on_stream_event(event),
                Some((peer, stream)) = self.opened.1.recv() => self.on_opened(peer, stream),
                Some((done, wrote)) = self.replies.recv() => {
                    self.pool.done(wrote);
                    self.on_done(done);
                }
                Some(profile) = self.written.recv() => self.changed(profile),
                command = self.commands.recv() => match command {
                    Some(Command::End) | None => break,
                    Some(command) => self.on_command(command),
                },
                () = sleep_until(wake) => self.on_time(),
            }
            self.answer_waiting();
        }
        Box::pin(self.say_goodbye()).await;
    }

    /// Closes all sessions and connections, and gives that a moment to be written.
    async fn say_goodbye(mut self) {
        let mut writing = self.streams.len();
        self.tell(Event::ShutDown);
        self.streams.clear();
        let until = Instant::now() + GOODBYE;
        while writing > 0 || self.swarm.network_info().num_peers() > 0 {
            if writing == 0 {
                let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
                for peer in peers {
                    // It may be gone by itself.
                    self.swarm.disconnect_peer_id(peer).ok();
                }
            }
            tokio::select! {
                _ = self.swarm.select_next_some() => {}
                Some(event) = self.events.1.recv() => {
                    writing = writing.saturating_sub(usize::from(matches!(event, StreamEvent::Finished)));
                }
                () = sleep_until(until) => return,
            }
        }
    }

    fn now(&self) -> Timestamp {
        let millis = self.start.elapsed().as_millis();
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    fn next_wake(&self) -> Instant {
        let timeout = self.host.next_timeout();
        let timeout = timeout.map(|at| self.start + Duration::from_millis(at.as_millis()));
        let now = Instant::now();
        let until = self.waiting.iter().flat_map(|waiting| {
            let ask_at = Some(waiting.ask_at).filter(|at| *at > now);
            ask_at.into_iter().chain([waiting.until])
        });
        #[cfg(feature = "gossip")]
        let look = self.gossip.as_ref().and_then(Gossip::next_look);
        #[cfg(not(feature = "gossip"))]
        let look = None;
        let wakes = until.chain(timeout).chain(look);
        wakes.fold(self.next_dial, Instant::min)
    }

    fn on_time(&mut self) {
        self.tell(Event::Timeout);
        #[cfg(feature = "gossip")]
        self.look();
        let now = Instant::now();
        if self.next_dial <= now {
            self.next_dial = now + self.dial_interval;
            self.opening.retain(|_, until| *until > now);
            for known in self.kept.clone() {
                self.dial(&known, false);
            }
            self.try_candidates();
            #[cfg(feature = "mdns")]
            self.listen_locally(now);
            #[cfg(feature = "discovery")]
            self.listen_on_relays(now);
        }
        for waiting in self.waiting.extract_if(.., |waiting| waiting.until <= now) {
            waiting.answer(Err(SyncError::Timeout));
        }
    }
}

/// Starts the task that speaks to IPFS nodes.
fn speak_bitswap(
    control: &Control,
    gives: &Gives,
) -> Result<mpsc::UnboundedSender<Call>, NodeError> {
    let (calls, called) = mpsc::unbounded_channel();
    let exchange = Exchange::new(control.clone(), gives.clone(), called)?;
    tokio::spawn(exchange.run());
    Ok(calls)
}

/// What is known of the bundles of each profile: only into which wallets they go.
fn bundles_of(
    profiles: impl Iterator<Item = ProfileId>,
    wallets: Vec<Wallet>,
) -> BTreeMap<ProfileId, Bundles> {
    let mut bundles: BTreeMap<ProfileId, Bundles> = BTreeMap::new();
    for profile in profiles {
        bundles.insert(profile, Bundles::default());
    }
    for wallet in wallets {
        if let Some(of) = bundles.get_mut(wallet.profile().id()) {
            of.wallets.push(wallet);
        }
    }
    bundles
}
