use core::time::Duration;

use libp2p::identity::Keypair;
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};

use super::behaviour::Behaviour;
use super::builder::NodeBuilder;
use super::error::NodeError;

/// A connection without a stream is closed after so long.
const IDLE: Duration = Duration::from_secs(30);

/// The swarm of a node, on the runtime of the calling thread.
pub(super) fn swarm(key: Keypair, options: &NodeBuilder) -> Result<Swarm<Behaviour>, NodeError> {
    let builder = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .map_err(|error| NodeError::Transport(Box::new(error)))?;
    #[cfg(feature = "quic")]
    let builder = builder.with_quic();
    #[cfg(feature = "discovery")]
    if options.discovery.relayed {
        let builder = builder
            .with_relay_client(noise::Config::new, yamux::Config::default)
            .map_err(|error| NodeError::Transport(Box::new(error)))?
            .with_behaviour(|key, relayed| {
                let mut behaviour = Behaviour::new(key, options);
                behaviour.discovery.relayed = Some(relayed).into();
                behaviour
            })
            .map_err(|error| NodeError::Transport(Box::new(error)))?;
        return Ok(builder
            .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
            .build());
    }
    let builder = builder
        .with_behaviour(|key| Behaviour::new(key, options))
        .map_err(|error| NodeError::Transport(Box::new(error)))?;
    Ok(builder
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build())
}
