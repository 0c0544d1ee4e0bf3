use uxf_codec::json::Node;

use crate::wallet::{TokenFileKey, TxfToken};

/// The tokens of a token file, read where they lie.
///
/// What stands under the key of a token and is no object is passed over and counted.
#[derive(Clone, Debug)]
pub struct TokenFile<'t> {
    active: Vec<(String, TxfToken<'t>)>,
    archived: Vec<(String, TxfToken<'t>)>,
    forks: usize,
    unreadable: usize,
}

impl<'t> TokenFile<'t> {
    /// Looks at an object as a token file. Anything else is one without tokens.
    ///
    /// ```
    /// use uxf_codec::json::Tape;
    /// use uxf_engine::wallet::views::TokenFile;
    ///
    /// let mut tape = Tape::new();
    /// let file = br#"{"_meta":{},"_ab":{},"archived-cd":{},"_forked_x":{},"_outbox":[]}"#;
    /// let file = TokenFile::new(tape.parse(file).unwrap());
    /// assert_eq!((file.active().len(), file.archived().len(), file.forks()), (1, 1, 1));
    /// ```
    pub fn new(file: Node<'t>) -> Self {
        let mut found = Self {
            active: Vec::new(),
            archived: Vec::new(),
            forks: 0,
            unreadable: 0,
        };
        for (key, value) in file.entries() {
            let list = match TokenFileKey::of(&key) {
                TokenFileKey::Active { .. } => &mut found.active,
                TokenFileKey::Archived { .. } => &mut found.archived,
                TokenFileKey::Forked { .. } => {
                    found.forks += 1;
                    continue;
                }
                TokenFileKey::Reserved | TokenFileKey::Other => continue,
            };
            match TxfToken::new(value) {
                Some(token) => list.push((key.into_owned(), token)),
                None => found.unreadable += 1,
            }
        }
        found
    }

    /// Keys and tokens that are held, in the order of the file.
    pub fn active(&self) -> &[(String, TxfToken<'t>)] {
        &self.active
    }

    /// Keys and tokens that were sent away, in the order of the file.
    pub fn archived(&self) -> &[(String, TxfToken<'t>)] {
        &self.archived
    }

    /// Number of keys of tokens under which there is none.
    pub const fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// Number of keys of forks.
    pub const fn forks(&self) -> usize {
        self.forks
    }
}
