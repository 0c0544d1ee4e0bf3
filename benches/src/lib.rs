#![doc = include_str!("../README.md")]

use uxf_testkit::Wallet;

/// The synthetic wallet in memory, token by token.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The JSON texts of the tokens.
    pub tokens: Vec<String>,
}

impl Corpus {
    /// The wallet of so many tokens.
    pub fn new(tokens: u64) -> Self {
        Self {
            tokens: Wallet::new(tokens).collect(),
        }
    }

    /// Bytes of the JSON texts together.
    pub fn json_bytes(&self) -> u64 {
        self.tokens.iter().map(|token| token.len() as u64).sum()
    }

    /// Number of tokens.
    pub fn len(&self) -> u64 {
        self.tokens.len() as u64
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}
