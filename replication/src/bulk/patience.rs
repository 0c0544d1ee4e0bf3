use core::fmt::Debug;
use core::time::Duration;
use std::sync::Arc;

use uxf_engine::bundles::PIN_RETRY_DELAYS;
use uxf_engine::{Clock, Entropy, SystemClock, SystemEntropy};

#[cfg(any(feature = "http", feature = "object-store"))]
use super::error::BulkError;

/// How waiting is done.
pub trait Pause: Debug + Send + Sync {
    /// Returns after so long.
    fn pause(&self, time: Duration);
}

/// Waits by letting the thread sleep.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemPause;

impl Pause for SystemPause {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where waiting is done; tests pass in another"
    )]
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// How often and how long after each other a request is tried, with the clock, the randomness and the waiting that it
/// takes. By default four times, after 100, 500 and 2,000 ms and up to a quarter more, so that many devices that failed
/// together do not come back together.
#[derive(Clone, Debug)]
pub struct Patience {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    pause: Arc<dyn Pause>,
    delays: Vec<Duration>,
}

impl Default for Patience {
    fn default() -> Self {
        Self::new(
            Arc::new(SystemClock::new()),
            Arc::new(SystemEntropy),
            Arc::new(SystemPause),
        )
    }
}

impl Patience {
    /// The default schedule, by this clock and with this randomness and waiting.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, pause: Arc<dyn Pause>) -> Self {
        Self {
            clock,
            entropy,
            pause,
            delays: PIN_RETRY_DELAYS.to_vec(),
        }
    }

    /// Other delays before the second attempt, the third and so on; none means one attempt.
    #[must_use]
    pub fn delays(mut self, delays: impl Into<Vec<Duration>>) -> Self {
        self.delays = delays.into();
        self
    }

    /// Time by its clock.
    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Fills a buffer with bytes nobody can guess.
    #[cfg(feature = "http")]
    pub(super) fn entropy(&self, out: &mut [u8]) -> Result<(), BulkError> {
        self.entropy.fill(out).map_err(BulkError::Source)
    }

    /// Does it until it succeeds, fails for good, or patience is at its end.
    #[cfg(any(feature = "http", feature = "object-store"))]
    pub(super) fn retry<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, BulkError>,
    ) -> Result<T, BulkError> {
        let mut delays = self.delays.iter();
        loop {
            match (attempt(), delays.next()) {
                (Err(error), Some(delay)) if error.retry_class().is_transient() => {
                    tracing::debug!(%error, "trying again");
                    self.wait(*delay);
                }
                (result, _) => return result,
            }
        }
    }

    /// Waits, and up to a quarter longer.
    pub(super) fn wait(&self, time: Duration) {
        let mut random = [0];
        // Without randomness it waits the plain time, which is no reason to fail.
        let extra = match self.entropy.fill(&mut random) {
            Ok(()) => time / 4 * u32::from(random[0]) / 255,
            Err(_) => Duration::ZERO,
        };
        self.pause.pause(time + extra);
    }

    /// Delays before the rounds behind the first.
    pub(super) fn rounds(&self) -> impl Iterator<Item = Duration> {
        self.delays.iter().copied()
    }
}
