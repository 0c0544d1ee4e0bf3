//! The floor under durable puts: the keys and values of a commit in one write and one `fdatasync`, with nothing to find
//! them by.

use std::sync::Mutex;

use super::log::Log;
use super::{Place, Replica, poisoned};
use crate::Outcome;
use crate::oplog::workload::Put;

pub(super) struct Append(Mutex<Log>);

impl Append {
    pub(super) fn open(place: Place<'_>) -> Outcome<Self> {
        match place {
            Place::Memory => Err("the floor is a file".into()),
            Place::Directory(dir) => Ok(Self(Mutex::new(Log::open(dir)?.0))),
        }
    }
}

impl Replica for Append {
    fn commit(&self, puts: &[Put<'_>]) -> Outcome<()> {
        let parts = puts.iter().flat_map(|put| [put.key.as_bytes(), put.value]);
        let change: Vec<u8> = parts.flatten().copied().collect();
        self.0.lock().map_err(poisoned)?.append(&change)
    }

    fn read(&self, _: &[&str], _: &mut dyn FnMut(Option<&[u8]>)) -> Outcome<()> {
        Err("the floor finds nothing again".into())
    }

    fn compact(&mut self) -> Outcome<()> {
        Err("the floor forgets nothing".into())
    }
}
