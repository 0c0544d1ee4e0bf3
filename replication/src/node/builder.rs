use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::mpsc as std_mpsc;

use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use tokio::sync::mpsc;
use tracing::Instrument as _;
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::ProfileId;
use uxf_engine::wallet::Wallet;
use zeroize::Zeroizing;

use super::bitswap::Gives;
use super::driver::Driver;
use super::error::NodeError;
use super::handle::Node;
use super::keep::KnownPeer;
use super::network::swarm;
use crate::host::{HostConfig, StandingConfig};

/// What a node is to be.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before it spawns"]
pub struct NodeBuilder {
    pub(super) profiles: BTreeMap<ProfileId, Profile>,
    wallets: Vec<Wallet>,
    pub(super) listen: Vec<Multiaddr>,
    pub(super) peers: Vec<Multiaddr>,
    pub(super) host: HostConfig,
    pub(super) standing: StandingConfig,
    pub(super) threads: usize,
    pub(super) dial_interval: Duration,
    /// Whether to speak to IPFS nodes, and the store whose blocks they get.
    pub(super) bitswap: Option<Gives>,
    #[cfg(feature = "mdns")]
    pub(super) mdns: bool,
    #[cfg(feature = "gossip")]
    pub(super) gossip: bool,
    #[cfg(feature = "discovery")]
    pub(super) discovery: super::discovery::Discovery,
    #[cfg(feature = "memory-limits")]
    pub(super) memory_max: Option<usize>,
    identity: Option<IdentitySecret>,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        Self {
            profiles: BTreeMap::new(),
            wallets: Vec::new(),
            listen: Vec::new(),
            peers: Vec::new(),
            host: HostConfig::default(),
            standing: StandingConfig::default(),
            threads: 4,
            dial_interval: Duration::from_secs(1),
            bitswap: None,
            #[cfg(feature = "mdns")]
            mdns: false,
            #[cfg(feature = "gossip")]
            gossip: false,
            #[cfg(feature = "discovery")]
            discovery: super::discovery::Discovery::default(),
            #[cfg(feature = "memory-limits")]
            memory_max: None,
            identity: None,
        }
    }
}

impl NodeBuilder {
    /// Serves a profile.
    pub fn serve(mut self, profile: Profile) -> Self {
        self.profiles.insert(*profile.id(), profile);
        self
    }

    /// Listens on an address, such as `/ip4/127.0.0.1/tcp/0`.
    pub fn listen(mut self, address: Multiaddr) -> Self {
        self.listen.push(address);
        self
    }

    /// Keeps connected with a peer, whose address ends in `/p2p/` and its identity.
    pub fn peer(mut self, address: Multiaddr) -> Self {
        self.peers.push(address);
        self
    }

    /// The same with several.
    pub fn peers(mut self, addresses: impl IntoIterator<Item = Multiaddr>) -> Self {
        self.peers.extend(addresses);
        self
    }

    /// Keeps a wallet of a profile that is served in step with it: what other devices published is fetched whole and taken in. Bundles that
    /// a profile names are fetched without a wallet too, but then nothing keeps them from the next collection.
    pub fn wallet(mut self, wallet: Wallet) -> Self {
        self.wallets.push(wallet);
        self
    }

    /// Limits of the host. Besides, there are at most two connections with one peer, since both may dial at once (four if it can
    /// be reached over relays too), and at most 64 that are being made, in either direction.
    pub fn host(mut self, config: HostConfig) -> Self {
        self.host = config;
        self
    }

    /// For how long peers are banned or left alone.
    pub fn standing(mut self, config: StandingConfig) -> Self {
        self.standing = config;
        self
    }

    /// Threads that may run requests to stores at once. Default 4, at least 1.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Speaks bitswap with IPFS nodes: [fetches](super::NodeHandle::bitswap_blocks) blocks of theirs and gives them some. Default: it does not.
    pub fn bitswap(mut self, gives: Gives) -> Self {
        self.bitswap = Some(gives);
        self
    }

    /// Finds nodes on the local network by mDNS and is found by them. Default: no. Each that is found is tried as [`found`](super::Node::found) says. Anybody
    /// there learns the node's identity and where it listens.
    #[cfg(feature = "mdns")]
    pub const fn mdns(mut self, is_wanted: bool) -> Self {
        self.mdns = is_wanted;
        self
    }

    /// Announces by gossip what is written to the profiles here, and asks those whose announcements name something new. Default: no.
    /// Announcements wake up devices that are connected with each other and have no session, or that left each other alone; between
    /// devices with a session there is no need of them. They are sealed: who does not know a profile sees only that somebody
    /// changes it. At most 1,024 profiles are announced.
    #[cfg(feature = "gossip")]
    pub const fn gossip(mut self, is_wanted: bool) -> Self {
        self.gossip = is_wanted;
        self
    }

    /// Ways to find and to reach peers that are further away. Default: none.
    #[cfg(feature = "discovery")]
    pub fn discovery(mut self, ways: super::discovery::Discovery) -> Self {
        self.discovery = ways;
        self
    }

    /// Makes no further connection, in either direction, while the process has so many bytes in memory. Default: no limit but
    /// those of [`HostConfig`]. Those that there are stay.
    #[cfg(feature = "memory-limits")]
    pub const fn memory_max(mut self, bytes: usize) -> Self {
        self.memory_max = Some(bytes);
        self
    }

    /// The secret of the node's identity, so that it has the same again when it is started anew. It is no secret of a profile.
    /// Default: drawn at random.
    pub fn identity(mut self, secret: [u8; 32]) -> Self {
        self.identity = Some(IdentitySecret(Zeroizing::new(secret)));
        self
    }

    /// Starts the node on a thread of its own.
    ///
    /// # Errors
    /// [`NodeError::Unnamed`], [`NodeError::System`], [`NodeError::Transport`].
    pub fn spawn(self) -> Result<Node, NodeError> {
        let peers = self.peers.iter().map(KnownPeer::of);
        let peers = peers.collect::<Result<Vec<KnownPeer>, NodeError>>()?;
        let (commands, received) = mpsc::channel(64);
        let (started, has_started) = std_mpsc::channel();
        let thread = std::thread::Builder::new().name("uxf-node".to_owned());
        let thread = thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(self.threads.max(1))
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    started.send(Err(NodeError::System(error))).ok();
                    return;
                }
            };
            runtime.block_on(async move {
                match self.start(peers, received) {
                    Ok(driver) => {
                        let peer = driver.peer();
                        started.send(Ok(peer)).ok();
                        let span = tracing::info_span!("node", %peer);
                        Box::pin(driver.run()).instrument(span).await;
                    }
                    Err(error) => {
                        started.send(Err(error)).ok();
                    }
                }
            });
        });
        let thread = thread.map_err(NodeError::System)?;
        let peer = has_started.recv().map_err(|_| NodeError::Closed)??;
        Ok(Node::new(peer, commands, thread))
    }

    fn start(
        mut self,
        peers: Vec<KnownPeer>,
        commands: mpsc::Receiver<super::command::Command>,
    ) -> Result<Driver, NodeError> {
        let mut secret = match self.identity.take() {
            Some(IdentitySecret(secret)) => secret,
            None => Zeroizing::new(random()?),
        };
        let key = Keypair::ed25519_from_bytes(secret.as_mut_slice())
            .map_err(|error| NodeError::Transport(Box::new(error)))?;
        #[cfg(feature = "gossip")]
        let gossip = if self.gossip {
            let gossip = super::gossip::behaviour(&key, self.profiles.keys());
            Some(gossip.map_err(NodeError::Transport)?)
        } else {
            None
        };
        let mut swarm = swarm(key, &self)?;
        #[cfg(feature = "gossip")]
        {
            swarm.behaviour_mut().gossip = gossip.into();
        }
        let here = self
            .listen
            .iter()
            .filter(|address| !self.is_on_relay(address));
        for address in here {
            let listens = swarm.listen_on(address.clone());
            listens.map_err(|error| NodeError::Transport(Box::new(error)))?;
        }
        let profiles = core::mem::take(&mut self.profiles);
        let wallets = core::mem::take(&mut self.wallets);
        Driver::new(&self, swarm, profiles, wallets, peers, commands)
    }
}

#[cfg(feature = "discovery")]
impl NodeBuilder {
    /// Whether an address is one on a relay that is to be listened on whenever the relay is there.
    pub(super) fn is_on_relay(&self, address: &Multiaddr) -> bool {
        use libp2p::multiaddr::Protocol;

        self.discovery.relayed && address.iter().any(|part| part == Protocol::P2pCircuit)
    }
}

#[cfg(not(feature = "discovery"))]
impl NodeBuilder {
    #[expect(clippy::unused_self, reason = "with relays it is used")]
    pub(super) const fn is_on_relay(&self, _: &Multiaddr) -> bool {
        false
    }
}

/// A secret that is wiped and not shown.
#[derive(Clone)]
struct IdentitySecret(Zeroizing<[u8; 32]>);

impl fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentitySecret(..)")
    }
}

/// Thirty-two bytes that nobody can guess.
pub(super) fn random() -> Result<[u8; 32], NodeError> {
    let mut out = [0; 32];
    getrandom::fill(&mut out).map_err(|error| NodeError::System(error.into()))?;
    Ok(out)
}
