//! Giving blocks to peers that ask for them.

use std::collections::VecDeque;

use super::machine::{BlockExchange, Output};
use super::store::{BlocksError, StoreRequest};
use crate::wire::{
    BLOCK_BYTES_MAX, BLOCKS_BYTES_TARGET, Block, Blocks, Have, Message, REQUESTS_MAX, Want,
    WantEntry, WantKind,
};
use crate::{Misbehaviour, Peer};

/// What a peer asks for, the first being answered.
#[derive(Debug, Default)]
pub(super) struct Serving {
    wants: VecDeque<Wanted>,
    /// Whether the store is being read for it.
    is_reading: bool,
    /// Whether something is on its way to it.
    is_sending: bool,
}

#[derive(Debug)]
struct Wanted {
    request: u32,
    kind: WantKind,
    entries: Vec<WantEntry>,
    /// How many blocks they want, and of these are answered.
    count: usize,
    done: usize,
}

impl BlockExchange {
    pub(super) fn take_want(&mut self, peer: Peer, want: Want) -> Result<(), Misbehaviour> {
        let Some(serving) = self.serving.get_mut(&peer) else {
            return Ok(());
        };
        if serving.wants.len() >= REQUESTS_MAX {
            let what = "requests for blocks";
            return Err(Misbehaviour::TooMuch { what });
        }
        serving.wants.push_back(Wanted {
            request: want.request,
            kind: want.kind,
            count: want.entries.iter().map(WantEntry::block_count).sum(),
            entries: want.entries,
            done: 0,
        });
        self.serve(peer);
        Ok(())
    }

    pub(super) fn sent(&mut self, peer: Peer) {
        if let Some(serving) = self.serving.get_mut(&peer) {
            serving.is_sending = false;
        }
        self.serve(peer);
    }

    /// Has more read for a peer, if what was read last has left.
    fn serve(&mut self, peer: Peer) {
        let Some(serving) = self.serving.get_mut(&peer) else {
            return;
        };
        if serving.is_reading || serving.is_sending {
            return;
        }
        if let Some(want) = serving.wants.front() {
            serving.is_reading = true;
            self.outputs.push_back(Output::Store(StoreRequest::Read {
                peer,
                request: want.request,
                kind: want.kind,
                entries: want.entries.clone(),
                done: want.done,
                bytes_target: BLOCKS_BYTES_TARGET,
            }));
        }
    }

    pub(super) fn read(
        &mut self,
        peer: Peer,
        request: u32,
        blocks: Result<Vec<Option<Vec<u8>>>, BlocksError>,
    ) {
        let Some(serving) = self.serving.get_mut(&peer) else {
            return;
        };
        serving.is_reading = false;
        let Some(want) = serving
            .wants
            .front_mut()
            .filter(|want| want.request == request)
        else {
            return;
        };
        let found = match blocks {
            Ok(found) if !found.is_empty() => found,
            // Nothing of the rest is here.
            Ok(_) => vec![None; want.count.saturating_sub(want.done)],
            Err(error) => {
                self.outputs.push_back(Output::StoreFailed(error));
                vec![None; want.count.saturating_sub(want.done)]
            }
        };
        let from = want.done;
        want.done = want.done.saturating_add(found.len());
        let is_last = want.done >= want.count;
        let message = match want.kind {
            WantKind::Have => Message::Have(Have {
                request,
                present: found.iter().map(Option::is_some).collect(),
            }),
            WantKind::Block => Message::Blocks(Blocks {
                request,
                is_last,
                blocks: numbered(from, found),
            }),
        };
        if is_last {
            serving.wants.pop_front();
        }
        // A part of which nothing is here says nothing unless it is the last.
        let is_empty = matches!(&message, Message::Blocks(blocks) if blocks.blocks.is_empty());
        if is_empty && !is_last {
            return self.serve(peer);
        }
        serving.is_sending = true;
        self.outputs.push_back(Output::Send(peer, message));
    }
}

/// The blocks that are here with their places in the request. One that is longer than a message may be is not offered.
fn numbered(from: usize, found: Vec<Option<Vec<u8>>>) -> Vec<Block> {
    let places = (from..).map(|place| u16::try_from(place).unwrap_or(u16::MAX));
    let found = places.zip(found);
    found
        .filter_map(|(index, bytes)| {
            Some(Block {
                index,
                bytes: bytes?,
            })
        })
        .filter(|block| block.bytes.len() <= BLOCK_BYTES_MAX)
        .collect()
}
