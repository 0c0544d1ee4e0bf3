use core::fmt;

use thiserror::Error;

/// How far ahead of the local clock a foreign time may lie and still be believed, in milliseconds: 10 minutes.
pub const DRIFT_MS_DEFAULT: u64 = 600_000;
/// Largest number of milliseconds, 2^48 - 1: the year 10889.
pub const HYBRID_MILLIS_MAX: u64 = (1 << 48) - 1;
/// Largest counter within one millisecond.
pub const HYBRID_COUNTER_MAX: u16 = u16::MAX;

/// A hybrid logical time: 48 bits of milliseconds since 1970, then 16 bits of a counter; ordered as one number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTime(u64);

impl HybridTime {
    /// Before every time that a clock gives out.
    pub const ZERO: Self = Self(0);

    /// A time of its parts. `None` if the milliseconds exceed [`HYBRID_MILLIS_MAX`].
    ///
    /// ```
    /// use uxf_engine::oplog::HybridTime;
    ///
    /// let time = HybridTime::new(1_700_000_000_000, 3).unwrap();
    /// assert_eq!((time.millis(), time.counter()), (1_700_000_000_000, 3));
    /// assert!(time < HybridTime::new(1_700_000_000_001, 0).unwrap());
    /// assert_eq!(HybridTime::new(1 << 48, 0), None);
    /// ```
    pub const fn new(millis: u64, counter: u16) -> Option<Self> {
        if millis > HYBRID_MILLIS_MAX {
            return None;
        }
        Some(Self(millis << 16 | counter as u64))
    }

    /// The time that a number stands for; every number is one.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number that orders times.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0 >> 16
    }

    /// The counter within the millisecond.
    pub const fn counter(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// Whether the time lies more than `drift_ms` ahead of a clock that shows `now_ms`.
    pub const fn is_beyond(self, now_ms: u64, drift_ms: u64) -> bool {
        self.millis() > now_ms.saturating_add(drift_ms)
    }
}

impl fmt::Debug for HybridTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HybridTime({self})")
    }
}

impl fmt::Display for HybridTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.millis(), self.counter())
    }
}

/// The last time that can be written was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the clock stands at the last time there is, {last}")]
pub struct ClockError {
    /// The time the clock stands at.
    pub last: HybridTime,
}

/// Gives out times that strictly increase and are later than every foreign time taken in.
///
/// It reads no clock: the caller says what time it is, in milliseconds since 1970.
///
/// ```
/// use uxf_engine::oplog::{DRIFT_MS_DEFAULT, HybridClock, HybridTime};
///
/// let mut clock = HybridClock::at(HybridTime::ZERO);
/// let first = clock.tick(1_000).unwrap();
/// // The local clock stands still, and another device is a little ahead.
/// clock.observe(HybridTime::new(1_500, 7).unwrap(), 1_000, DRIFT_MS_DEFAULT);
/// let second = clock.tick(1_000).unwrap();
/// assert!(second > first);
/// assert_eq!((second.millis(), second.counter()), (1_500, 8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HybridClock {
    last: HybridTime,
}

impl HybridClock {
    /// A clock that has given out `last`.
    pub const fn at(last: HybridTime) -> Self {
        Self { last }
    }

    /// The latest time given out or taken in.
    pub const fn last(&self) -> HybridTime {
        self.last
    }

    /// A time later than every one given out or taken in, and not before `now_ms`.
    ///
    /// # Errors
    /// [`ClockError`] if there is no later time; the clock stays where it is.
    pub fn tick(&mut self, now_ms: u64) -> Result<HybridTime, ClockError> {
        let now = HybridTime(now_ms.min(HYBRID_MILLIS_MAX) << 16);
        let after = self.last.0.checked_add(1).map(HybridTime);
        let next = after.ok_or(ClockError { last: self.last })?.max(now);
        self.last = next;
        Ok(next)
    }

    /// Takes a foreign time into account, unless it lies more than `drift_ms` ahead of `now_ms`.
    ///
    /// One that does has no effect at all, so that nobody can push this clock further than the bound.
    pub fn observe(&mut self, seen: HybridTime, now_ms: u64, drift_ms: u64) {
        if !seen.is_beyond(now_ms, drift_ms) {
            self.last = self.last.max(seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_counter_goes_on_in_the_next_millisecond() {
        let mut clock = HybridClock::at(HybridTime::new(5, HYBRID_COUNTER_MAX).unwrap());
        assert_eq!(clock.tick(5), Ok(HybridTime::new(6, 0).unwrap()));
    }

    #[test]
    fn at_the_last_time_there_is_nothing_more_to_give() {
        let last = HybridTime::from_u64(u64::MAX);
        let mut clock = HybridClock::at(last);
        assert_eq!(clock.tick(0), Err(ClockError { last }));
        assert_eq!(clock.last(), last);
        let mut clock = HybridClock::at(HybridTime::ZERO);
        assert_eq!(clock.tick(u64::MAX).unwrap().millis(), HYBRID_MILLIS_MAX);
    }

    #[test]
    fn a_time_from_the_far_future_leaves_the_clock_alone() {
        let mut clock = HybridClock::at(HybridTime::ZERO);
        clock.observe(HybridTime::new(1_101, 0).unwrap(), 1_000, 100);
        assert_eq!(clock.last(), HybridTime::ZERO);
        clock.observe(HybridTime::new(1_100, 9).unwrap(), 1_000, 100);
        assert_eq!(clock.last(), HybridTime::new(1_100, 9).unwrap());
    }

    proptest! {
        #[test]
        fn times_given_out_strictly_increase_and_stay_within_the_drift(
            steps in proptest::collection::vec((0_u64..5_000, any::<Option<u64>>()), 1..60),
        ) {
            let mut clock = HybridClock::at(HybridTime::ZERO);
            let (mut last, mut latest_now) = (HybridTime::ZERO, 0);
            for (now_ms, seen) in steps {
                latest_now = latest_now.max(now_ms);
                if let Some(seen) = seen {
                    clock.observe(HybridTime::from_u64(seen >> 10), now_ms, 100);
                }
                let next = clock.tick(now_ms).unwrap();
                prop_assert!(next > last && next.millis() >= now_ms);
                prop_assert!(next.millis() <= latest_now + 101);
                last = next;
            }
        }
    }
}
