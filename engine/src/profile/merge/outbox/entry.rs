use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::fields::{self, FOLLOWING, OWN_RULE, SCHEMA, Shape};
use super::pick::Pick;
use super::status::{OutboxStatus, TransitionError};
use crate::profile::envelope::LamportTime;
use crate::profile::merge::json::{Ranked, RowError, canonical_text, parse_object, smaller_text};
use crate::profile::merge::text::JsText;
use crate::profile::merge::{Merge, merge_optional};

/// The field in which we keep what does not show in the others.
pub(super) const HIDDEN: &str = "_merge";

/// Why entries were not merged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OutboxMergeError {
    /// Versions of two different entries.
    #[error("outbox entry {left} cannot be merged with {right}")]
    IdMismatch {
        /// Id of the one.
        left: String,
        /// Id of the other.
        right: String,
    },
    /// Nothing to merge.
    #[error("there is no outbox entry to merge")]
    Empty,
}

impl OutboxMergeError {
    /// The code of the reference.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::IdMismatch { .. } => "OUTBOX_MERGE_ID_MISMATCH",
            Self::Empty => "OUTBOX_MERGE_EMPTY",
        }
    }
}

/// A transfer on its way out, as one version or as many joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    id: String,
    body: Body,
}

/// Everything but the id: a product of joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// The greatest status of any version, before an override.
    status: OutboxStatus,
    overridden: bool,
    ever_finalizing: bool,
    lamport: LamportTime,
    created_at: u64,
    updated_at: u64,
    submit_retries: u64,
    proof_errors: u64,
    poll_started_at: Option<u64>,
    error: Option<String>,
    completed: BTreeSet<JsText>,
    /// Ids ever outstanding, completed ones included.
    requested: BTreeSet<JsText>,
    shape: Pick<Shape>,
    following: BTreeMap<String, Pick<Ranked>>,
}

impl OutboxEntry {
    /// Reads the text of a row.
    ///
    /// # Errors
    /// [`RowError`]: too large, not JSON, a field missing or out of bounds, or an entry of the old shape.
    pub fn parse(text: &str) -> Result<Self, RowError> {
        Self::from_fields(parse_object(text)?)
    }

    pub(super) fn from_fields(mut all: Map<String, Value>) -> Result<Self, RowError> {
        let hidden = all.remove(HIDDEN);
        fields::check(&all)?;
        let plain = Self::plain(&all)?;
        let whole = hidden.and_then(|hidden| plain.clone().unhide(&hidden));
        // A writer that knows nothing of the hidden part may have changed the fields beside it: they count then.
        Ok(whole
            .filter(|whole| whole.visible() == plain.visible())
            .unwrap_or(plain))
    }

    /// An entry that is one version.
    fn plain(all: &Map<String, Value>) -> Result<Self, RowError> {
        let status = fields::status(all)?;
        let completed = fields::id_set(all, "completedRequestIds")?;
        let mut requested = fields::id_set(all, "outstandingRequestIds")?;
        requested.extend(completed.iter().cloned());
        let follows = |name: &str| {
            FOLLOWING.contains(&name) || !OWN_RULE.contains(&name) && name != "pollStartedAt"
        };
        let following = all
            .iter()
            .filter(|(name, _)| follows(name))
            .map(|(name, value)| (name.clone(), Pick::new(status, Ranked::new(value.clone()))));
        Ok(Self {
            id: fields::id(all)?.to_owned(),
            body: Body {
                status,
                overridden: fields::flag(all, "overrideApplied")?,
                ever_finalizing: fields::flag(all, "everFinalizing")?
                    || status == OutboxStatus::Finalizing,
                lamport: fields::lamport(all)?,
                created_at: fields::number(all, "createdAt")?,
                updated_at: fields::number(all, "updatedAt")?,
                submit_retries: fields::number(all, "submitRetryCount")?,
                proof_errors: fields::number(all, "proofErrorCount")?,
                poll_started_at: fields::optional_number(all, "pollStartedAt")?,
                error: fields::error(all)?.map(str::to_owned),
                completed,
                requested,
                shape: Pick::new(status, Shape::read(all)?),
                following: following.collect(),
            },
        })
    }

    /// The transfer's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the transfer stands. An operator's override turns a failure of an entry that was ever finalizing back
    /// into `finalizing`; only `finalized` or deleting the entry ends it then.
    pub fn status(&self) -> OutboxStatus {
        if self.is_revived() {
            OutboxStatus::Finalizing
        } else {
            self.body.status
        }
    }

    /// Number of the newest write in it.
    pub const fn lamport(&self) -> LamportTime {
        self.body.lamport
    }

    fn is_revived(&self) -> bool {
        self.body.overridden && self.body.ever_finalizing && self.body.status.yields_to_override()
    }

    /// Merges two versions of one entry.
    ///
    /// # Errors
    /// [`OutboxMergeError::IdMismatch`].
    pub fn merge(self, other: Self) -> Result<Self, OutboxMergeError> {
        if self.id != other.id {
            return Err(OutboxMergeError::IdMismatch {
                left: self.id,
                right: other.id,
            });
        }
        Ok(Self {
            id: self.id,
            body: self.body.merge(other.body),
        })
    }

    /// Merges any number of versions of one entry.
    ///
    /// # Errors
    /// Both of [`OutboxMergeError`].
    pub fn merge_all(entries: impl IntoIterator<Item = Self>) -> Result<Self, OutboxMergeError> {
        let mut entries = entries.into_iter();
        let first = entries.next().ok_or(OutboxMergeError::Empty)?;
        entries.try_fold(first, Self::merge)
    }

    /// Moves the entry on, as a new write of this device. What versions said before is settled by it.
    ///
    /// # Errors
    /// [`TransitionError`] if the state machine has no such arc. A write that leaves the status as it is needs none
    /// and is always accepted.
    pub fn with_status(
        &self,
        to: OutboxStatus,
        with_override: bool,
        lamport: LamportTime,
        now_ms: u64,
    ) -> Result<Self, TransitionError> {
        let from = self.status();
        if from != to {
            from.check_transition(to, with_override)?;
        }
        let revived = self.is_revived();
        let needs_override = from != to && from.check_transition(to, false).is_err();
        let mut body = self.body.clone();
        body.status = to;
        body.overridden |= needs_override;
        body.ever_finalizing |= to == OutboxStatus::Finalizing;
        body.lamport = lamport;
        body.updated_at = now_ms;
        body.shape = Pick::new(to, body.shape.resolve(revived).clone());
        for pick in body.following.values_mut() {
            *pick = Pick::new(to, pick.resolve(revived).clone());
        }
        Ok(Self {
            id: self.id.clone(),
            body,
        })
    }

    /// The fields of the reference.
    fn visible(&self) -> Map<String, Value> {
        let body = &self.body;
        let revived = self.is_revived();
        let mut all = Map::new();
        body.shape.resolve(revived).write(&mut all);
        for (name, pick) in &body.following {
            all.insert(name.clone(), pick.resolve(revived).value().clone());
        }
        let mut set = |name: &str, value: Value| all.insert(name.to_owned(), value);
        set("_schemaVersion", SCHEMA.into());
        set("id", self.id.as_str().into());
        set("status", self.status().as_str().into());
        set("createdAt", body.created_at.into());
        set("updatedAt", body.updated_at.into());
        set("lamport", body.lamport.get().into());
        set("submitRetryCount", body.submit_retries.into());
        set("proofErrorCount", body.proof_errors.into());
        let outstanding = body.requested.difference(&body.completed);
        let lists = [
            ("outstandingRequestIds", texts(outstanding)),
            ("completedRequestIds", texts(&body.completed)),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            set(name, list.into());
        }
        let flags = [
            ("overrideApplied", body.overridden),
            ("everFinalizing", body.ever_finalizing),
        ];
        for (name, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
            set(name, true.into());
        }
        if let Some(error) = &body.error {
            set("error", error.as_str().into());
        }
        if let Some(started) = body.poll_started_at {
            set("pollStartedAt", started.into());
        }
        all
    }

    pub(super) fn to_fields(&self) -> Map<String, Value> {
        let mut all = self.visible();
        let is_one_version = Self::plain(&all).is_ok_and(|plain| plain == *self);
        if !is_one_version {
            all.insert(HIDDEN.to_owned(), self.hidden());
        }
        all
    }

    /// The entry as the reference would show it, without what we keep for merging.
    pub fn to_visible_json(&self) -> Value {
        Value::Object(self.visible())
    }

    /// The text of a row: the fields of the reference in canonical JSON, and `_merge` if the entry is more than one
    /// version. Equal entries have equal text.
    pub fn format(&self) -> String {
        canonical_text(&Value::Object(self.to_fields()))
    }

    fn hidden(&self) -> Value {
        let shape = |shape: &Shape| {
            let mut all = Map::new();
            shape.write(&mut all);
            Value::Object(all)
        };
        let following = self.body.following.iter().map(|(name, pick)| {
            (
                name.clone(),
                pick_to_json(pick, |value| value.value().clone()),
            )
        });
        json!({
            "status": self.body.status.as_str(),
            "shape": pick_to_json(&self.body.shape, shape),
            "fields": following.collect::<Map<_, _>>(),
        })
    }

    /// Puts the hidden part back beside the visible one. `None` if it is not what we write.
    fn unhide(mut self, hidden: &Value) -> Option<Self> {
        let hidden = hidden.as_object()?;
        self.body.status = fields::status(hidden).ok()?;
        self.body.shape = pick_from_json(hidden.get("shape")?, |value| {
            Shape::read(value.as_object()?).ok()
        })?;
        let following = hidden
            .get("fields")?
            .as_object()?
            .iter()
            .map(|(name, value)| {
                let pick = pick_from_json(value, |value| Some(Ranked::new(value.clone())))?;
                Some((name.clone(), pick))
            });
        self.body.following = following.collect::<Option<_>>()?;
        Some(self)
    }
}

impl Merge for Body {
    fn merge(self, other: Self) -> Self {
        let mut following = self.following;
        for (name, pick) in other.following {
            let pick = match following.remove(&name) {
                Some(mine) => mine.merge(pick),
                None => pick,
            };
            following.insert(name, pick);
        }
        Self {
            status: self.status.max(other.status),
            overridden: self.overridden || other.overridden,
            ever_finalizing: self.ever_finalizing || other.ever_finalizing,
            lamport: self.lamport.max(other.lamport),
            created_at: self.created_at.min(other.created_at),
            updated_at: self.updated_at.max(other.updated_at),
            submit_retries: self.submit_retries.max(other.submit_retries),
            proof_errors: self.proof_errors.max(other.proof_errors),
            poll_started_at: merge_optional(self.poll_started_at, other.poll_started_at, Ord::min),
            error: merge_optional(self.error, other.error, smaller_text),
            completed: union(self.completed, other.completed),
            requested: union(self.requested, other.requested),
            shape: self.shape.merge(other.shape),
            following,
        }
    }
}

fn union(mut a: BTreeSet<JsText>, b: BTreeSet<JsText>) -> BTreeSet<JsText> {
    a.extend(b);
    a
}

fn texts<'t>(texts: impl IntoIterator<Item = &'t JsText>) -> Vec<Value> {
    texts.into_iter().map(|text| text.as_str().into()).collect()
}

fn pick_to_json<T: Ord + Clone>(pick: &Pick<T>, write: impl Fn(&T) -> Value) -> Value {
    let (status, value) = pick.best();
    let mut parts = vec![status.as_str().into(), write(value)];
    parts.extend(pick.finalizing().map(&write));
    parts.into()
}

fn pick_from_json<T: Ord + Clone>(
    json: &Value,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<Pick<T>> {
    let (status, value, finalizing) = match json.as_array()?.as_slice() {
        [status, value] => (status, value, None),
        [status, value, finalizing] => (status, value, Some(finalizing)),
        _ => return None,
    };
    let finalizing = match finalizing {
        Some(value) => Some(read(value)?),
        None => None,
    };
    Pick::from_parts(
        OutboxStatus::parse(status.as_str()?)?,
        read(value)?,
        finalizing,
    )
}
