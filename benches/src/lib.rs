#![doc = include_str!("../README.md")]

use uxf_codec::package::{Package, Timestamp};
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

    /// The tokens as one JSON array, as a wallet exports them.
    pub fn json_array(&self) -> Vec<u8> {
        format!("[{}]", self.tokens.join(",")).into_bytes()
    }

    /// The tokens as a package.
    ///
    /// # Errors
    /// Those of [`Package::ingest`]; the synthetic wallet has none.
    pub fn package(&self) -> Result<Package, uxf_codec::Error> {
        package_of(&self.tokens)
    }
}

/// A package of some tokens.
///
/// # Errors
/// Those of [`Package::ingest`].
pub fn package_of<T: AsRef<[u8]>>(tokens: &[T]) -> Result<Package, uxf_codec::Error> {
    let mut package = Package::default();
    for token in tokens {
        package.ingest(token.as_ref(), Timestamp::from_secs(0))?;
    }
    Ok(package)
}

/// Bytes of the elements of a package together.
pub fn element_bytes(package: &Package) -> u64 {
    let elements = package.pool().iter();
    elements
        .map(|(_, element)| element.bytes().len() as u64)
        .sum()
}
