use core::fmt::Debug;
use core::time::Duration;
use std::time::Instant;

/// Where the engine reads the time: for the flush interval, never for anything stored.
pub trait Clock: Debug + Send + Sync {
    /// Time since some fixed moment, never going back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts at zero now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where the engine's own clock is read"
    )]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
