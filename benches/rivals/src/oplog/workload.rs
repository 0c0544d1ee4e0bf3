//! Workload W: puts of random values over few keys, so that most of the history is dead in the end.

use std::collections::BTreeMap;

use uxf_testkit::Rng;

const VALUE_BYTES_MIN: usize = 64;
const VALUE_BYTES_MAX: usize = 256;

/// A key and the value it gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a [u8],
}

/// Puts made ready before the clock starts.
pub(super) struct Workload {
    puts: Vec<(String, Vec<u8>)>,
}

impl Workload {
    /// So many puts over keys below `keys`; the values cannot be compressed.
    pub(super) fn new(seed: u64, puts: usize, keys: usize) -> Self {
        let mut rng = Rng::new(seed);
        let puts = (0..puts)
            .map(|_| (key(rng.index(keys)), value(&mut rng)))
            .collect();
        Self { puts }
    }

    /// Puts from the one numbered `first` on, each to a key that no other of the `keys` puts has, in no order.
    pub(super) fn distinct(seed: u64, first: usize, count: usize, keys: usize) -> Self {
        // A prime that divides no power of ten permutes the numbers below one.
        const STRIDE: usize = 7_919;
        let puts = (first..first + count).map(|place| {
            let mut rng = Rng::for_item(seed, place as u64);
            (key(place * STRIDE % keys), value(&mut rng))
        });
        Self {
            puts: puts.collect(),
        }
    }

    pub(super) fn puts(&self) -> Vec<Put<'_>> {
        let puts = self.puts.iter();
        puts.map(|(key, value)| Put { key, value }).collect()
    }

    /// What every key has in the end.
    pub(super) fn live(&self) -> BTreeMap<&str, &[u8]> {
        live(&self.puts())
    }
}

/// What every key has after these puts.
pub(super) fn live<'a>(puts: &[Put<'a>]) -> BTreeMap<&'a str, &'a [u8]> {
    puts.iter().map(|put| (put.key, put.value)).collect()
}

/// Bytes of keys and values.
pub(super) fn live_bytes(live: &BTreeMap<&str, &[u8]>) -> u64 {
    let bytes = live.iter().map(|(key, value)| key.len() + value.len());
    bytes.sum::<usize>() as u64
}

fn key(number: usize) -> String {
    format!("user/{number:05}")
}

fn value(rng: &mut Rng) -> Vec<u8> {
    let mut value = vec![0; VALUE_BYTES_MIN + rng.index(VALUE_BYTES_MAX - VALUE_BYTES_MIN + 1)];
    rng.fill(&mut value);
    value
}
