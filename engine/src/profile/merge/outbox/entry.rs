use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::fields::{self, FOLLOWING, OWN_RULE, SCHEMA, Shape};
use super::pick::{Pick, ROUND_MAX, Rank};
use super::status::{OutboxStatus, TransitionError};
use crate::profile::envelope::LamportTime;
use crate::profile::merge::json::{
    Ranked, RowError, canonical_text, parse_object, smaller_text, whole_number,
};
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
    /// The greatest rank of any version, before an override.
    rank: Rank,
    overridden: bool,
    ever_finalizing: bool,
    lamport: LamportTime,
    created_at: u64,
    updated_at: u64,
    submit_retries: u64,
    proof_errors: u64,
    poll_started_at: Option<u64>,
    error: ErrorNote,
    completed: BTreeSet<JsText>,
    /// Ids ever outstanding, completed ones included.
    requested: BTreeSet<JsText>,
    shape: Pick<Shape>,
    following: BTreeMap<String, Pick<Ranked>>,
}

/// What went wrong, as the latest round says; of one round the smaller text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ErrorNote {
    round: u64,
    text: Option<String>,
}

/// Why an entry was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OutboxUpdateError {
    /// The state machine has no such arc.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// An entry is never another transfer's.
    #[error("the entry is of transfer {id} and stays so; the change made it {found}")]
    IdChanged {
        /// Its id.
        id: String,
        /// What the change made of it.
        found: String,
    },
    /// What the change made is no entry.
    #[error(transparent)]
    Row(#[from] RowError),
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
        let rank = Rank::new(status, 0);
        let completed = fields::id_set(all, "completedRequestIds")?;
        let mut requested = fields::id_set(all, "outstandingRequestIds")?;
        requested.extend(completed.iter().cloned());
        let follows = |name: &str| {
            FOLLOWING.contains(&name) || !OWN_RULE.contains(&name) && name != "pollStartedAt"
        };
        let following = all
            .iter()
            .filter(|(name, _)| follows(name))
            .map(|(name, value)| (name.clone(), Pick::new(rank, Ranked::new(value.clone()))));
        Ok(Self {
            id: fields::id(all)?.to_owned(),
            body: Body {
                rank,
                overridden: fields::flag(all, "overrideApplied")?,
                ever_finalizing: fields::flag(all, "everFinalizing")?
                    || status == OutboxStatus::Finalizing,
                lamport: fields::lamport(all)?,
                created_at: fields::number(all, "createdAt")?,
                updated_at: fields::number(all, "updatedAt")?,
                submit_retries: fields::number(all, "submitRetryCount")?,
                proof_errors: fields::number(all, "proofErrorCount")?,
                poll_started_at: fields::optional_number(all, "pollStartedAt")?,
                error: ErrorNote {
                    round: 0,
                    text: fields::error(all)?.map(str::to_owned),
                },
                completed,
                requested,
                shape: Pick::new(rank, Shape::read(all)?),
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
            self.body.rank.status()
        }
    }

    /// Number of the newest write in it.
    pub const fn lamport(&self) -> LamportTime {
        self.body.lamport
    }

    fn is_revived(&self) -> bool {
        self.body.overridden
            && self.body.ever_finalizing
            && self.body.rank.status().yields_to_override()
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
        let needs_override = from != to && from.check_transition(to, false).is_err();
        let mut entry = self.clone();
        entry.body.overridden |= needs_override;
        entry.body.ever_finalizing |= to == OutboxStatus::Finalizing;
        entry.body.lamport = lamport;
        entry.body.updated_at = now_ms;
        let revived = self.is_revived();
        let shape = self.body.shape.resolve(revived).clone();
        let following = self.body.following.iter();
        let following = following.map(|(name, pick)| (name.clone(), pick.resolve(revived).clone()));
        entry.settle(to, shape, following.collect(), false);
        Ok(entry)
    }

    /// Changes the fields of the entry, as a new write of this device, and joins the outcome with the entry: numbers that
    /// only grow do not shrink, and what is completed stays so. `change` is given the fields as the reference has them.
    ///
    /// # Errors
    /// [`OutboxUpdateError`].
    pub fn updated(
        &self,
        with_override: bool,
        lamport: LamportTime,
        now_ms: u64,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Self, OutboxUpdateError> {
        let before = self.visible();
        let mut all = before.clone();
        change(&mut all);
        fields::check(&all)?;
        let mut entry = Self::plain(&all)?;
        if entry.id != self.id {
            return Err(OutboxUpdateError::IdChanged {
                id: self.id.clone(),
                found: entry.id,
            });
        }
        let (from, to) = (self.status(), entry.body.rank.status());
        if from != to {
            from.check_transition(to, with_override)?;
        }
        let needs_override = from != to && from.check_transition(to, false).is_err();
        let revived = self.is_revived();
        let value = |pick: &Pick<Ranked>| pick.best().1.clone();
        let shape = entry.body.shape.best().1.clone();
        let following: BTreeMap<_, _> = (entry.body.following.iter())
            .map(|(name, pick)| (name.clone(), value(pick)))
            .collect();
        let is_same = |name: &str| before.get(name) == all.get(name);
        let has_changed = *self.body.shape.resolve(revived) != shape
            || !(self.body.following.keys().chain(following.keys())).all(|name| is_same(name))
            || !is_same("error");
        let body = &mut entry.body;
        body.overridden = self.body.overridden || needs_override;
        body.ever_finalizing |= self.body.ever_finalizing || to == OutboxStatus::Finalizing;
        body.lamport = lamport;
        body.updated_at = now_ms;
        if from == to && !has_changed {
            body.rank = self.body.rank;
            body.shape = self.body.shape.clone();
            body.following.clone_from(&self.body.following);
            body.error = self.body.error.clone();
        } else {
            body.rank = self.body.rank;
            body.error.round = self.body.error.round;
            entry.settle(to, shape, following, has_changed);
        }
        // The ids are the same, so that this is no error.
        Ok(self.clone().merge(entry.clone()).unwrap_or(entry))
    }

    /// Has the entry say this, over everything that its versions said before.
    fn settle(
        &mut self,
        to: OutboxStatus,
        shape: Shape,
        following: BTreeMap<String, Ranked>,
        is_rewritten: bool,
    ) {
        let (before, error) = (self.body.rank, &mut self.body.error);
        let mut rank = Rank::new(to, before.round());
        if is_rewritten || rank < before || before.round() < error.round {
            rank = Rank::new(to, before.round().max(error.round).saturating_add(1));
            error.round = rank.round();
        }
        self.body.rank = rank;
        self.body.shape = Pick::new(rank, shape);
        let following = following.into_iter();
        self.body.following = following
            .map(|(name, value)| (name, Pick::new(rank, value)))
            .collect();
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
        if let Some(error) = &body.error.text {
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
        let mut all = json!({
            "status": rank_to_json(self.body.rank),
            "shape": pick_to_json(&self.body.shape, shape),
            "fields": following.collect::<Map<_, _>>(),
        });
        if let (round @ 1.., Some(all)) = (self.body.error.round, all.as_object_mut()) {
            all.insert("errorRound".to_owned(), round.into());
        }
        all
    }

    /// Puts the hidden part back beside the visible one. `None` if it is not what we write.
    fn unhide(mut self, hidden: &Value) -> Option<Self> {
        let hidden = hidden.as_object()?;
        self.body.rank = rank_from_json(hidden.get("status")?)?;
        self.body.error.round = match hidden.get("errorRound") {
            None => 0,
            Some(round) => whole_number(round).filter(|round| (1..=ROUND_MAX).contains(round))?,
        };
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
            rank: self.rank.max(other.rank),
            overridden: self.overridden || other.overridden,
            ever_finalizing: self.ever_finalizing || other.ever_finalizing,
            lamport: self.lamport.max(other.lamport),
            created_at: self.created_at.min(other.created_at),
            updated_at: self.updated_at.max(other.updated_at),
            submit_retries: self.submit_retries.max(other.submit_retries),
            proof_errors: self.proof_errors.max(other.proof_errors),
            poll_started_at: merge_optional(self.poll_started_at, other.poll_started_at, Ord::min),
            error: self.error.merge(other.error),
            completed: union(self.completed, other.completed),
            requested: union(self.requested, other.requested),
            shape: self.shape.merge(other.shape),
            following,
        }
    }
}

impl Merge for ErrorNote {
    fn merge(self, other: Self) -> Self {
        match self.round.cmp(&other.round) {
            core::cmp::Ordering::Greater => self,
            core::cmp::Ordering::Less => other,
            core::cmp::Ordering::Equal => Self {
                round: self.round,
                text: merge_optional(self.text, other.text, smaller_text),
            },
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

/// A status, and with its round if that is not the first.
fn rank_to_json(rank: Rank) -> Value {
    match rank.round() {
        0 => rank.status().as_str().into(),
        round => json!([rank.status().as_str(), round]),
    }
}

fn rank_from_json(json: &Value) -> Option<Rank> {
    let (status, round) = match json {
        Value::Array(parts) => match parts.as_slice() {
            [status, round] => (status, whole_number(round)?),
            _ => return None,
        },
        status => (status, 0),
    };
    let status = OutboxStatus::parse(status.as_str()?)?;
    (round <= ROUND_MAX).then(|| Rank::new(status, round))
}

fn pick_to_json<T: Ord + Clone>(pick: &Pick<T>, write: impl Fn(&T) -> Value) -> Value {
    let (rank, value) = pick.best();
    let mut parts = vec![rank_to_json(*rank), write(value)];
    parts.extend(pick.finalizing().map(&write));
    parts.into()
}

fn pick_from_json<T: Ord + Clone>(
    json: &Value,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<Pick<T>> {
    let (rank, value, finalizing) = match json.as_array()?.as_slice() {
        [rank, value] => (rank, value, None),
        [rank, value, finalizing] => (rank, value, Some(finalizing)),
        _ => return None,
    };
    let finalizing = match finalizing {
        Some(value) => Some(read(value)?),
        None => None,
    };
    Pick::from_parts(rank_from_json(rank)?, read(value)?, finalizing)
}
