//! Who waits for a peer to be synchronised with.

use core::time::Duration;
use std::collections::BTreeSet;

use libp2p::PeerId;
use tokio::sync::oneshot::Sender;
use tokio::time::Instant;
use uxf_codec::ElementHash;
use uxf_engine::profile::sealed::ProfileId;

use super::error::SyncError;
use super::status::Synced;
use crate::host::PeerStatus;

/// Times after which a peer is asked again whether it has bundles by now.
const ASK_FIRST: Duration = Duration::from_millis(10);
const ASK_LAST: Duration = Duration::from_millis(500);

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) peer: PeerId,
    pub(super) until: Instant,
    reply: Sender<Result<Synced, SyncError>>,
    /// Bundles that the peer has.
    confirmed: BTreeSet<(ProfileId, ElementHash)>,
    /// When it may be asked what it has, and after what time then once more.
    pub(super) ask_at: Instant,
    ask_again: Duration,
}

impl Waiting {
    pub(super) fn new(
        peer: PeerId,
        until: Instant,
        reply: Sender<Result<Synced, SyncError>>,
    ) -> Self {
        Self {
            peer,
            until,
            reply,
            confirmed: BTreeSet::new(),
            ask_at: Instant::now(),
            ask_again: ASK_FIRST,
        }
    }

    pub(super) fn answer(self, result: Result<Synced, SyncError>) {
        // Who does not wait any more needs no answer.
        self.reply.send(result).ok();
    }

    /// The bundles of a profile that the peer did not say it has.
    pub(super) fn unconfirmed(
        &self,
        profile: &ProfileId,
        here: &BTreeSet<ElementHash>,
        most: usize,
    ) -> Vec<ElementHash> {
        let open = here.iter();
        let open = open.filter(|root| !self.confirmed.contains(&(*profile, **root)));
        open.take(most).copied().collect()
    }

    /// The peer is asked; not again before it has had time.
    pub(super) fn asked(&mut self, now: Instant) {
        self.ask_at = now + self.ask_again;
        self.ask_again = self.ask_again.saturating_mul(2).min(ASK_LAST);
    }

    /// The peer said what it has; if that is something new, more may be asked at once.
    pub(super) fn told(&mut self, profile: &ProfileId, told: &[(ElementHash, bool)], now: Instant) {
        for (root, is_there) in told {
            if *is_there && self.confirmed.insert((*profile, *root)) {
                self.ask_at = now;
                self.ask_again = ASK_FIRST;
            }
        }
    }
}

/// What was synchronised of the operations, if all of it is done: both sides have said how far they are, and neither lacks anything
/// of the other.
pub(super) fn done(status: &[PeerStatus]) -> Option<Synced> {
    let mut synced = Synced::default();
    for one in status {
        let progress = one.progress?;
        let is_even = progress.want == 0 && progress.lag == 0;
        let is_done = is_even && one.is_acknowledged && one.is_fresh;
        if !is_done || one.buffered_bytes > 0 {
            return None;
        }
        synced.profiles = synced.profiles.saturating_add(1);
        synced.taken = synced.taken.saturating_add(one.taken.new);
        synced.given = synced.given.saturating_add(one.given);
        synced.operations = synced.operations.saturating_add(progress.have);
    }
    (!status.is_empty()).then_some(synced)
}
