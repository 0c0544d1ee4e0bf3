//! Automerge: one document, one actor a device, values as bytes at its root. It keeps all history and cannot drop any.
//! It has no file; a commit's change goes to a log.

use std::sync::Mutex;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ROOT, ReadDoc as _, ScalarValue, Value};

use super::log::Log;
use super::{History, Place, Replica, poisoned};
use crate::Outcome;
use crate::oplog::workload::Put;

pub(super) struct AutomergeReplica(Mutex<Inner>);

struct Inner {
    document: AutoCommit,
    log: Option<Log>,
}

impl AutomergeReplica {
    pub(super) fn open(place: Place<'_>, device: u64) -> Outcome<Self> {
        let (mut document, log) = match place {
            Place::Memory => (AutoCommit::new(), None),
            Place::Directory(dir) => {
                let (log, recovered) = Log::open(dir)?;
                // Everything in one go: changes that trickle into a loaded document cost a copy of it each.
                let mut bytes = recovered.state.unwrap_or_default();
                bytes.extend(recovered.changes.into_iter().flatten());
                let document = if bytes.is_empty() {
                    AutoCommit::new()
                } else {
                    AutoCommit::load(&bytes)?
                };
                (document, Some(log))
            }
        };
        document.set_actor(ActorId::from(&device.to_be_bytes()));
        Ok(Self(Mutex::new(Inner { document, log })))
    }
}

impl Replica for AutomergeReplica {
    fn commit(&self, puts: &[Put<'_>]) -> Outcome<()> {
        let mut inner = self.0.lock().map_err(poisoned)?;
        let Inner { document, log } = &mut *inner;
        for put in puts {
            document.put(ROOT, put.key, ScalarValue::Bytes(put.value.to_vec()))?;
        }
        document.commit();
        match log {
            Some(log) => log.append(&document.save_incremental()),
            None => Ok(()),
        }
    }

    fn read(&self, keys: &[&str], visit: &mut dyn FnMut(Option<&[u8]>)) -> Outcome<()> {
        let inner = self.0.lock().map_err(poisoned)?;
        for key in keys {
            match inner.document.get(ROOT, *key)? {
                Some((Value::Scalar(scalar), _)) => match scalar.as_ref() {
                    ScalarValue::Bytes(bytes) => visit(Some(bytes)),
                    _ => return Err("a value is not bytes".into()),
                },
                Some(_) => return Err("a value is an object".into()),
                None => visit(None),
            }
        }
        Ok(())
    }

    fn history(&self) -> Outcome<History> {
        let document = &mut self.0.lock().map_err(poisoned)?.document;
        Ok(History::Encoded(document.save()))
    }

    fn ingest(&self, history: &History) -> Outcome<()> {
        let history = history.encoded()?;
        let mut inner = self.0.lock().map_err(poisoned)?;
        inner.document.load_incremental(history)?;
        match &mut inner.log {
            Some(log) => log.append(history),
            None => Ok(()),
        }
    }

    fn compact(&mut self) -> Outcome<()> {
        let mut inner = self.0.lock().map_err(poisoned)?;
        let state = inner.document.save();
        match &mut inner.log {
            Some(log) => log.replace(&state),
            None => Ok(()),
        }
    }

    fn state_bytes(&self) -> Outcome<Option<u64>> {
        Ok(Some(self.history()?.byte_len() as u64))
    }
}
