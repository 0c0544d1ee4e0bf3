//! Announcements of heads, to whoever listens and by whoever says them.

use libp2p::PeerId;
use libp2p::gossipsub::{Event as GossipEvent, Message, MessageAcceptance, PublishError};
use tokio::time::Instant;
use tracing::{debug, trace};
use uxf_engine::profile::sealed::ProfileId;

use super::super::builder::random;
use super::super::pool::Job;
use super::Driver;
use crate::oplog_sync::Have;

impl Driver {
    pub(super) fn on_gossip(&mut self, event: GossipEvent) {
        match event {
            GossipEvent::Message {
                propagation_source,
                message_id,
                message,
            } => {
                let Some(is_announce) = self.hear(propagation_source, &message) else {
                    return;
                };
                let Some(swarm) = self.swarm.behaviour_mut().gossip.as_mut() else {
                    return;
                };
                // Only what who knows the profile has said is passed on.
                let acceptance = if is_announce {
                    MessageAcceptance::Accept
                } else {
                    MessageAcceptance::Reject
                };
                swarm.report_message_validation_result(
                    &message_id,
                    &propagation_source,
                    acceptance,
                );
                if is_announce {
                    self.look();
                }
            }
            GossipEvent::Subscribed { topic, .. } => {
                if let Some(gossip) = &mut self.gossip {
                    gossip.has_listener(&topic);
                }
                self.look();
            }
            _ => {}
        }
    }

    /// Whether it is an announcement; who passes on another thing is not listened to any more.
    fn hear(&mut self, via: PeerId, message: &Message) -> Option<bool> {
        let gossip = self.gossip.as_mut()?;
        // Without an author nothing gets as far as here.
        let author = message.source?;
        let is_announce = gossip.hear(&message.topic, author, via, &message.data);
        if !is_announce {
            debug!(peer = %via, "what is no announcement was passed on by a peer");
            let again = gossip.mute(via);
            let swarm = self.swarm.behaviour_mut().gossip.as_mut()?;
            swarm.blacklist_peer(&via);
            if let Some(again) = again.filter(|again| *again != via) {
                swarm.remove_blacklisted_peer(&again);
            }
        }
        Some(is_announce)
    }

    /// Something was written to a profile: it is announced soon.
    pub(super) fn announce_soon(&mut self, profile: &ProfileId) {
        if let Some(gossip) = &mut self.gossip {
            gossip.changed(profile);
            self.look();
        }
    }

    /// Asks the store about what is to be announced, or was.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        for profile in self.gossip.iter_mut().flat_map(|gossip| gossip.looks(now)) {
            self.pool.run(Job::Heads(profile));
        }
    }

    /// The store has said what there is.
    pub(super) fn looked(&mut self, profile: &ProfileId, have: Option<Have>) {
        let me = self.peer();
        let Some(gossip) = &mut self.gossip else {
            return;
        };
        let (announce, heard) = gossip.looked(profile, have.as_ref(), Instant::now());
        let nonce = random().ok().and_then(|bytes| bytes.first_chunk().copied());
        if let (Some(announce), Some(nonce)) = (announce, nonce)
            && let Some((topic, payload)) = gossip.seal(profile, &me, nonce, announce)
            && let Some(swarm) = self.swarm.behaviour_mut().gossip.as_mut()
        {
            let published = swarm.publish(topic, payload);
            match &published {
                Ok(_) | Err(PublishError::NoPeersSubscribedToTopic) => {}
                Err(error) => debug!(%error, "heads were not announced"),
            }
            gossip.told(profile, have.filter(|_| published.is_ok()));
        }
        for heard in heard {
            trace!(author = %heard.author, "heads were announced that are not here");
            self.wake(heard.author);
            self.wake(heard.via);
        }
    }

    /// Who may have something new is asked, if there is a way to it: a connection, or an address.
    fn wake(&mut self, peer: PeerId) {
        if self.standing.is_banned(&peer, self.now()) {
            return;
        }
        if self.swarm.is_connected(&peer) {
            self.candidates.met(peer);
        }
        let kept = self.kept.iter().find(|known| known.peer == peer).cloned();
        match kept {
            Some(known) => self.dial(&known, true),
            None => self.try_candidate(peer),
        }
    }
}
