//! From elements to token JSON.

mod fetch;
mod fields;
mod hash_check;
mod options;
mod proof;
mod token;
mod transaction;

use self::fetch::Fetch;
pub(super) use self::fetch::{get, open};
pub(super) use self::fields::{write_hex, write_raw};
use self::hash_check::HashCheck;
pub use self::options::{AssembleOptions, StateIndex};
use crate::canonical::ChildView;
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;
use crate::limits::{NAMETAG_DEPTH_MAX, PROOF_DEPTH_MAX};

/// Puts tokens together from their elements. Format notes, section 6.
///
/// What comes out is the canonical form: compact JSON in the reference's order of keys, every byte field without a
/// value `null`. Keep one and use it for many tokens: its buffers stay.
///
/// ```
/// use uxf_codec::package::Pool;
/// use uxf_codec::token::{AssembleOptions, Assembler, deconstruct};
///
/// let id = "aa".repeat(32);
/// let state = r#"{"predicate":"a0","data":null}"#;
/// let json = format!(
///     r#"{{"genesis":{{"data":{{"tokenId":"{id}","salt":"05"}}}},"state":{state},"transactions":[]}}"#
/// );
/// let mut pool = Pool::default();
/// let root = deconstruct(json.as_bytes(), &mut pool).unwrap().root;
///
/// let mut out = Vec::new();
/// Assembler::new().assemble(&pool, &root, &AssembleOptions::default(), &mut out).unwrap();
/// let out = String::from_utf8(out).unwrap();
/// assert!(out.starts_with(&format!(r#"{{"version":"2.0","genesis":{{"data":{{"tokenId":"{id}","#)));
/// assert!(out.ends_with(&format!(r#""transactions":[],"state":{state},"nametags":[]}}"#)));
/// ```
#[derive(Debug, Default)]
pub struct Assembler {
    check: HashCheck,
    digits: DigitBuffers,
}

/// Room to turn the numbers of Merkle paths into decimals.
#[derive(Debug, Default)]
pub(super) struct DigitBuffers {
    pub(super) limbs: Vec<u32>,
    pub(super) chunks: Vec<u32>,
}

/// One assembly under way.
struct Run<'r, S> {
    fetch: Fetch<'r, S>,
    digits: &'r mut DigitBuffers,
    out: &'r mut Vec<u8>,
    /// Length that `out` may grow to.
    len_max: usize,
    /// Length of `out` when all elements met had been hashed.
    settled_len: usize,
}

/// What is written for elements that are still to be hashed. Forged ones may name each other in circles, which no
/// others can, and would otherwise be followed up to the largest token.
const UNSETTLED_BYTES_MAX: usize = 1 << 20;

impl Assembler {
    /// One with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the token with this root as compact JSON. When this fails, `out` is as it was.
    ///
    /// Elements are hashed several at a time, all of them before this returns. Which error is told does not depend
    /// on that: a wrong element comes before whatever is met after it, and of several the one met first is told.
    ///
    /// # Errors
    /// [`Error::MissingElement`]; [`Error::VerificationFailed`] for an element whose bytes have another hash when
    /// it is met first; [`Error::TypeMismatch`], which is tested every time;
    /// [`Error::StateIndexOutOfRange`] for a state the token does not have; [`Error::InvalidPackage`] for name-tags
    /// nested more than [`NAMETAG_DEPTH_MAX`] deep or a Merkle path without content; [`Error::LimitExceeded`] for
    /// JSON larger than [`AssembleOptions::bytes_max`]; [`Error::MalformedField`] and [`Error::MalformedCbor`] for
    /// content of the wrong shape; what [`ElementView::parse`](crate::canonical::ElementView::parse) says of bytes
    /// that are no element; and whatever the source fails with.
    pub fn assemble<S: ElementSource>(
        &mut self,
        source: &S,
        root: &ElementHash,
        options: &AssembleOptions<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.run(source, options, out, |run| {
            run.token(root, "root", NAMETAG_DEPTH_MAX, options.state)
        })
    }

    /// Appends an inclusion proof alone, as a verifier of proofs wants it.
    ///
    /// # Errors
    /// Those of [`Assembler::assemble`].
    pub fn assemble_proof<S: ElementSource>(
        &mut self,
        source: &S,
        proof: &ElementHash,
        options: &AssembleOptions<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        // A proof holds no tokens, so the reference's budget for it can not run out.
        const _: () = assert!(PROOF_DEPTH_MAX > 0);
        self.run(source, options, out, |run| run.proof(proof, "proof"))
    }

    fn run<S: ElementSource>(
        &mut self,
        source: &S,
        options: &AssembleOptions<'_>,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Run<'_, S>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = out.len();
        self.check.clear();
        let mut run = Run {
            fetch: Fetch {
                source,
                instances: options.instances,
                check: options.check_hashes.then_some(&mut self.check),
            },
            digits: &mut self.digits,
            out,
            len_max: start.saturating_add(options.bytes_max),
            settled_len: start,
        };
        let written = write(&mut run);
        // What elements say counts for nothing until they have been hashed, and neither does how reading them ended.
        let written = run.fetch.settle().and(written);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }
}

/// Appends an inclusion proof alone. For many, keep an [`Assembler`].
///
/// # Errors
/// Those of [`Assembler::assemble_proof`].
pub fn assemble_proof<S: ElementSource>(
    source: &S,
    proof: &ElementHash,
    options: &AssembleOptions<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    Assembler::new().assemble_proof(source, proof, options, out)
}

/// How many transactions a token has, which is its newest state index.
///
/// # Errors
/// [`Error::MissingElement`] without the root, [`Error::TypeMismatch`] if it is no token-root.
pub fn transaction_count<S: ElementSource>(source: &S, root: &ElementHash) -> Result<u64, Error> {
    let bytes = get(source, root, "root")?;
    let view = open(bytes.as_ref(), root, ElementType::TokenRoot)?;
    Ok(match view.child("transactions") {
        Some(ChildView::Many(list)) => list.len() as u64,
        _ => 0,
    })
}
