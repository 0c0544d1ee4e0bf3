//! From token JSON to elements.

mod encoder;
pub(super) mod fields;
mod gate;
mod proof;
mod token;
mod transaction;

use self::encoder::{Encoder, Place};
use self::proof::LastCertificate;
use super::TokenSummary;
use crate::element::{ElementHash, ElementSink};
use crate::error::Error;
use crate::json::{Node, Tape};
#[cfg(doc)]
use crate::limits::NAMETAG_DEPTH_MAX;

/// Takes tokens apart into elements. Format notes, section 5.
///
/// Keep one and use it for many tokens: its buffers stay.
///
/// ```
/// use uxf_codec::ElementBatch;
/// use uxf_codec::token::Deconstructor;
///
/// let id = "aa".repeat(32);
/// let state = r#"{"predicate":"a0","data":null}"#;
/// let json = format!(
///     r#"{{"genesis":{{"data":{{"tokenId":"{id}","salt":"05"}}}},"state":{state},"transactions":[]}}"#
/// );
/// let mut batch = ElementBatch::new();
/// let summary = Deconstructor::new().deconstruct(json.as_bytes(), &mut batch).unwrap();
/// assert_eq!(summary.token_id.as_str(), id);
/// // genesis-data, token-state, genesis, token-root
/// assert_eq!(batch.len(), 4);
/// assert_eq!(batch.get(3).unwrap().hash, summary.root);
/// ```
#[derive(Debug, Default)]
pub struct Deconstructor {
    tape: Tape,
    work: Work,
}

/// Takes one token apart. For many, keep a [`Deconstructor`].
///
/// # Errors
/// Those of [`Deconstructor::deconstruct`].
pub fn deconstruct(json: &[u8], sink: &mut impl ElementSink) -> Result<TokenSummary, Error> {
    Deconstructor::new().deconstruct(json, sink)
}

impl Deconstructor {
    /// One with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a token and puts its elements into the sink, children before parents.
    ///
    /// An element that stands in the token more than once may be put once or more often. Nothing is put of a token that
    /// is refused.
    ///
    /// # Errors
    /// [`Error::MalformedJson`]; [`Error::InvalidPackage`] for what is no token or nests name-tags more than
    /// [`NAMETAG_DEPTH_MAX`] deep; [`Error::InvalidHash`] for a byte field that is not hex;
    /// [`Error::MalformedField`] for any other field of the wrong shape; [`Error::LimitExceeded`] for a number in a
    /// Merkle path beyond all use; and whatever the sink fails with.
    pub fn deconstruct(
        &mut self,
        json: &[u8],
        sink: &mut impl ElementSink,
    ) -> Result<TokenSummary, Error> {
        let token = self.tape.parse(json)?;
        self.work.token(token, sink)
    }

    /// Takes apart one token after the other and appends what came of each to `results`, in their order.
    ///
    /// The elements of neighbouring tokens are hashed together, which is faster than one token alone. Nothing of a
    /// token that fails is put, and the others are not touched by it.
    ///
    /// # Errors
    /// Whatever the sink fails with. `results` then ends before the tokens that were not put.
    pub fn deconstruct_each<'j>(
        &mut self,
        tokens: impl IntoIterator<Item = &'j [u8]>,
        sink: &mut impl ElementSink,
        results: &mut Vec<Result<TokenSummary, Error>>,
    ) -> Result<(), Error> {
        let Self { tape, work } = self;
        let build = |work: &mut Work, token| work.build(tape.parse(token)?);
        work.each(tokens, build, sink, results)
    }

    /// Takes apart tokens within texts that have been read already, as [`deconstruct_each`](Self::deconstruct_each) does.
    ///
    /// A token may name an element that one of the others put. So whoever keeps only some of them looks for what these
    /// name among the elements of all.
    ///
    /// # Errors
    /// Those of [`deconstruct_each`](Self::deconstruct_each).
    pub fn deconstruct_nodes<'n>(
        &mut self,
        tokens: impl IntoIterator<Item = Node<'n>>,
        sink: &mut impl ElementSink,
        results: &mut Vec<Result<TokenSummary, Error>>,
    ) -> Result<(), Error> {
        self.work.each(tokens, Work::build, sink, results)
    }

    /// Takes apart a token within a text that has been read already, as an item of an array of tokens.
    ///
    /// # Errors
    /// Those of [`Deconstructor::deconstruct`].
    pub fn deconstruct_node(
        &mut self,
        token: Node<'_>,
        sink: &mut impl ElementSink,
    ) -> Result<TokenSummary, Error> {
        self.work.token(token, sink)
    }
}

/// Buffers for one token after the other.
#[derive(Debug, Default)]
struct Work {
    encoder: Encoder,
    /// The inner CBOR of a path or a reason.
    blob: Vec<u8>,
    /// Room to calculate in.
    limbs: Vec<u64>,
    /// Transactions and name-tags of the tokens under way, those of the outermost first.
    hashes: Vec<Place>,
    certificate: LastCertificate,
}

/// Elements and bytes that are gathered from neighbouring tokens before they are hashed together.
const GROUP_BYTES: usize = 64 << 10;

impl Work {
    fn token(
        &mut self,
        token: Node<'_>,
        sink: &mut impl ElementSink,
    ) -> Result<TokenSummary, Error> {
        self.encoder.clear();
        let (mut summary, root) = self.build(token)?;
        self.flush(sink)?;
        summary.root = self.encoder.hash(root);
        Ok(summary)
    }

    /// Takes apart one token after the other, hashing those of a group together.
    fn each<T>(
        &mut self,
        tokens: impl IntoIterator<Item = T>,
        mut build: impl FnMut(&mut Self, T) -> Result<(TokenSummary, Place), Error>,
        sink: &mut impl ElementSink,
        results: &mut Vec<Result<TokenSummary, Error>>,
    ) -> Result<(), Error> {
        let mut tokens = tokens.into_iter();
        let mut roots: Vec<Option<Place>> = Vec::new();
        loop {
            self.encoder.clear();
            roots.clear();
            let start = results.len();
            while self.encoder.byte_len() < GROUP_BYTES
                && let Some(token) = tokens.next()
            {
                let built = build(self, token);
                roots.push(built.as_ref().ok().map(|(_, root)| *root));
                results.push(built.map(|(summary, _)| summary));
            }
            if roots.is_empty() {
                return Ok(());
            }
            if let Err(fault) = self.flush(sink) {
                results.truncate(start);
                return Err(fault);
            }
            for (result, root) in results.iter_mut().skip(start).zip(&roots) {
                if let (Ok(summary), Some(root)) = (result, root) {
                    summary.root = self.encoder.hash(*root);
                }
            }
        }
    }

    /// Builds the elements of a token without their hashes; nothing of a token that fails stays.
    fn build(&mut self, token: Node<'_>) -> Result<(TokenSummary, Place), Error> {
        let token_id = gate::pass(token)?;
        let mark = self.encoder.mark();
        self.hashes.clear();
        match self.outer_token(token) {
            Ok(root) => {
                let unknown = ElementHash::from_bytes([0; 32]);
                Ok((gate::summarise(token, token_id, unknown), root))
            }
            Err(fault) => {
                self.encoder.truncate(mark);
                self.certificate.truncate(mark);
                Err(fault)
            }
        }
    }

    fn flush(&mut self, sink: &mut impl ElementSink) -> Result<(), Error> {
        self.encoder.hash_all();
        self.certificate.keep_after_flush(&self.encoder);
        self.encoder.hand_over(sink)
    }
}
