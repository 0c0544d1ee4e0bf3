//! Yrs: one document, one client a device, values as buffers in one map. It forgets values that were replaced, so that
//! its history is little more than its state. It has no file; a commit's update goes to a log.

use std::sync::Mutex;

use yrs::updates::decoder::Decode as _;
use yrs::{
    Any, ClientID, Doc, Map as _, MapRef, Options, Out, ReadTxn as _, StateVector, Transact as _,
    Update,
};

use super::log::Log;
use super::{History, Place, Replica, poisoned};
use crate::Outcome;
use crate::oplog::workload::Put;

pub(super) struct YrsReplica {
    document: Doc,
    values: MapRef,
    /// Held for a whole commit, so that the log has commits in their order.
    log: Mutex<Option<Log>>,
}

impl YrsReplica {
    pub(super) fn open(place: Place<'_>, device: u64) -> Outcome<Self> {
        // Zero is no client.
        let document = Doc::with_options(Options::with_client_id(ClientID::new(device + 1)));
        let values = document.get_or_insert_map("values");
        let log = match place {
            Place::Memory => None,
            Place::Directory(dir) => {
                let (log, recovered) = Log::open(dir)?;
                let mut transaction = document.transact_mut();
                if let Some(state) = recovered.state {
                    transaction.apply_update(Update::decode_v2(&state)?)?;
                }
                for change in recovered.changes {
                    transaction.apply_update(Update::decode_v1(&change)?)?;
                }
                drop(transaction);
                Some(log)
            }
        };
        Ok(Self {
            document,
            values,
            log: Mutex::new(log),
        })
    }

    /// The second encoding is the smaller one; the first is the quicker one and the default.
    fn state(&self) -> Vec<u8> {
        let transaction = self.document.transact();
        transaction.encode_state_as_update_v2(&StateVector::default())
    }
}

impl Replica for YrsReplica {
    fn commit(&self, puts: &[Put<'_>]) -> Outcome<()> {
        let mut log = self.log.lock().map_err(poisoned)?;
        let mut transaction = self.document.transact_mut();
        for put in puts {
            let value = Any::Buffer(put.value.into());
            self.values.insert(&mut transaction, put.key, value);
        }
        transaction.commit();
        match &mut *log {
            Some(log) => log.append(&transaction.encode_update_v1()),
            None => Ok(()),
        }
    }

    fn read(&self, keys: &[&str], visit: &mut dyn FnMut(Option<&[u8]>)) -> Outcome<()> {
        let transaction = self.document.transact();
        for key in keys {
            match self.values.get(&transaction, key) {
                Some(Out::Any(Any::Buffer(bytes))) => visit(Some(&bytes)),
                Some(_) => return Err("a value is not bytes".into()),
                None => visit(None),
            }
        }
        Ok(())
    }

    fn history(&self) -> Outcome<History> {
        let transaction = self.document.transact();
        let update = transaction.encode_state_as_update_v1(&StateVector::default());
        Ok(History::Encoded(update))
    }

    fn ingest(&self, history: &History) -> Outcome<()> {
        let history = history.encoded()?;
        let mut log = self.log.lock().map_err(poisoned)?;
        let update = Update::decode_v1(history)?;
        self.document.transact_mut().apply_update(update)?;
        match &mut *log {
            Some(log) => log.append(history),
            None => Ok(()),
        }
    }

    fn compact(&mut self) -> Outcome<()> {
        let state = self.state();
        match &mut *self.log.lock().map_err(poisoned)? {
            Some(log) => log.replace(&state),
            None => Ok(()),
        }
    }

    fn state_bytes(&self) -> Outcome<Option<u64>> {
        Ok(Some(self.state().len() as u64))
    }
}
