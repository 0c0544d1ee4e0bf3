use thiserror::Error;

/// Highest value of a Lamport clock: 2^48. A slot that claims more is malformed.
pub const LAMPORT_MAX: u64 = 1 << 48;

/// A value that a Lamport clock can have: 0 to 2^48.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(u64);

/// Why a clock did not move.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum LamportError {
    /// No whole number from 0 to 2^48.
    #[error(
        "{found} is no time of a Lamport clock, which is a whole number from 0 to {LAMPORT_MAX}"
    )]
    NotATime {
        /// What was given.
        found: f64,
    },
    /// A value observed elsewhere is more than twice the clock: believing it would let one writer wear out the clock
    /// of all.
    #[error("the observed time {observed} is more than {bound}, twice the clock")]
    BeyondBound {
        /// The highest value observed.
        observed: u64,
        /// The highest value that is believed.
        bound: u64,
    },
    /// The clock stands at its highest value.
    #[error("the clock is at its end")]
    WornOut,
}

impl LamportError {
    /// The code of the reference; it has none for a clock at its end.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotATime { .. } => "VALIDATION_ERROR",
            Self::BeyondBound { .. } => "LAMPORT_BOUND_VIOLATION",
            Self::WornOut => "LAMPORT_WORN_OUT",
        }
    }
}

impl LamportTime {
    /// Takes a number, as one read from JSON.
    ///
    /// # Errors
    /// [`LamportError::NotATime`].
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the range was checked and 2^48 is exact in a float"
    )]
    pub fn from_number(number: f64) -> Result<Self, LamportError> {
        if number.fract() == 0.0 && (0.0..=LAMPORT_MAX as f64).contains(&number) {
            Ok(Self(number as u64))
        } else {
            Err(LamportError::NotATime { found: number })
        }
    }

    /// Takes an integer; `None` beyond 2^48.
    pub const fn new(time: u64) -> Option<Self> {
        if time <= LAMPORT_MAX {
            Some(Self(time))
        } else {
            None
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Numbers the writes of one writer, so that what was written in the knowledge of something has a higher number.
///
/// One clock for each writer, address and process; the outbox and the sent ledger have one each.
///
/// ```
/// use uxf_engine::profile::envelope::{LamportClock, LamportTime};
///
/// let seen = |time| LamportTime::new(time).unwrap();
/// let mut clock = LamportClock::default();
/// assert_eq!(clock.next(&[]).unwrap(), seen(1));
/// assert_eq!(clock.next(&[seen(2)]).unwrap(), seen(3));
/// assert!(clock.next(&[seen(7)]).is_err(), "more than twice the clock");
/// clock.rehydrate(&[seen(460)]);
/// assert_eq!(clock.next(&[]).unwrap(), seen(461));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LamportClock {
    current: LamportTime,
}

impl LamportClock {
    /// A clock that stands at a time.
    pub const fn at(current: LamportTime) -> Self {
        Self { current }
    }

    /// Where it stands.
    pub const fn current(&self) -> LamportTime {
        self.current
    }

    /// The number of the next write: one more than the clock and everything observed. The clock moves there.
    ///
    /// # Errors
    /// [`LamportError::BeyondBound`] and [`LamportError::WornOut`]; the clock stays where it is.
    pub fn next(&mut self, observed: &[LamportTime]) -> Result<LamportTime, LamportError> {
        let highest = observed.iter().copied().max().unwrap_or_default();
        let bound = 2 * self.current.0.max(1);
        if highest.0 > bound {
            return Err(LamportError::BeyondBound {
                observed: highest.0,
                bound,
            });
        }
        let next = self.current.max(highest).0 + 1;
        self.current = LamportTime::new(next).ok_or(LamportError::WornOut)?;
        Ok(self.current)
    }

    /// Takes in the numbers of one's own stored writes, tombstones included, without the bound: without this the third
    /// write after a restart would be refused.
    pub fn rehydrate(&mut self, own: &[LamportTime]) {
        self.current = own.iter().copied().fold(self.current, LamportTime::max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_no_time_is_told_apart_from_one_that_is_too_high() {
        for number in [-1.0, 1.5, f64::NAN, f64::INFINITY, 281_474_976_710_657.0] {
            assert_eq!(
                LamportTime::from_number(number).unwrap_err().code(),
                "VALIDATION_ERROR"
            );
        }
        assert_eq!(
            LamportTime::from_number(281_474_976_710_656.0),
            Ok(LamportTime(LAMPORT_MAX))
        );
    }

    #[test]
    fn a_clock_at_its_end_stays_there() {
        let end = LamportTime(LAMPORT_MAX);
        let mut clock = LamportClock::at(end);
        assert_eq!(clock.next(&[]), Err(LamportError::WornOut));
        assert_eq!(clock.current(), end);
    }

    #[test]
    fn a_refused_observation_does_not_move_the_clock() {
        let mut clock = LamportClock::at(LamportTime(5));
        let refused = clock.next(&[LamportTime(11)]);
        assert_eq!(
            refused,
            Err(LamportError::BeyondBound {
                observed: 11,
                bound: 10
            })
        );
        assert_eq!(clock.next(&[LamportTime(10)]), Ok(LamportTime(11)));
    }
}
