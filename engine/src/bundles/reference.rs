use core::fmt;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::profile::merge::{Merge, Record, RowError, whole_number};

/// Start of the key of every reference.
pub const BUNDLE_KEY_PREFIX: &str = "tokens.bundle.";

/// Seconds since 1970, the unit of references and of the consolidation lock. Everything else counts milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// The time so many seconds later.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// A number of JSON, whatever is behind the point dropped.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float keeps to the bounds of the integer"
    )]
    fn read(value: &Value) -> Option<Self> {
        value
            .as_f64()
            .filter(|number| number.is_finite())
            .map(|number| Self(number as u64))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How far a bundle has come. It never goes back: the greater status of two wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BundleStatus {
    /// Heard of, not fetched. It is not loaded and goes into no file.
    Unverified,
    /// It counts.
    Active,
    /// Another bundle has all of it.
    Superseded,
}

impl BundleStatus {
    const ALL: [Self; 3] = [Self::Unverified, Self::Active, Self::Superseded];

    /// The name in a row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Active => "active",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the name in a row.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A row that is no reference to a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BundleRefError {
    /// The row cannot be read.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The key names another bundle than the row.
    #[error("the reference to {found} stands under {key}")]
    OtherBundle {
        /// The key.
        key: String,
        /// The bundle in the row.
        found: String,
    },
}

impl BundleRefError {
    /// The code under which the reference reports all rows it cannot read.
    pub const fn code(&self) -> &'static str {
        "CID_REF_CORRUPT"
    }
}

/// A reference to a bundle: `tokens.bundle.{CID}` (profile notes, section 5.1).
///
/// Every device writes a key of its own for each bundle, so two devices never fight over one. What two devices know
/// of one bundle is joined by the rule of [`Record`]; this is a reading of such a record in which the fields that count
/// are known to be there. Fields that nothing is known of are kept.
///
/// ```
/// use uxf_engine::bundles::{BundleRef, BundleStatus, UnixSeconds};
///
/// let bundle = BundleRef::active("bafy1", UnixSeconds(1_700_000_000));
/// let gone = bundle.clone().superseded_by_bundle("bafy2", UnixSeconds(1_700_604_800));
/// assert_eq!(gone.status(), BundleStatus::Superseded);
/// assert_eq!(BundleRef::parse(&gone.format()).unwrap(), gone);
/// assert_eq!(bundle.key(), "tokens.bundle.bafy1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRef {
    cid: String,
    status: BundleStatus,
    created_at: UnixSeconds,
    record: Record,
}

impl BundleRef {
    /// A reference to a bundle that counts from now on.
    pub fn active(cid: &str, created_at: UnixSeconds) -> Self {
        Self::new(cid, BundleStatus::Active, created_at)
    }

    /// A reference to a bundle that was heard of.
    pub fn unverified(cid: &str, created_at: UnixSeconds) -> Self {
        Self::new(cid, BundleStatus::Unverified, created_at)
    }

    fn new(cid: &str, status: BundleStatus, created_at: UnixSeconds) -> Self {
        let fields = Map::from_iter([
            ("cid".to_owned(), cid.into()),
            ("createdAt".to_owned(), created_at.0.into()),
            ("status".to_owned(), status.as_str().into()),
        ]);
        Self {
            cid: cid.to_owned(),
            status,
            created_at,
            record: Record::bundle_ref(&fields),
        }
    }

    /// Reads the text of a row.
    ///
    /// # Errors
    /// [`RowError`] without a bundle id, a known status and a time.
    pub fn parse(text: &str) -> Result<Self, RowError> {
        Self::read(Record::parse_bundle_ref(text)?)
    }

    /// Reads the row under a key.
    ///
    /// # Errors
    /// [`BundleRefError`]; the row must be of the bundle that the key names.
    pub fn parse_row(key: &str, text: &str) -> Result<Self, BundleRefError> {
        let found = Self::parse(text)?;
        if key.strip_prefix(BUNDLE_KEY_PREFIX) == Some(found.cid()) {
            return Ok(found);
        }
        Err(BundleRefError::OtherBundle {
            key: key.to_owned(),
            found: found.cid,
        })
    }

    fn read(record: Record) -> Result<Self, RowError> {
        let field = |field: &'static str| record.get(field).ok_or(RowError::Field { field });
        let cid = field("cid")?.as_str().filter(|cid| !cid.is_empty());
        let cid = cid.ok_or(RowError::Field { field: "cid" })?.to_owned();
        let status = field("status")?.as_str().and_then(BundleStatus::parse);
        let created_at = UnixSeconds::read(field("createdAt")?);
        Ok(Self {
            cid,
            status: status.ok_or(RowError::Field { field: "status" })?,
            created_at: created_at.ok_or(RowError::Field { field: "createdAt" })?,
            record,
        })
    }

    /// The key it stands under.
    pub fn key(&self) -> String {
        format!("{BUNDLE_KEY_PREFIX}{}", self.cid)
    }

    /// Id of the bundle: that of its envelope block, or of all its bytes in old wallets.
    pub fn cid(&self) -> &str {
        &self.cid
    }

    /// How far it has come.
    pub const fn status(&self) -> BundleStatus {
        self.status
    }

    /// Whether it counts.
    pub fn is_active(&self) -> bool {
        self.status == BundleStatus::Active
    }

    /// When the bundle was registered.
    pub const fn created_at(&self) -> UnixSeconds {
        self.created_at
    }

    /// The bundle that has all of it.
    pub fn superseded_by(&self) -> Option<&str> {
        self.record.get("supersededBy").and_then(Value::as_str)
    }

    /// When the reference may go. Without it, never.
    pub fn remove_after(&self) -> Option<UnixSeconds> {
        UnixSeconds::read(self.record.get("removeFromProfileAfter")?)
    }

    /// The device that made the bundle.
    pub fn device(&self) -> Option<&str> {
        self.record.get("device").and_then(Value::as_str)
    }

    /// How many tokens the bundle has, as its maker says.
    pub fn token_count(&self) -> Option<u64> {
        whole_number(self.record.get("tokenCount")?)
    }

    /// Names the device that made the bundle.
    #[must_use]
    pub fn made_by(self, device: &str) -> Self {
        self.with([("device", device.into())])
    }

    /// Says how many tokens the bundle has.
    #[must_use]
    pub fn with_token_count(self, tokens: u64) -> Self {
        self.with([("tokenCount", tokens.into())])
    }

    /// The bundle was fetched and verified, and counts now. One that is superseded stays so.
    #[must_use]
    pub fn verified(self) -> Self {
        if self.status == BundleStatus::Unverified {
            self.with([("status", BundleStatus::Active.as_str().into())])
        } else {
            self
        }
    }

    /// Another bundle has all of this one; the reference may go at a time. One that is superseded stays as it is, so
    /// its deadline does not move.
    #[must_use]
    pub fn superseded_by_bundle(self, cid: &str, remove_after: UnixSeconds) -> Self {
        if self.status == BundleStatus::Superseded {
            return self;
        }
        self.with([
            ("status", BundleStatus::Superseded.as_str().into()),
            ("supersededBy", cid.into()),
            ("removeFromProfileAfter", remove_after.0.into()),
        ])
    }

    fn with<const N: usize>(self, fields: [(&str, Value); N]) -> Self {
        let mut all = self.record.to_fields();
        all.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        Self::read(Record::bundle_ref(&all)).unwrap_or(self)
    }

    /// The text of the row in canonical JSON. Equal references have equal text.
    pub fn format(&self) -> String {
        self.record.format()
    }

    /// The row.
    pub fn to_json(&self) -> Value {
        Value::Object(self.record.to_fields())
    }
}

impl Merge for BundleRef {
    /// Superseded wins over active over unverified; the earlier deadline counts.
    fn merge(self, other: Self) -> Self {
        let fallback = self.clone();
        // Each field comes from one of the two sides, so what is there is there and of its type.
        Self::read(self.record.merge(other.record)).unwrap_or(fallback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BundleRef, RowError> {
        BundleRef::parse(text)
    }

    #[test]
    fn a_reference_has_a_bundle_a_known_status_and_a_time() {
        for (text, missing) in [
            (r#"{"status":"active","createdAt":1}"#, "cid"),
            (r#"{"cid":"","status":"active","createdAt":1}"#, "cid"),
            (r#"{"cid":"c","createdAt":1}"#, "status"),
            (r#"{"cid":"c","status":"gone","createdAt":1}"#, "status"),
            (r#"{"cid":"c","status":"active"}"#, "createdAt"),
            (
                r#"{"cid":"c","status":"active","createdAt":"1"}"#,
                "createdAt",
            ),
        ] {
            assert_eq!(
                parse(text),
                Err(RowError::Field { field: missing }),
                "{text}"
            );
        }
        assert!(parse(r#"{"cid":"c","status":"active","createdAt":1.5}"#).is_ok());
    }

    #[test]
    fn a_bundle_that_is_superseded_never_counts_again() {
        let active = BundleRef::active("a", UnixSeconds(5)).with_token_count(3);
        let gone = active.clone().superseded_by_bundle("b", UnixSeconds(9));
        assert_eq!(gone.clone().merge(active.clone()), gone);
        assert_eq!(active.merge(gone.clone()), gone);
        assert_eq!(gone.clone().verified(), gone);
        let again = gone.clone().superseded_by_bundle("c", UnixSeconds(99));
        assert_eq!(again, gone, "the deadline stays");
        assert_eq!(gone.token_count(), Some(3));
    }

    #[test]
    fn two_devices_that_superseded_a_bundle_keep_the_earlier_deadline() {
        let active = BundleRef::active("a", UnixSeconds(5));
        let one = active.clone().superseded_by_bundle("x", UnixSeconds(20));
        let other = active.superseded_by_bundle("y", UnixSeconds(10));
        let both = one.clone().merge(other.clone());
        assert_eq!(both, other.merge(one));
        assert_eq!(both.remove_after(), Some(UnixSeconds(10)));
        assert_eq!(both.superseded_by(), Some("x"));
    }

    #[test]
    fn fields_that_nothing_is_known_of_stay() {
        let text = r#"{"cid":"c","createdAt":1,"sourcedFromSnapshotPointerCid":"p","status":"unverified"}"#;
        let bundle = parse(text).unwrap();
        assert_eq!(bundle.format(), text);
        let verified = bundle.verified();
        assert_eq!(verified.format(), text.replace("unverified", "active"));
    }
}
