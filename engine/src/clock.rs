use core::fmt::Debug;
use core::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the engine reads the time: what passes for the flush interval, the date for the commits of a profile.
pub trait Clock: Debug + Send + Sync {
    /// Time since some fixed moment, never going back.
    fn monotonic(&self) -> Duration;

    /// Milliseconds since 1970, as well as the machine knows. It may jump and be wrong: the oplog bounds what that
    /// can do.
    fn unix_millis(&self) -> u64;
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

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where the engine's own clock is read"
    )]
    fn unix_millis(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }
}
