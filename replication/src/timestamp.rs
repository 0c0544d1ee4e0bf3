use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A moment, in milliseconds since one that the driver of the machines chose. It never goes back; what time of day it is
/// no machine here knows.
///
/// ```
/// use core::time::Duration;
/// use uxf_replication::Timestamp;
///
/// let start = Timestamp::from_millis(5);
/// assert_eq!((start + Duration::from_secs(2)).as_millis(), 2_005);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A moment of its milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Its milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long it is after an earlier one; nothing if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
