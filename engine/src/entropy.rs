use core::fmt::Debug;

/// Where the engine gets its secrets from: the store's id and its index key, once, when a store is made.
pub trait Entropy: Debug + Send + Sync {
    /// Fills the buffer with bytes nobody can guess.
    ///
    /// # Errors
    /// When the source fails; the store is then not made.
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()>;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        getrandom::fill(out).map_err(std::io::Error::other)
    }
}
