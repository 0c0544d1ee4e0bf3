//! The hash index when it does not fit into the memory it may take.

use uxf_codec::ElementHash;
use uxf_engine::{Durability, Engine, EngineOptions};

const ELEMENTS: u32 = 150_000;
const BATCH: u32 = 5_000;

#[test]
fn an_index_over_its_memory_budget_still_finds_everything_and_nothing_else() {
    // 150,000 entries of 16 bytes are more than twice the budget; runs of 8,192 are merged several times over.
    let options = EngineOptions::new()
        .index_bytes(1 << 20)
        .checkpoint_elements(8_192);
    let directory = tempfile::tempdir().unwrap();
    let element = |number: u32| number.to_le_bytes();
    let engine = Engine::open(directory.path(), options.clone()).unwrap();
    for first in (0..ELEMENTS).step_by(BATCH as usize) {
        let mut batch = engine.begin().durability(Durability::Buffered);
        for number in first..first + BATCH {
            let hash = batch.put_opaque(&element(number)).unwrap();
            batch.pin(&hash).unwrap();
        }
        assert_eq!(batch.commit().unwrap().stored, u64::from(BATCH));
    }
    let check = |engine: &Engine| {
        let snapshot = engine.snapshot().unwrap();
        for number in (0..2 * ELEMENTS).step_by(7) {
            let found = snapshot.contains(&ElementHash::of(&element(number)));
            assert_eq!(found.unwrap(), number < ELEMENTS, "{number}");
        }
        let mut batch = engine.begin().durability(Durability::Buffered);
        for number in (0..ELEMENTS).step_by(11) {
            batch.put_opaque(&element(number)).unwrap();
        }
        assert_eq!(batch.commit().unwrap().stored, 0);
        let metrics = engine.metrics();
        assert!(metrics.index_segments_loaded_total > 0);
        assert!(metrics.index_segments_evicted_total > 0);
    };
    check(&engine);
    drop(engine);
    let engine = Engine::open(directory.path(), options).unwrap();
    check(&engine);
    assert!(engine.check_integrity(&mut |_| ()).unwrap().is_clean());
}
