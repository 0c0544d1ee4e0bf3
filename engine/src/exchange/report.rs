use super::InputKind;
use crate::error::Error;

/// What an import did.
#[derive(Debug)]
#[non_exhaustive]
pub struct ImportReport {
    /// What the input was.
    pub kind: InputKind,
    /// Tokens the inventory did not have.
    pub added: u64,
    /// Tokens it had with another root, which is replaced.
    pub updated: u64,
    /// Tokens it had just so.
    pub unchanged: u64,
    /// Elements the tokens consist of, each as often as a token or an element of it names it anew.
    pub elements: u64,
    /// Elements that were not in the store before.
    pub stored: u64,
    /// Bytes of those.
    pub stored_bytes: u64,
    /// Newer instances of elements that were left out because the input lacks something they name.
    pub instances_left_out: u64,
    /// Tokens that were refused, in the order of the input. Nothing of them is stored.
    pub rejected: Vec<Rejected>,
}

impl ImportReport {
    pub(super) const fn new(kind: InputKind) -> Self {
        Self {
            kind,
            added: 0,
            updated: 0,
            unchanged: 0,
            elements: 0,
            stored: 0,
            stored_bytes: 0,
            instances_left_out: 0,
            rejected: Vec::new(),
        }
    }

    /// Tokens that are in the inventory because of this import, or were there already.
    pub const fn accepted(&self) -> u64 {
        self.added + self.updated + self.unchanged
    }
}

/// A token that was refused.
#[derive(Debug)]
pub struct Rejected {
    /// Which token of the input, counted from 0.
    pub index: usize,
    /// Its id, where it could be read.
    pub token_id: Option<String>,
    /// Why. It names the field.
    pub error: Error,
}
