use uxf_engine::Error as EngineError;
use uxf_engine::oplog::ItemSum;
use uxf_engine::profile::sealed::ProfileId;
use uxf_engine::profile::{Delta, LiveBound, LiveItem, LiveOperations, Profile, ProfileError};

use super::item::{LiveOperation, bound_between};
use super::source::{Proven, RangeSource, SourceError};
use crate::wire::Bound;

/// What counts of a profile in a store, as of when this was made; what it takes in it does not see. One is made for each
/// [`StoreRequest`](super::StoreRequest).
///
/// ```
/// use uxf_engine::profile::sealed::WalletSecret;
/// use uxf_engine::{Engine, EngineOptions};
/// use uxf_replication::reconcile::{ProfileRanges, RangeSource as _};
/// use uxf_replication::wire::Bound;
///
/// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
/// let profile = engine.profile(&WalletSecret::take(&mut [7; 32]), "phone").unwrap();
/// profile.put("app.k", b"value").unwrap();
/// let ranges = ProfileRanges::new(&profile).unwrap();
/// assert_eq!(ranges.sum(&Bound::START, &Bound::End).unwrap().count(), 1);
/// ```
#[derive(Debug)]
pub struct ProfileRanges {
    profile: Profile,
    live: LiveOperations,
}

impl ProfileRanges {
    /// What counts now.
    ///
    /// # Errors
    /// [`SourceError::Store`].
    pub fn new(profile: &Profile) -> Result<Self, SourceError> {
        Ok(Self {
            profile: profile.clone(),
            live: profile.live_operations().map_err(failed)?,
        })
    }
}

fn failed(error: EngineError) -> SourceError {
    SourceError::Store(Box::new(error))
}

fn place(bound: &Bound) -> LiveBound<'_> {
    match bound {
        Bound::End => LiveBound::End,
        Bound::Before { key, operation } => LiveBound::Before { key, operation },
    }
}

impl RangeSource for ProfileRanges {
    fn profile(&self) -> &ProfileId {
        self.profile.id()
    }

    fn sum(&self, from: &Bound, to: &Bound) -> Result<ItemSum, SourceError> {
        self.live.sum(place(from), place(to)).map_err(failed)
    }

    fn split(&self, from: &Bound, to: &Bound, parts: u64) -> Result<Vec<Bound>, SourceError> {
        let cuts = self.live.split(place(from), place(to), parts);
        let cuts = cuts.map_err(failed)?.into_iter();
        Ok(cuts
            .map(|(before, behind)| bound_between(&before, &behind))
            .collect())
    }

    fn items(&self, from: &Bound, to: &Bound, most: usize) -> Result<Vec<LiveItem>, SourceError> {
        let items = self.live.items(place(from), place(to), most);
        items.map_err(failed)
    }

    fn prove(&self, items: &[&LiveItem]) -> Result<Vec<Option<Proven>>, SourceError> {
        let proofs = self.live.prove(items).map_err(failed)?;
        let values = self.live.blocks(items).map_err(failed)?;
        let both = proofs.into_iter().zip(values);
        let proven =
            |(proof, value): (Option<Vec<u8>>, _)| proof.map(|proof| Proven { proof, value });
        Ok(both.map(proven).collect())
    }

    fn apply(
        &self,
        operations: Vec<LiveOperation>,
        values: Vec<Vec<u8>>,
    ) -> Result<usize, SourceError> {
        let delta = Delta {
            alone: operations
                .into_iter()
                .map(LiveOperation::into_bytes)
                .collect(),
            blocks: values,
            ..Delta::default()
        };
        let outcome = self.profile.ingest(&delta).map_err(|error| match error {
            // A sealed block is never what an element is.
            EngineError::Profile(ProfileError::Alone(_) | ProfileError::OtherProfile)
            | EngineError::NotOpaque { .. }
            | EngineError::Codec(_) => SourceError::Refused,
            error => failed(error),
        })?;
        Ok(usize::try_from(outcome.alone).unwrap_or(usize::MAX))
    }
}
