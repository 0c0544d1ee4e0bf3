use serde_json::{Map, Value, json};

use super::disposition::{ContentHash, DispositionReason, SCHEMA};
use crate::profile::merge::{Merge, Record, RowError, whole_number};

const PROMOTED: &str = "audit-promoted";

/// The record of a token that was observed and may count some day.
///
/// Two observations are joined by the rule of [`Record`]: the first reason and time stay, bundle ids add up, of which the
/// smallest 32 are kept, and a promotion is never taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    record: Record,
}

/// The next step of a promotion. Each can be repeated, so a promotion that was cut off is finished by promoting again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromotionStep {
    /// Write the record with [`AuditRecord::with_promotion_pending`].
    Mark,
    /// Add the record's key to the manifest entry's back-references, comparing and setting.
    AddBackReference,
    /// Write the record with [`AuditRecord::promoted`].
    Finish,
    /// Nothing is left to do.
    Done,
}

impl AuditRecord {
    /// The record of a first observation. The status is `audit-` and the reason.
    pub fn observed(
        token_id: &str,
        hash: &ContentHash,
        reason: DispositionReason,
        recorded_at_ms: u64,
        bundle_cid: &str,
    ) -> Self {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set("_schemaVersion", SCHEMA.into());
        set("tokenId", token_id.to_lowercase().into());
        set("observedTokenContentHash", hash.to_string().into());
        set("auditStatus", format!("audit-{}", reason.as_str()).into());
        set("reason", reason.as_str().into());
        set("recordedAt", recorded_at_ms.into());
        set("bundleCidsObserved", json!([bundle_cid]));
        Self {
            record: Record::audit(&fields),
        }
    }

    /// Reads the text of a row.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn parse(text: &str) -> Result<Self, RowError> {
        Record::parse_audit(text).map(|record| Self { record })
    }

    /// The text of the row in canonical JSON. Equal records have equal text.
    pub fn format(&self) -> String {
        self.shown().format()
    }

    /// The row.
    pub fn to_json(&self) -> Value {
        Value::Object(self.shown().to_fields())
    }

    /// When the token was first observed, in milliseconds since 1970.
    pub fn recorded_at_ms(&self) -> Option<u64> {
        whole_number(self.record.get("recordedAt")?)
    }

    /// Whether the token counts by now.
    pub fn is_promoted(&self) -> bool {
        self.record.get("auditStatus").and_then(Value::as_str) == Some(PROMOTED)
    }

    /// Whether somebody began to promote it.
    pub fn is_promotion_pending(&self) -> bool {
        let mark = self.record.get("promotionPending");
        !self.is_promoted() && mark == Some(&Value::Bool(true))
    }

    /// The record with the mark that its promotion was begun.
    #[must_use]
    pub fn with_promotion_pending(self) -> Self {
        self.with([("promotionPending", true.into())])
    }

    /// The record of a token that counts, with the manifest entry's root.
    #[must_use]
    pub fn promoted(self, manifest_root: &str) -> Self {
        self.with([
            ("auditStatus", PROMOTED.into()),
            ("promotedToManifestRef", manifest_root.into()),
        ])
    }

    /// What to do next to promote the token, by what is there.
    pub fn next_promotion_step(&self, has_back_reference: bool) -> PromotionStep {
        match (self.is_promoted(), has_back_reference) {
            (true, true) => PromotionStep::Done,
            (false, true) => PromotionStep::Finish,
            (false, false) if !self.is_promotion_pending() => PromotionStep::Mark,
            (_, false) => PromotionStep::AddBackReference,
        }
    }

    fn with<const N: usize>(self, fields: [(&str, Value); N]) -> Self {
        let mut all = self.record.to_fields();
        all.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        Self {
            record: Record::audit(&all),
        }
    }

    /// What is promoted needs no mark that it is to be.
    fn shown(&self) -> Record {
        let mut all = self.record.to_fields();
        if self.is_promoted() {
            all.remove("promotionPending");
        }
        Record::audit(&all)
    }
}

impl Merge for AuditRecord {
    fn merge(self, other: Self) -> Self {
        Self {
            record: self.record.merge(other.record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AuditRecord {
        let hash = ContentHash::parse(&"ab".repeat(32)).unwrap();
        AuditRecord::observed("T", &hash, DispositionReason::NotOurState, 5, "b1")
    }

    #[test]
    fn a_promotion_that_is_cut_off_anywhere_is_finished_by_promoting_again() {
        let fresh = record();
        assert_eq!(fresh.next_promotion_step(false), PromotionStep::Mark);
        let marked = fresh.with_promotion_pending();
        assert_eq!(
            marked.next_promotion_step(false),
            PromotionStep::AddBackReference
        );
        assert_eq!(marked.next_promotion_step(true), PromotionStep::Finish);
        let done = marked.clone().promoted("root");
        assert_eq!(done.next_promotion_step(true), PromotionStep::Done);
        // The manifest entry was replaced by one without the reference.
        assert_eq!(
            done.next_promotion_step(false),
            PromotionStep::AddBackReference
        );
        assert!(!done.is_promotion_pending());
        assert_eq!(done.clone().merge(marked).to_json(), done.to_json());
    }

    #[test]
    fn what_is_written_reads_back() {
        let records = [
            record(),
            record().with_promotion_pending(),
            record().promoted("r"),
        ];
        for record in records {
            assert_eq!(AuditRecord::parse(&record.format()).unwrap(), record);
        }
    }

    #[test]
    fn two_devices_that_promote_at_once_end_with_one_promotion() {
        let (one, other) = (record().promoted("r1"), record().promoted("r2"));
        let both = one.clone().merge(other.clone());
        assert_eq!(both, other.merge(one.clone()));
        assert!(both.is_promoted());
        assert_eq!(both.clone().merge(one), both);
        assert_eq!(both.next_promotion_step(true), PromotionStep::Done);
        let late = record().with_promotion_pending();
        assert!(late.merge(both).is_promoted(), "one that was cut off");
    }

    #[test]
    fn a_token_that_is_observed_again_adds_its_bundle_and_changes_no_reason() {
        let hash = ContentHash::parse(&"ab".repeat(32)).unwrap();
        let again = AuditRecord::observed("t", &hash, DispositionReason::RaceLost, 9, "b0");
        let both = record().merge(again.clone());
        assert_eq!(both, again.merge(record()));
        let row = both.to_json();
        assert_eq!(row["bundleCidsObserved"], json!(["b0", "b1"]));
        assert_eq!(
            (&row["reason"], &row["recordedAt"]),
            (&json!("not-our-state"), &json!(5))
        );
    }
}
