//! Many tokens at once: taken apart on several threads, committed in their order on this one.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender, bounded};
use uxf_codec::ElementHash;
use uxf_codec::json::ArrayItems;
use uxf_codec::package::TokenId;

use super::InputKind;
use super::import::{ImportOptions, Progress};
use super::report::{ImportReport, Rejected};
use crate::batch::WriteBatch;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::writer::Ticket;

/// Text that makes a chunk: large enough that a commit pays, small enough that the chunks under way fit in a few
/// megabytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Some tokens of the input, still text.
struct Chunk<'a> {
    number: usize,
    first_index: usize,
    items: Vec<&'a [u8]>,
    /// Bytes of the input up to the end of this chunk.
    input_end: usize,
}

/// The same tokens, ready to be committed.
struct Prepared {
    batch: WriteBatch,
    tokens: Vec<(TokenId, ElementHash)>,
    rejected: Vec<Rejected>,
    input_end: usize,
}

pub(super) fn import_tokens(
    inventory: &Inventory,
    kind: InputKind,
    input: &[u8],
    options: &ImportOptions,
    progress: &Progress<'_>,
) -> Result<ImportReport, Error> {
    let (chunks_in, chunks) = bounded(options.threads);
    let (prepared_in, prepared) = bounded(options.threads);
    std::thread::scope(|scope| {
        // What stops first closes its channel, and that stops the others.
        let feeder = scope.spawn(move || feed(kind, input, &chunks_in));
        for _ in 0..options.threads {
            let (chunks, prepared_in) = (chunks.clone(), prepared_in.clone());
            scope.spawn(move || prepare(inventory, &chunks, &prepared_in));
        }
        drop((chunks, prepared_in));
        let mut import = Committer::new(inventory, kind, options);
        let committed = import.run(&prepared, progress);
        drop(prepared);
        let fault = feeder.join().unwrap_or(None);
        committed?;
        let mut report = import.finish()?;
        report.rejected.extend(fault);
        Ok(report)
    })
}

/// Cuts the input into chunks. Returns what is wrong with the array around the tokens, if anything is.
fn feed<'a>(kind: InputKind, input: &'a [u8], chunks: &Sender<Chunk<'a>>) -> Option<Rejected> {
    let mut next = Chunk {
        number: 0,
        first_index: 0,
        items: Vec::new(),
        input_end: 0,
    };
    let mut fault = None;
    let mut bytes = 0;
    let mut array = ArrayItems::new(input);
    let mut single = (kind == InputKind::Token).then_some(Ok(input));
    while let Some(item) = if kind == InputKind::Token {
        single.take()
    } else {
        array.next()
    } {
        let index = next.first_index + next.items.len();
        match item {
            Ok(item) => {
                bytes += item.len();
                next.items.push(item);
                next.input_end = array.offset();
            }
            Err(error) => {
                fault = Some(Rejected {
                    index,
                    token_id: None,
                    error: error.into(),
                });
            }
        }
        if bytes >= CHUNK_BYTES {
            let following = Chunk {
                number: next.number + 1,
                first_index: next.first_index + next.items.len(),
                items: Vec::new(),
                input_end: next.input_end,
            };
            if chunks
                .send(core::mem::replace(&mut next, following))
                .is_err()
            {
                return fault;
            }
            bytes = 0;
        }
    }
    if !next.items.is_empty() {
        // Nobody takes it any more only if the import has failed, and then that is what is reported.
        drop(chunks.send(next));
    }
    fault
}

/// Takes tokens apart until there are no more.
fn prepare(
    inventory: &Inventory,
    chunks: &Receiver<Chunk<'_>>,
    prepared: &Sender<(usize, Prepared)>,
) {
    for chunk in chunks {
        let mut ready = Prepared {
            batch: inventory.engine().begin(),
            tokens: Vec::with_capacity(chunk.items.len()),
            rejected: Vec::new(),
            input_end: chunk.input_end,
        };
        for (offset, item) in chunk.items.iter().enumerate() {
            match ready.batch.ingest(inventory, item) {
                Ok(token) => ready.tokens.push((token.token_id, token.root)),
                Err(error) => ready.rejected.push(Rejected {
                    index: chunk.first_index + offset,
                    token_id: token_id_of(item),
                    error,
                }),
            }
        }
        if prepared.send((chunk.number, ready)).is_err() {
            return;
        }
    }
}

/// The id of a token that could not be taken apart, if it has one.
fn token_id_of(item: &[u8]) -> Option<String> {
    let mut tape = uxf_codec::json::Tape::new();
    let token = tape.parse(item).ok()?;
    let id = token
        .get("genesis")?
        .get("data")?
        .get("tokenId")?
        .as_text()?;
    Some(TokenId::new(&id.to_ascii_lowercase())?.as_str().to_owned())
}

/// Commits chunks in their order, the next one on its way while the one before is being written.
struct Committer<'i> {
    inventory: &'i Inventory,
    options: &'i ImportOptions,
    report: ImportReport,
    /// Chunks that are ready before their turn: at most as many as there are threads.
    early: BTreeMap<usize, Prepared>,
    next: usize,
    under_way: Option<Ticket>,
    /// Roots of the tokens seen in this import, which the inventory may not show yet.
    seen: BTreeMap<TokenId, ElementHash>,
}

impl<'i> Committer<'i> {
    fn new(inventory: &'i Inventory, kind: InputKind, options: &'i ImportOptions) -> Self {
        Self {
            inventory,
            options,
            report: ImportReport::new(kind),
            early: BTreeMap::new(),
            next: 0,
            under_way: None,
            seen: BTreeMap::new(),
        }
    }

    fn run(
        &mut self,
        prepared: &Receiver<(usize, Prepared)>,
        progress: &Progress<'_>,
    ) -> Result<(), Error> {
        for (number, chunk) in prepared {
            self.early.insert(number, chunk);
            while let Some(chunk) = self.early.remove(&self.next) {
                self.next += 1;
                (progress.0)(chunk.input_end as u64);
                self.commit(chunk)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, chunk: Prepared) -> Result<(), Error> {
        self.classify(chunk.tokens)?;
        self.report.rejected.extend(chunk.rejected);
        self.report.elements += chunk.batch.len() as u64;
        let ticket = chunk.batch.durability(self.options.durability).submit()?;
        self.await_ticket()?;
        self.under_way = Some(ticket);
        Ok(())
    }

    /// Tells new tokens from changed ones by what the inventory had before this import.
    fn classify(&mut self, tokens: Vec<(TokenId, ElementHash)>) -> Result<(), Error> {
        let before = self.inventory.engine().snapshot()?;
        for (token_id, root) in tokens {
            let had = match self.seen.get(&token_id) {
                Some(root) => Some(*root),
                None => before.root(self.inventory, token_id.as_str())?,
            };
            match had {
                None => self.report.added += 1,
                Some(had) if had == root => self.report.unchanged += 1,
                Some(_) => self.report.updated += 1,
            }
            self.seen.insert(token_id, root);
        }
        Ok(())
    }

    fn await_ticket(&mut self) -> Result<(), Error> {
        if let Some(ticket) = self.under_way.take() {
            let outcome = ticket.wait()?;
            self.report.stored += outcome.stored;
            self.report.stored_bytes += outcome.stored_bytes;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<ImportReport, Error> {
        self.await_ticket()?;
        Ok(self.report)
    }
}
