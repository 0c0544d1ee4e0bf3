use std::sync::Arc;

use super::super::Writer;
use super::super::transaction::Transaction;
use super::{ProfilePlan, Statement, local_key};
use crate::error::{During as _, Error};
use crate::oplog::identity::Revocation;
use crate::oplog::{
    CommitBuilder, CommitError, CommitId, CommitStart, HEADS_MAX, Head, HybridTime, LogError,
    OpKind, Operation,
};
use crate::profile::ProfileError;
use crate::profile::change::{Change, LocalPart, ReadCommit, To};
use crate::profile::sealed::SealedValue;
use crate::replica::Lookup;
use crate::tables::schema::{KEYS, StatementKind, statement_key, value_key};

/// Bytes of long values to which one commit refers. They travel with it, and nobody takes more than 64 MiB at once.
const LONG_VALUES_BYTES_MAX: usize = 48 << 20;

/// The next commit of the own log: where it begins and what it follows.
struct Next {
    seq: u64,
    prev: Option<CommitId>,
    heads: Vec<Head>,
    time: HybridTime,
}

impl Writer {
    /// Checks what a batch expects and makes its commits: one, unless it is larger than a commit may be.
    pub(super) fn plan_local(
        &mut self,
        tx: &Transaction,
        part: &LocalPart,
    ) -> Result<ProfilePlan, Error> {
        let session = &part.session;
        self.check_expected(tx, part)?;
        let mut plan = ProfilePlan {
            profile: session.number,
            ..ProfilePlan::default()
        };
        for (key, value) in &part.local {
            let value = value.as_ref().map(|value| value.as_bytes().to_vec());
            plan.local.push((local_key(session.number, key), value));
        }
        for certificate in &part.certificates {
            plan.state_certificate(certificate);
        }
        for revocation in &part.revocations {
            plan.state_revocation(revocation);
        }
        if part.changes.is_empty() {
            return Ok(plan);
        }
        let merged = self.merge_changes(tx, part)?;
        let mut changes = part.changes.iter().zip(&merged).peekable();
        let mut next = self.next_commit(part)?;
        while changes.peek().is_some() {
            let mut builder = CommitBuilder::new(CommitStart {
                profile: session.id,
                log: session.log,
                first_seq: next.seq,
                prev: next.prev,
                heads: core::mem::take(&mut next.heads),
                time: next.time,
            })
            .map_err(ProfileError::from)?;
            let mut long_bytes = 0_usize;
            while let Some(((key, change), merged)) = changes.peek() {
                if let To::Block(_, len) = change.to {
                    long_bytes = long_bytes.saturating_add(len);
                    if long_bytes > LONG_VALUES_BYTES_MAX && builder.count() > 0 {
                        break;
                    }
                }
                match builder.push(operation(key, change, merged.as_ref())) {
                    Ok(()) => {
                        changes.next();
                    }
                    Err(CommitError::TooLarge { .. } | CommitError::OperationCount { .. })
                        if builder.count() > 0 =>
                    {
                        break;
                    }
                    Err(error) => return Err(ProfileError::from(error).into()),
                }
            }
            let sealed = builder
                .finish(&session.device)
                .map_err(ProfileError::from)?;
            next.seq = sealed.header().last_seq().saturating_add(1);
            next.prev = Some(sealed.id());
            plan.commits.push(Arc::new(ReadCommit::sealed(sealed)));
            if changes.peek().is_some() {
                next.time = self.tick(session.number)?;
            }
        }
        Ok(plan)
    }

    /// The own log goes on where it ends, later than everything that was seen.
    fn next_commit(&mut self, part: &LocalPart) -> Result<Next, Error> {
        let session = &part.session;
        let head = self.replica.head_of(session.number, session.log);
        if head.forked {
            return Err(ProfileError::Log {
                log: session.log,
                source: Box::new(LogError::Forked),
            }
            .into());
        }
        let revocations = self.profile(session.number)?.revocations.iter();
        if Revocation::any_refuses(revocations, &session.log, head.next_seq) {
            return Err(ProfileError::Revoked {
                log: session.log,
                seq: head.next_seq,
            }
            .into());
        }
        let time = self.tick(session.number)?;
        Ok(Next {
            seq: head.next_seq,
            prev: head.head,
            heads: self.moved_heads(part)?,
            time,
        })
    }

    fn tick(&mut self, profile: u32) -> Result<HybridTime, Error> {
        let now = self.shared.options.clock.unix_millis();
        let time = self.profile_mut(profile)?.clock.tick(now);
        Ok(time.map_err(ProfileError::from)?)
    }

    /// The heads of other logs that moved since the own log named them last; those over the cap wait for the next
    /// commit.
    fn moved_heads(&self, part: &LocalPart) -> Result<Vec<Head>, Error> {
        let session = &part.session;
        let named = &self.profile(session.number)?.named;
        let mut heads = Vec::new();
        for (number, head) in self.replica.logs_of(session.number) {
            let last = head.next_seq.saturating_sub(1);
            let Some(id) = head.head.filter(|_| head.log != session.log) else {
                continue;
            };
            if named.get(&number).is_none_or(|named| *named < last) && heads.len() < HEADS_MAX {
                heads.push(Head {
                    log: head.log,
                    seq: last,
                    id,
                });
            }
        }
        heads.sort_unstable_by_key(|head| head.log);
        Ok(heads)
    }

    fn check_expected(&self, tx: &Transaction, part: &LocalPart) -> Result<(), Error> {
        if part.expected.is_empty() {
            return Ok(());
        }
        let keys = tx.txn.open_table(KEYS).during("opening keys-2")?;
        let newest = Lookup {
            recent: &self.recent,
            logs: &self.replica.numbers,
            end: u64::MAX,
        };
        for (key, expected) in &part.expected {
            let state = newest.key(&keys, &value_key(part.session.number, key))?;
            if state.map(|state| state.version()) != *expected {
                return Err(ProfileError::Conflict {
                    key: key.to_string(),
                }
                .into());
            }
        }
        Ok(())
    }

    /// Values that have to be joined with what is there, by position of the change.
    fn merge_changes(
        &self,
        tx: &Transaction,
        part: &LocalPart,
    ) -> Result<Vec<Option<SealedValue>>, Error> {
        let mut all = Vec::with_capacity(part.changes.len());
        for (key, change) in &part.changes {
            all.push(match &change.to {
                To::Merged(merger, values) => {
                    Some(self.merge_value(tx, &part.session, key, *merger, values)?)
                }
                _ => None,
            });
        }
        Ok(all)
    }
}

fn operation<'a>(
    key: &'a str,
    change: &'a Change,
    merged: Option<&'a SealedValue>,
) -> Operation<'a> {
    let (kind, value) = match &change.to {
        To::Sealed(value) => (OpKind::Put, value.as_bytes()),
        To::Merged(..) => (OpKind::Put, merged.map_or(&[][..], SealedValue::as_bytes)),
        To::Block(reference, _) => (OpKind::Ref, &reference[..]),
        To::Deleted => (OpKind::Delete, &[][..]),
    };
    Operation {
        kind,
        entry: change.entry,
        key,
        value,
    }
}

impl ProfilePlan {
    pub(super) fn state_certificate(&mut self, certificate: &crate::oplog::identity::Certificate) {
        let key = statement_key(
            self.profile,
            StatementKind::Certificate,
            certificate.device().as_bytes(),
        );
        let statement = Statement::Certificate(certificate.clone());
        self.statements.push((key, certificate.encode(), statement));
    }

    pub(super) fn state_revocation(&mut self, revocation: &Revocation) {
        let bytes = revocation.encode();
        let key = statement_key(
            self.profile,
            StatementKind::Revocation,
            blake3::hash(&bytes).as_bytes(),
        );
        let statement = Statement::Revocation(revocation.clone());
        self.statements.push((key, bytes, statement));
    }

    pub(super) fn state_fork(&mut self, proof: &crate::oplog::ForkProof) {
        let log = proof.log();
        let name = [log.device.as_bytes(), &log.epoch.as_u64().to_be_bytes()[..]].concat();
        let key = statement_key(self.profile, StatementKind::Fork, &name);
        self.statements.push((
            key,
            proof.encode(),
            Statement::Fork(log, proof.first_shared_seq()),
        ));
    }
}
