use std::collections::{BTreeSet, HashMap};

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{
    ActorId, Automerge, Change, ChangeHash, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue, Value,
};
use uxf_codec::ElementHash;

use super::kept::{Kept, in_order};
use super::{AutomergeError, VALUES, actor_of, extra, guarded};
use crate::error::Error;
use crate::oplog::{DeltaRecordKind, HybridTime, OpKind};
use crate::profile::handle::history::{missing_block, read_segment};
use crate::profile::keys::classify;
use crate::profile::sealed::ProfileId;
use crate::profile::{Delta, Profile, ProfileView};
use crate::replica::ReplicaView;

/// What of a profile a document is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AutomergeExport {
    /// What counts.
    State,
    /// Every commit that is kept, with its signature, and what counts.
    History,
}

impl Profile {
    /// The profile as an Automerge document, described in the [module](super). **The values in it are not sealed.**
    ///
    /// `progress` is told how many commits and values are taken. The document, and Automerge's working copies of it,
    /// lie in memory as a whole and are not wiped.
    ///
    /// A dead operation whose value cannot be opened is left out of `values`; its commit is not.
    ///
    /// # Errors
    /// [`ProfileError::Open`](crate::profile::ProfileError::Open) if a value that counts cannot be opened;
    /// [`AutomergeError::Document`]; [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn export_automerge(
        &self,
        export: AutomergeExport,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<u8>, Error> {
        let view = self.durable_replica()?;
        let mut writer = Writer::new(self)?;
        let mut taken = 0;
        if export == AutomergeExport::History {
            for kept in in_order(&view)? {
                self.write_kept(&view, &kept, &mut writer)?;
                taken += 1;
                progress(taken);
            }
        }
        let state = self.state(&view, &mut writer, || {
            taken += 1;
            progress(taken);
        })?;
        let mut actor = [0; 16];
        let filled = self.session.entropy.fill(&mut actor);
        filled.map_err(|source| Error::Io {
            during: "drawing an actor",
            source,
        })?;
        let records = match export {
            AutomergeExport::State => None,
            AutomergeExport::History => Some(self.statement_records(&view)?),
        };
        writer.change(ActorId::from(actor), writer.latest, state, records)?;
        Ok(writer.finish()?)
    }

    fn write_kept(
        &self,
        view: &ReplicaView,
        kept: &Kept,
        writer: &mut Writer,
    ) -> Result<(), Error> {
        let (mut puts, mut records) = (Puts::new(), Records::new());
        let mut links: BTreeSet<ElementHash> = BTreeSet::new();
        let profile = view.snapshot.profile(self);
        if let Some(commit) = kept.place.commit(&view.snapshot)? {
            links.extend(commit.links());
            for part in &commit.operations {
                let (key, sealed) = (commit.key(part), commit.value(part));
                take(&profile, key, part.kind, sealed, &mut puts)?;
            }
            records.push((DeltaRecordKind::Commit, commit.bytes));
        }
        if let Some(row) = kept.place.checkpoint() {
            for block in row.own_segments() {
                let segment = read_segment(&view.snapshot, *block)?;
                links.extend(segment.links());
                for entry in &segment.entries {
                    let (key, sealed) = (segment.key(&entry.part), segment.value(&entry.part));
                    take(&profile, key, entry.part.kind, sealed, &mut puts)?;
                }
                records.push((DeltaRecordKind::Segment, segment.bytes));
            }
            records.push((DeltaRecordKind::Checkpoint, row.signed.clone()));
        }
        let mut all = Vec::with_capacity(links.len() + records.len());
        for link in links {
            let block = view
                .snapshot
                .get(&link)?
                .ok_or_else(|| missing_block(&link))?;
            all.push((DeltaRecordKind::Block, block.as_ref().to_vec()));
        }
        all.append(&mut records);
        writer.change(actor_of(kept.log), kept.time, puts, Some(all))?;
        Ok(())
    }

    /// What counts, as far as the document does not have it yet.
    fn state(
        &self,
        view: &ReplicaView,
        writer: &mut Writer,
        mut progress: impl FnMut(),
    ) -> Result<Puts, Error> {
        let profile = view.snapshot.profile(self);
        let mut puts = Puts::new();
        for found in profile.written()? {
            let (key, value, time) = found?;
            writer.latest = writer.latest.max(time);
            let value = match value {
                Some(value) => ScalarValue::Bytes(value.as_bytes().to_vec()),
                None => ScalarValue::Null,
            };
            if writer.value(&key)?.as_ref() != Some(&value) {
                puts.push((key, value));
            }
            progress();
        }
        Ok(puts)
    }

    fn statement_records(&self, view: &ReplicaView) -> Result<Records, Error> {
        let mut delta = Delta::default();
        self.statements(view, &mut delta)?;
        let of = |kind, all: Vec<Vec<u8>>| all.into_iter().map(move |bytes| (kind, bytes));
        let certificates = of(DeltaRecordKind::Certificate, delta.certificates);
        let revocations = of(DeltaRecordKind::Revocation, delta.revocations);
        let forks = of(DeltaRecordKind::ForkProof, delta.forks);
        Ok(certificates.chain(revocations).chain(forks).collect())
    }
}

/// Keys and what they are set to.
type Puts = Vec<(String, ScalarValue)>;
type Records = Vec<(DeltaRecordKind, Vec<u8>)>;

/// Takes an operation, unless its value cannot be opened, or its key has no business in a log.
fn take(
    profile: &ProfileView<'_>,
    key: &str,
    kind: OpKind,
    sealed: &[u8],
    puts: &mut Puts,
) -> Result<(), Error> {
    if !classify(key).is_replicated() {
        return Ok(());
    }
    let value = match kind {
        OpKind::Delete => ScalarValue::Null,
        kind => match profile.open_operation(key, kind, sealed) {
            Ok(value) => ScalarValue::Bytes(value.to_vec()),
            Err(Error::Profile(_)) => return Ok(()),
            Err(error) => return Err(error),
        },
    };
    puts.push((key.to_owned(), value));
    Ok(())
}

/// Writes one change after the other.
struct Writer {
    profile: ProfileId,
    document: Automerge,
    values: ObjId,
    /// The extra bytes that changes are to get.
    extras: HashMap<ChangeHash, Vec<u8>>,
    latest: HybridTime,
}

impl Writer {
    /// Begins with the map of values, which is the same in all documents of a profile.
    fn new(profile: &Profile) -> Result<Self, AutomergeError> {
        let id = *profile.id();
        let mut document = Automerge::new().with_actor(ActorId::from(id.as_bytes()));
        let mut transaction = document.transaction();
        let values = transaction.put_object(ROOT, VALUES, ObjType::Map)?;
        transaction.commit_with(CommitOptions::default().with_time(0));
        Ok(Self {
            profile: id,
            document,
            values,
            extras: HashMap::new(),
            latest: HybridTime::ZERO,
        })
    }

    fn value(&self, key: &str) -> Result<Option<ScalarValue>, AutomergeError> {
        Ok(match self.document.get(&self.values, key)? {
            Some((Value::Scalar(value), _)) => Some(value.into_owned()),
            _ => None,
        })
    }

    fn change(
        &mut self,
        actor: ActorId,
        time: HybridTime,
        puts: Puts,
        records: Option<Records>,
    ) -> Result<(), AutomergeError> {
        let seconds = i64::try_from(time.millis() / 1_000).unwrap_or(i64::MAX);
        let options = || CommitOptions::default().with_time(seconds);
        self.document.set_actor(actor.clone());
        let mut transaction = self.document.transaction();
        for (key, value) in puts {
            transaction.put(&self.values, key, value)?;
        }
        let (hash, _) = transaction.commit_with(options());
        let hash = hash.unwrap_or_else(|| self.document.empty_commit(options()));
        self.latest = self.latest.max(time);
        if let Some(records) = records {
            let records = records
                .iter()
                .map(|(kind, bytes)| (*kind, bytes.as_slice()));
            let extra = extra::encode(&self.profile, records);
            let extra = extra.map_err(|source| AutomergeError::Extra {
                actor,
                source: Box::new(source),
            })?;
            self.extras.insert(hash, extra);
        }
        Ok(())
    }

    /// Gives the changes their extra bytes.
    fn finish(mut self) -> Result<Vec<u8>, AutomergeError> {
        if self.extras.is_empty() {
            return Ok(self.document.save());
        }
        let changes = self.document.get_changes(&[]);
        let mut renamed: HashMap<ChangeHash, ChangeHash> = HashMap::with_capacity(changes.len());
        let mut rewritten = Vec::with_capacity(changes.len());
        for change in changes {
            let before = change.hash();
            let mut expanded = change.decode();
            for dependency in &mut expanded.deps {
                if let Some(now) = renamed.get(dependency) {
                    *dependency = *now;
                }
            }
            expanded.extra_bytes = self.extras.remove(&before).unwrap_or_default();
            let change = Change::from(expanded);
            renamed.insert(before, change.hash());
            rewritten.push(change);
        }
        guarded(move || {
            let mut document = Automerge::new();
            document.apply_changes(rewritten)?;
            Ok(document.save())
        })
    }
}
