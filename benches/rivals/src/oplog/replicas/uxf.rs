//! Our own profile, through its public interface: every value sealed, every commit signed, every signature verified.

use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Durability, Engine, EngineOptions};

use super::{CACHE_BYTES, History, Place, Replica};
use crate::Outcome;
use crate::oplog::workload::Put;

/// The devices of one wallet.
const WALLET: u8 = 7;

pub(super) struct UxfReplica {
    profile: Profile,
}

impl UxfReplica {
    pub(super) fn open(place: Place<'_>, device: u64) -> Outcome<Self> {
        let options = EngineOptions::new().cache_bytes(CACHE_BYTES);
        let engine = match place {
            // As with the others nothing in memory is made durable.
            Place::Memory => Engine::in_memory(options.durability(Durability::Buffered))?,
            Place::Directory(dir) => Engine::open(dir.join("uxf"), options)?,
        };
        let secret = WalletSecret::take(&mut [WALLET; 32]);
        Ok(Self {
            profile: engine.profile(&secret, &format!("device {device}"))?,
        })
    }
}

impl Replica for UxfReplica {
    fn commit(&self, puts: &[Put<'_>]) -> Outcome<()> {
        let mut batch = self.profile.engine().begin();
        for put in puts {
            batch.put_value(&self.profile, put.key, put.value)?;
        }
        batch.commit()?;
        Ok(())
    }

    fn groups_commits(&self) -> bool {
        true
    }

    fn read(&self, keys: &[&str], visit: &mut dyn FnMut(Option<&[u8]>)) -> Outcome<()> {
        // One key is asked for as an application asks for one.
        if let [key] = keys {
            let value = self.profile.get(key)?;
            visit(value.as_ref().map(AsRef::as_ref));
            return Ok(());
        }
        let snapshot = self.profile.engine().snapshot()?;
        let view = snapshot.profile(&self.profile);
        for key in keys {
            let value = view.get(key)?;
            visit(value.as_ref().map(AsRef::as_ref));
        }
        Ok(())
    }

    fn history(&self) -> Outcome<History> {
        let nothing = VersionVector::default();
        Ok(History::Delta(
            self.profile.delta_for(&nothing, usize::MAX)?,
        ))
    }

    fn ingest(&self, history: &History) -> Outcome<()> {
        match history {
            History::Delta(delta) => {
                self.profile.ingest(delta)?;
                Ok(())
            }
            History::Encoded(_) => Err("the history of another contender".into()),
        }
    }

    fn compact(&mut self) -> Outcome<()> {
        self.profile.compact()?;
        let engine = self.profile.engine();
        while engine.sweep(u64::MAX)?.remaining > 0 {}
        engine.compact()?;
        Ok(())
    }

    fn state_bytes(&self) -> Outcome<Option<u64>> {
        let mut file = Vec::new();
        self.profile
            .export_delta(&VersionVector::default(), &mut file)?;
        Ok(Some(file.len() as u64))
    }

    fn sealed_bytes(&self) -> Outcome<Option<u64>> {
        let mut bytes = 0;
        self.profile.history(|operation| {
            bytes += operation.key.len() as u64 + operation.sealed_bytes as u64;
        })?;
        Ok(Some(bytes))
    }
}
