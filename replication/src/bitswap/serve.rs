//! Giving blocks to peers that name them.

use std::collections::VecDeque;

use cid::Cid;
use indexmap::IndexMap;

use super::machine::{Bitswap, Output};
use super::message::{ENTRIES_MAX, Message, Payload, Presence, Want, WantKind};
use super::store::{Found, StoreReply, StoreRequest};
use crate::Peer;

/// What a peer wants.
#[derive(Debug, Default)]
pub(super) struct Serving {
    wants: IndexMap<Cid, Wanted>,
    /// What is being read for it, in the order of the request.
    batch: VecDeque<(Cid, Wanted)>,
    /// What there was no room to remember.
    refused: Vec<Presence>,
    is_reading: bool,
    /// Messages that are on their way to it.
    sending: usize,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    kind: WantKind,
    send_dont_have: bool,
}

impl Serving {
    pub(super) fn len(&self) -> usize {
        self.wants.len().saturating_add(self.batch.len())
    }

    pub(super) const fn is_sent(&mut self) {
        self.sending = self.sending.saturating_add(1);
    }

    fn take(&mut self, want: &Want, wants_max: usize) {
        if want.is_cancel {
            self.wants.swap_remove(&want.cid);
            return;
        }
        let wanted = Wanted {
            kind: want.kind,
            send_dont_have: want.send_dont_have,
        };
        if let Some(before) = self.wants.get_mut(&want.cid) {
            // Who asked for the bytes still wants them when it asks whether they are there.
            if wanted.kind == WantKind::Block || before.kind == WantKind::Have {
                *before = wanted;
            }
        } else if self.len() < wants_max {
            self.wants.insert(want.cid, wanted);
        } else if want.send_dont_have && self.refused.len() < ENTRIES_MAX {
            self.refused.push(Presence {
                cid: want.cid,
                is_here: false,
            });
        }
    }
}

impl Bitswap {
    pub(super) fn take_wants(&mut self, peer: Peer, wants: Vec<Want>, is_full: bool) {
        let Some(serving) = self.serving.get_mut(&peer) else {
            return;
        };
        if is_full {
            serving.wants.clear();
        }
        for want in wants {
            serving.take(&want, self.config.wants_max);
        }
        self.serve(peer);
    }

    pub(super) fn sent(&mut self, peer: Peer) {
        if let Some(serving) = self.serving.get_mut(&peer) {
            serving.sending = serving.sending.saturating_sub(1);
        }
        self.serve(peer);
    }

    /// Has more read for a peer, if what was read last has left.
    fn serve(&mut self, peer: Peer) {
        let Some(serving) = self.serving.get_mut(&peer) else {
            return;
        };
        if serving.is_reading || serving.sending > 0 {
            return;
        }
        if serving.batch.is_empty() {
            let count = self.config.read_blocks.min(serving.wants.len());
            serving.batch.extend(serving.wants.drain(..count));
        }
        if !serving.batch.is_empty() {
            serving.is_reading = true;
            let batch = serving.batch.iter();
            return self.outputs.push_back(Output::Store(StoreRequest {
                peer,
                wants: batch.map(|(cid, wanted)| (*cid, wanted.kind)).collect(),
                bytes_target: self.config.read_bytes,
            }));
        }
        if !serving.refused.is_empty() {
            let presences = core::mem::take(&mut serving.refused);
            let message = Message {
                presences,
                ..Message::default()
            };
            self.send(peer, message);
        }
    }

    pub(super) fn replied(&mut self, reply: StoreReply) {
        let StoreReply { peer, found } = reply;
        let Some(serving) = self.serving.get_mut(&peer) else {
            return;
        };
        serving.is_reading = false;
        let found = match found {
            Ok(found) if !found.is_empty() => found,
            Ok(_) => vec![Found::Absent; serving.batch.len()],
            Err(error) => {
                self.outputs.push_back(Output::StoreFailed(error));
                vec![Found::Absent; serving.batch.len()]
            }
        };
        let mut message = Message {
            presences: core::mem::take(&mut serving.refused),
            ..Message::default()
        };
        for found in found {
            let Some((cid, wanted)) = serving.batch.pop_front() else {
                break;
            };
            match found {
                Found::Block(bytes) => message.blocks.push(Payload { cid, bytes }),
                Found::Here => message.presences.push(Presence { cid, is_here: true }),
                Found::Absent if wanted.send_dont_have => {
                    let is_here = false;
                    message.presences.push(Presence { cid, is_here });
                }
                // Who did not ask to be told hears nothing.
                Found::Absent => {}
            }
        }
        if message.is_empty() {
            self.serve(peer);
        } else {
            self.send(peer, message);
        }
    }
}
