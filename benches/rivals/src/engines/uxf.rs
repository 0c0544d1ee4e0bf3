//! Our own engine, through its public interface.

use std::path::Path;

use uxf_codec::ElementHash;
use uxf_engine::{Engine, EngineOptions, Error};

use super::CACHE_BYTES;
use crate::Outcome;
use crate::rival::{Arriving, Hash, Rival, missing};

pub(super) struct Uxf {
    engine: Engine,
}

impl Uxf {
    pub(super) fn open(dir: &Path) -> Outcome<Self> {
        let options = EngineOptions::new().cache_bytes(CACHE_BYTES);
        Ok(Self {
            engine: Engine::open(dir.join("uxf"), options)?,
        })
    }
}

impl Rival for Uxf {
    fn ingest(&self, batch: &[Arriving<'_>]) -> Outcome<()> {
        let mut write = self.engine.begin();
        for arriving in batch {
            let element = arriving
                .verified
                .ok_or("the workload made bytes that are no element")?;
            write.put_verified(&element)?;
            write.pin(&element.hash())?;
        }
        write.commit()?;
        Ok(())
    }

    fn groups_commits(&self) -> bool {
        true
    }

    fn read(&self, hashes: &[Hash], visit: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        let snapshot = self.engine.snapshot()?;
        for hash in hashes {
            let found = snapshot.get(&ElementHash::from_bytes(*hash))?;
            visit(found.ok_or_else(|| missing(hash))?.as_ref());
        }
        Ok(())
    }

    fn has_references(&self, hash: &Hash, count: u32) -> Outcome<bool> {
        // Taking one more than there are is refused, and the refusal says how many there are.
        let hash = ElementHash::from_bytes(*hash);
        let mut write = self.engine.begin();
        for _ in 0..=count {
            write.unpin(&hash)?;
        }
        match write.commit() {
            Err(Error::OverReleased { references, .. }) => Ok(references == u64::from(count)),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(false),
        }
    }

    fn release(&self, batch: &[(Hash, u32)]) -> Outcome<()> {
        let mut write = self.engine.begin();
        for (hash, count) in batch {
            let hash = ElementHash::from_bytes(*hash);
            for _ in 0..*count {
                write.unpin(&hash)?;
            }
        }
        write.commit()?;
        Ok(())
    }

    fn reclaim(&self) -> Outcome<()> {
        while self.engine.sweep(u64::MAX)?.remaining > 0 {}
        Ok(())
    }

    fn elements(&self) -> Outcome<u64> {
        Ok(self.engine.stats()?.elements)
    }
}
