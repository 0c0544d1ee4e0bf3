use uxf_codec::instance_chain::{ChainEntry, ChainIndex, ChainMember, Strategy};
use uxf_codec::json::Tape;
use uxf_codec::token::{self, AssembleOptions, Assembler, StateIndex};
use uxf_codec::{ElementBatch, ElementHash, ElementType};

use super::recipe::Recipe;
use super::{Verdict, ensure, must};
use crate::MapSource;

/// Elements that one input may make.
const ELEMENTS_MAX: usize = 256;
/// Largest JSON that is assembled, in bytes; small, so that inputs that blow up are quick.
const BYTES_MAX: usize = 1 << 20;

/// Whatever a source holds, assembling ends with JSON of bounded size or an error, never trusts bytes under a hash
/// that is not theirs, and leaves the output alone where it fails.
///
/// The bytes are a recipe: the first byte says which state and which instances are asked for, then elements are put
/// in, raw or built, under their own hash or another one.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    let mut recipe = Recipe::new(bytes);
    let asked = recipe.byte();
    let mut made = Made::default();
    while !recipe.is_empty() && made.known.len() < ELEMENTS_MAX {
        made.step(&mut recipe);
    }
    let Some(root) = made.roots.last().or(made.known.last()).copied() else {
        return Ok(());
    };
    let state = match asked & 0x0f {
        0x0f => StateIndex::Latest,
        index => StateIndex::At(index.into()),
    };
    let strategy = match asked >> 6 {
        0 => Strategy::Latest,
        1 => Strategy::Original,
        2 => Strategy::ByRepresentation(2),
        _ => Strategy::ByKind {
            kind: "other".to_owned(),
            fallback: Some(Box::new(Strategy::Original)),
        },
    };
    let with_chains = asked & 0x10 != 0;
    let options = AssembleOptions {
        state,
        instances: with_chains.then_some((&made.chains, &strategy)),
        check_hashes: true,
        bytes_max: BYTES_MAX,
    };
    check_assembly(&made, &root, &options)
}

fn check_assembly(made: &Made, root: &ElementHash, options: &AssembleOptions<'_>) -> Verdict {
    let mut assembler = Assembler::new();
    let mut out = b"kept".to_vec();
    let checked = assembler.assemble(&made.source, root, options, &mut out);
    ensure(out.starts_with(b"kept"), || {
        "what stood in the output is gone".to_owned()
    })?;
    ensure(out.len() <= BYTES_MAX + 4, || {
        format!("{} bytes were written", out.len())
    })?;
    let mut again = Vec::new();
    let unchecked = AssembleOptions {
        check_hashes: false,
        ..*options
    };
    let believed = assembler.assemble(&made.source, root, &unchecked, &mut again);
    let Ok(()) = checked else {
        return ensure(out == b"kept", || {
            "something was written before it failed".to_owned()
        });
    };
    must("without hashing it fails", believed)?;
    let json = out.get(4..).unwrap_or_default();
    ensure(json == again, || {
        "without hashing it says something else".to_owned()
    })?;
    let mut tape = Tape::new();
    must("what was assembled is no JSON", tape.parse(json))?;
    // It may be a token that ingestion refuses, as one without an id; it may not be one that then falls apart.
    let mut batch = ElementBatch::new();
    if let Ok(summary) = token::deconstruct(json, &mut batch) {
        let options = AssembleOptions::default();
        let mut second = Vec::new();
        let assembled =
            assembler.assemble(&MapSource::of(&batch), &summary.root, &options, &mut second);
        must("a token that was taken in does not assemble", assembled)?;
    }
    Ok(())
}

#[derive(Default)]
struct Made {
    source: MapSource,
    known: Vec<ElementHash>,
    roots: Vec<ElementHash>,
    chains: ChainIndex,
}

impl Made {
    fn step(&mut self, recipe: &mut Recipe<'_>) {
        match recipe.byte() % 8 {
            0 => {
                let len = recipe.number();
                let bytes = recipe.take(len).to_vec();
                self.put(ElementHash::of(&bytes), bytes);
            }
            // Bytes of one element under the hash of another.
            1 => {
                if let (Some(from), Some(to)) =
                    (recipe.one_of(&self.known), recipe.one_of(&self.known))
                {
                    let bytes = self.source.iter().find(|(hash, _)| **hash == from);
                    let bytes = bytes.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
                    self.source.insert(to, bytes);
                }
            }
            // A hash that nothing is known of, to be named by what comes.
            2 => self
                .known
                .push(ElementHash::from_bytes([recipe.byte(); 32])),
            // A chain that says what it likes.
            3 => {
                let mut members = Vec::new();
                for _ in 0..recipe.byte() % 4 {
                    let kind = if recipe.byte() & 1 == 0 {
                        "default"
                    } else {
                        "other"
                    }
                    .to_owned();
                    let hash = recipe.one_of(&self.known);
                    members.extend(hash.map(|hash| ChainMember { hash, kind }));
                }
                if let Some(head) = members.first().map(|member| member.hash) {
                    self.chains.insert(ChainEntry {
                        head,
                        chain: members,
                    });
                }
            }
            _ => {
                let element = recipe.element(&self.known);
                if let Ok(bytes) = element.encode() {
                    let hash = ElementHash::of(&bytes);
                    if element.element_type == ElementType::TokenRoot {
                        self.roots.push(hash);
                    }
                    self.put(hash, bytes);
                }
            }
        }
    }

    fn put(&mut self, hash: ElementHash, bytes: Vec<u8>) {
        self.source.insert(hash, bytes);
        self.known.push(hash);
    }
}
