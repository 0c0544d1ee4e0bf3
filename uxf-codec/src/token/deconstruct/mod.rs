//! From token JSON to elements.

mod encoder;
pub(super) mod fields;
mod gate;
mod proof;
mod token;
mod transaction;

use self::encoder::Encoder;
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
    /// An element that stands in the token more than once may be put once or more often. When this fails, elements
    /// may have been put already: an [`ElementBatch`](crate::ElementBatch) makes a token all or nothing.
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

    /// The same for a token within a text that has been read already, as an item of an array of tokens.
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
    hashes: Vec<ElementHash>,
    certificate: LastCertificate,
}

impl Work {
    fn token(
        &mut self,
        token: Node<'_>,
        sink: &mut impl ElementSink,
    ) -> Result<TokenSummary, Error> {
        let token_id = gate::pass(token)?;
        self.hashes.clear();
        self.certificate.is_put = false;
        let root = self.outer_token(token, sink)?;
        Ok(gate::summarise(token, token_id, root))
    }
}
