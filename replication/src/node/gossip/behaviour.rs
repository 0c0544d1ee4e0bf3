//! The part of libp2p that carries announcements, and its limits.

use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter,
    MessageAuthenticity, TopicHash, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;
use uxf_engine::profile::sealed::ProfileId;

use super::TOPICS_MAX;
use super::sealed::topic_name;

/// Longest message of gossip with everything around it, in bytes.
const MESSAGE_BYTES_MAX: usize = 128 << 10;
/// Messages that wait to be written to one peer.
const QUEUED_MAX: usize = 256;

/// What speaks to the others: only topics of this node are listened to, by whomever.
pub(in crate::node) type Behaviour = gossipsub::Behaviour<
    IdentityTransform,
    MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>,
>;

/// Listens to the topics of profiles. What comes is given on only once it was found to be an announcement.
pub(in crate::node) fn behaviour<'p>(
    key: &Keypair,
    profiles: impl Iterator<Item = &'p ProfileId>,
) -> Result<Behaviour, Box<dyn core::error::Error + Send + Sync>> {
    let topics: Vec<String> = profiles.take(TOPICS_MAX).map(topic_name).collect();
    let hashes = topics.iter().map(TopicHash::from_raw).collect();
    let config = ConfigBuilder::default()
        .max_transmit_size(MESSAGE_BYTES_MAX)
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .connection_handler_queue_len(QUEUED_MAX)
        .build()?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(hashes),
        max_subscribed_topics: topics.len(),
        max_subscriptions_per_request: TOPICS_MAX,
    };
    let signed = MessageAuthenticity::Signed(key.clone());
    let mut behaviour = Behaviour::new_with_subscription_filter(signed, config, filter)?;
    for topic in topics {
        behaviour.subscribe(&IdentTopic::new(topic))?;
    }
    Ok(behaviour)
}
