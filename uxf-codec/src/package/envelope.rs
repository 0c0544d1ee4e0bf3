use crate::canonical::{Value, number};

/// The version that every package of this format states.
pub const FORMAT_VERSION: &str = "1.0.0";

/// What a package says of itself. Its CID is the identity of the bundle, so every field matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Version of the format; CARs accept only [`FORMAT_VERSION`], UXF JSON any text.
    pub version: String,
    /// When the package was begun.
    pub created_at: Timestamp,
    /// When tokens were last added or removed.
    pub updated_at: Timestamp,
    /// Who made it; at most 256 UTF-16 units.
    pub creator: Option<String>,
    /// What it is for; at most 1,024 UTF-16 units.
    pub description: Option<String>,
}

impl Envelope {
    /// An envelope of this format's version, begun and last changed at one time.
    pub fn new(now: Timestamp) -> Self {
        Self {
            version: FORMAT_VERSION.to_owned(),
            created_at: now,
            updated_at: now,
            creator: None,
            description: None,
        }
    }
}

impl Default for Envelope {
    fn default() -> Self {
        Self::new(Timestamp::from_secs(0))
    }
}

/// Seconds since 1970 as the reference keeps them: a finite number of its language.
///
/// What is written here is always whole and not negative; CARs of others may hold fractions and negative numbers,
/// which are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Timestamp(f64);

impl Timestamp {
    /// Whole seconds; more than 2^53-1 are cut to that.
    #[expect(clippy::cast_precision_loss, reason = "at most 2^53-1, which is exact")]
    pub const fn from_secs(secs: u64) -> Self {
        const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;
        Self(if secs < SAFE_INTEGER_MAX {
            secs
        } else {
            SAFE_INTEGER_MAX
        } as f64)
    }

    /// Any finite number; `None` for NaN and infinities.
    pub const fn from_number(secs: f64) -> Option<Self> {
        if secs.is_finite() {
            Some(Self(secs))
        } else {
            None
        }
    }

    /// Seconds.
    pub const fn as_number(self) -> f64 {
        self.0
    }

    pub(crate) fn to_value(self) -> Value {
        number(self.0)
    }
}
