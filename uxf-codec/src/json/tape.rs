use core::fmt;

use super::node::{Kind, Node};
use super::parser::Parser;
use crate::error::Error;

/// The values of one JSON text in the order of the text, in a buffer that is used again for the next.
///
/// Takes 16 bytes for every value and every key, which is at most 8 bytes for a byte of text.
///
/// ```
/// use uxf_codec::json::Tape;
///
/// let mut tape = Tape::new();
/// let node = tape.parse(br#"{"a": [1, "two"], "b": null}"#).unwrap();
/// let second = node.get("a").unwrap().items().nth(1).unwrap();
/// assert_eq!(second.as_text().as_deref(), Some("two"));
/// assert!(node.get("b").unwrap().is_null());
/// assert!(tape.parse(b"[1,]").is_err());
/// ```
#[derive(Default)]
pub struct Tape {
    entries: Vec<Entry>,
    open: Vec<u32>,
}

/// A value or a key.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// First byte: of the content of a text, of the whole of anything else.
    pub(super) start: u32,
    /// One behind the last byte.
    pub(super) end: u32,
    /// The entry behind this value and all it holds.
    pub(super) next: u32,
    pub(super) kind: Kind,
    /// Whether a text holds escapes.
    pub(super) escaped: bool,
}

const _: () = assert!(size_of::<Entry>() == 16);

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a text, replacing what the tape held.
    ///
    /// # Errors
    /// [`Error::MalformedJson`] for what is not UTF-8, not JSON, or nested deeper than
    /// [`NESTING_MAX`](crate::limits::NESTING_MAX); [`Error::LimitExceeded`] for a text of 4 GiB or more.
    pub fn parse<'t>(&'t mut self, text: &'t [u8]) -> Result<Node<'t>, Error> {
        self.entries.clear();
        self.open.clear();
        if u32::try_from(text.len()).is_err() {
            return Err(Error::LimitExceeded {
                what: "bytes of a JSON text",
                limit: u32::MAX.into(),
                found: text.len() as u64,
            });
        }
        let text = core::str::from_utf8(text).map_err(|fault| Error::MalformedJson {
            offset: fault.valid_up_to(),
            reason: "not UTF-8",
        })?;
        Parser::new(text, &mut self.entries, &mut self.open).run()?;
        Ok(Node::root(&self.entries, text))
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
