//! Bundles, stores that misbehave, and patience that takes no time.

use core::time::Duration;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use cid::Cid;
use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{CarLimits, CarProfile, CarReader, CarWriter};
use uxf_codec::package::{Timestamp, TokenId};
use uxf_engine::bundles::parse_cid;
use uxf_engine::{Clock, Engine, EngineOptions, Entropy, ExportOptions, ImportOptions, Progress};
use uxf_replication::bulk::{
    BulkError, BulkLimits, BulkStore, Bundle, ObjectBlocks, Patience, Pause, Presence, Stage,
};

/// A bundle of the seven genuine tokens.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) root: Cid,
    pub(crate) car: Vec<u8>,
}

impl Sample {
    pub(crate) fn new() -> Self {
        static SAMPLE: OnceLock<Sample> = OnceLock::new();
        SAMPLE
            .get_or_init(|| Self::of("../samples/genuine-tokens.json"))
            .clone()
    }

    pub(crate) fn of(file: &str) -> Self {
        let file = std::fs::read(file).unwrap();
        let engine = Engine::in_memory(EngineOptions::new()).unwrap();
        let wallet = engine.inventory("w").unwrap();
        wallet
            .import(&file, &ImportOptions::new(), Progress::silent())
            .unwrap();
        let snapshot = engine.snapshot().unwrap();
        let ids = snapshot.tokens(&wallet).unwrap();
        let ids: Vec<TokenId> = ids
            .map(|token| TokenId::new(&token.unwrap().0).unwrap())
            .collect();
        let options = ExportOptions::new(Timestamp::from_secs(1_750_000_000));
        let options = options.profile(CarProfile::Complete);
        let car = Arc::new(Mutex::new(Vec::new()));
        let export = wallet
            .export_cars(&ids, &options, |_| Ok(Shared(Arc::clone(&car))))
            .unwrap();
        assert_eq!(export.cars.len(), 1);
        let car = car.lock().unwrap().clone();
        Self {
            root: cid_of_hash(&export.cars.first().unwrap().root),
            car,
        }
    }

    pub(crate) fn bundle(&self) -> Bundle<'_> {
        Bundle::read(&self.root, &self.car, BulkLimits::REFERENCE).unwrap()
    }

    pub(crate) fn blocks(&self) -> Vec<(Cid, Vec<u8>)> {
        let mut blocks = Vec::new();
        let mut reader = CarReader::new(self.car.as_slice(), CarLimits::REFERENCE).unwrap();
        while let Some(block) = reader.next_block().unwrap() {
            blocks.push((block.cid.to_cid().unwrap(), block.bytes.to_vec()));
        }
        blocks
    }
}

/// An archive of these blocks.
pub(crate) fn car_of(root: &Cid, blocks: &[(Cid, Vec<u8>)]) -> Vec<u8> {
    let root = ElementHash::from_cid(root).unwrap();
    let mut writer = CarWriter::begin(Vec::new(), &root).unwrap();
    for (cid, bytes) in blocks {
        writer.put_under(cid, bytes).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn cid_of_hash(hash: &ElementHash) -> Cid {
    parse_cid(&hash.to_cid_text()).unwrap()
}

pub(crate) fn cid_of(bytes: &[u8]) -> Cid {
    cid_of_hash(&ElementHash::of(bytes))
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Time that passes only by waiting, which it notes.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    waited: Mutex<Vec<Duration>>,
}

impl Waits {
    pub(crate) fn list(&self) -> Vec<Duration> {
        self.waited.lock().unwrap().clone()
    }
}

impl Pause for Waits {
    fn pause(&self, time: Duration) {
        self.waited.lock().unwrap().push(time);
    }
}

impl Clock for Waits {
    fn monotonic(&self) -> Duration {
        self.waited.lock().unwrap().iter().sum()
    }

    fn unix_millis(&self) -> u64 {
        0
    }
}

#[derive(Debug)]
struct NoRandomness;

impl Entropy for NoRandomness {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        out.fill(0);
        Ok(())
    }
}

/// Patience by simulated time, and what it waited.
pub(crate) fn patience() -> (Patience, Arc<Waits>) {
    let waits = Arc::new(Waits::default());
    let clock: Arc<dyn Clock> = Arc::clone(&waits) as _;
    let pause: Arc<dyn Pause> = Arc::clone(&waits) as _;
    (Patience::new(clock, Arc::new(NoRandomness), pause), waits)
}

/// A store elsewhere, in memory.
pub(crate) fn elsewhere() -> ObjectBlocks {
    ObjectBlocks::in_memory().unwrap().elsewhere(true)
}

/// A store that may fail, change bytes or deny blocks before another one is asked.
#[derive(Debug)]
pub(crate) struct Odd<S> {
    pub(crate) inner: S,
    pub(crate) fault: Fault,
    pub(crate) asked: AtomicUsize,
}

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The first requests fail with this status.
    Fails { times: usize, status: u16 },
    /// Every block has a bit changed.
    Lies,
    /// It does not have this block.
    Lacks(Cid),
}

impl<S> Odd<S> {
    pub(crate) fn new(inner: S, fault: Fault) -> Self {
        Self {
            inner,
            fault,
            asked: AtomicUsize::new(0),
        }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), BulkError> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::Fails { times, status } if asked < times => Err(BulkError::Refused {
                store: "odd".to_owned(),
                status,
                message: "no".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

impl<S: BulkStore> BulkStore for Odd<S> {
    fn name(&self) -> &'static str {
        "odd"
    }

    fn is_elsewhere(&self) -> bool {
        self.inner.is_elsewhere()
    }

    fn put_bundle(&self, bundle: &Bundle<'_>) -> Result<(), BulkError> {
        self.inner.put_bundle(bundle)
    }

    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError> {
        self.inner.put_block(cid, bytes)
    }

    fn presence(&self, cid: &Cid) -> Result<Presence, BulkError> {
        self.inner.presence(cid)
    }

    fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, BulkError> {
        self.check()?;
        if matches!(self.fault, Fault::Lacks(lacks) if lacks == *cid) {
            return Err(BulkError::NotFound {
                store: "odd".to_owned(),
                cid: Box::new(*cid),
            });
        }
        self.inner.get_block(cid)
    }

    fn get_bundle(&self, stage: &mut Stage) -> Result<(), BulkError> {
        self.check()?;
        let mut whole = Stage::new(stage.root(), *stage.limits())?;
        self.inner.get_bundle(&mut whole)?;
        for (cid, bytes) in whole.finish()?.blocks() {
            match self.fault {
                Fault::Lacks(lacks) if lacks == *cid => {}
                Fault::Lies => {
                    let mut bytes = bytes.to_vec();
                    *bytes.first_mut().unwrap() ^= 1;
                    stage.offer(cid, &bytes)?;
                }
                _ => stage.offer(cid, bytes)?,
            }
        }
        Ok(())
    }

    fn pin(&self, cid: &Cid) -> Result<(), BulkError> {
        self.inner.pin(cid)
    }

    fn unpin(&self, cid: &Cid) -> Result<(), BulkError> {
        self.inner.unpin(cid)
    }
}
