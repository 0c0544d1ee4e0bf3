use core::time::Duration;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use uxf_codec::ElementHash;
use uxf_engine::oplog::identity::DeviceId;
use uxf_engine::profile::sealed::ProfileId;

use super::block_on::block_on;
use crate::host::Disconnect;
use crate::oplog_sync::Taken;
use crate::reconcile::Reconciled;

/// Events of a node that nobody has taken yet; of more, the newest are dropped and counted.
const QUEUED_MAX: usize = 1_024;

/// What happens to a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// It can be reached at an address.
    Listening(Multiaddr),
    /// A peer has proven to be a device of a profile, and was shown that this is one.
    Opened {
        /// The peer.
        peer: PeerId,
        /// The profile.
        profile: ProfileId,
        /// The device.
        device: DeviceId,
    },
    /// A peer refused: it serves none of the profiles, or does not count this device among theirs.
    Refused(PeerId),
    /// A peer gave all that it has of a profile and was not here; it is in the store.
    Pulled {
        /// The peer.
        peer: PeerId,
        /// The profile.
        profile: ProfileId,
        /// What came.
        taken: Taken,
    },
    /// What counts of a profile was reconciled with a peer; what came of it is in the store.
    Reconciled {
        /// The peer.
        peer: PeerId,
        /// The profile.
        profile: ProfileId,
        /// What it came to.
        sum: Reconciled,
    },
    /// A peer has stored all that it was given of a profile.
    Pushed {
        /// The peer.
        peer: PeerId,
        /// The profile.
        profile: ProfileId,
    },
    /// A bundle is in the store with all below it.
    Fetched {
        /// The profile.
        profile: ProfileId,
        /// Its root.
        root: ElementHash,
    },
    /// A peer was found that nobody named, and is tried.
    Found {
        /// Who says to be there. Nothing is known of it.
        peer: PeerId,
        /// Where.
        address: Multiaddr,
    },
    /// A peer was not reached.
    Unreachable(PeerId),
    /// A connection was closed by this side, with the reason, or ended otherwise.
    Closed {
        /// The peer.
        peer: PeerId,
        /// Why.
        why: Option<Disconnect>,
    },
    /// So many events were dropped because nobody took them.
    Lagged(u64),
}

/// The events of a node from some time on.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<NodeEvent>,
}

impl Events {
    /// Waits for the next one; `None` once the node has ended.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        self.events.recv().await
    }

    /// The same on a thread that may block, no longer than this; `None` if nothing came or the node has ended.
    pub fn next_timeout(&mut self, longest: Duration) -> Option<NodeEvent> {
        let until = Instant::now() + longest;
        block_on(self.events.recv(), Some(until)).flatten()
    }

    /// One that is there already.
    pub fn try_next(&mut self) -> Option<NodeEvent> {
        self.events.try_recv().ok()
    }
}

/// Who wants to know.
#[derive(Debug, Default)]
pub(super) struct Listeners(Vec<(mpsc::Sender<NodeEvent>, u64)>);

impl Listeners {
    pub(super) fn add(&mut self) -> Events {
        let (sender, events) = mpsc::channel(QUEUED_MAX);
        self.0.push((sender, 0));
        Events { events }
    }

    pub(super) fn tell(&mut self, event: &NodeEvent) {
        self.0.retain_mut(|(sender, lost)| {
            if *lost > 0 && sender.try_send(NodeEvent::Lagged(*lost)).is_ok() {
                *lost = 0;
            }
            match sender.try_send(event.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    *lost = lost.saturating_add(1);
                    true
                }
                Err(TrySendError::Closed(_)) => false,
            }
        });
    }
}
