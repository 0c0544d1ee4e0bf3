//! What the most talkative log of a profile must not say.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;
use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Engine, EngineOptions, Entropy};

/// Bytes that stand for a secret: easily told from everything else in any notation.
const SECRET: [u8; 32] = *b"secret-of-the-wallet-canary-0001";
const SEED: [u8; 32] = *b"seed-of-the-device-canary-000002";
const VALUE: &[u8] = b"value-canary-0003";
const MERGED: &[u8] = b"[\"merged-canary-0004\"]";
const LONG: &[u8] = b"long-value-canary-0005";
const KEY: &str = "app.key-canary-0006";

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Draws the device's seed when 32 bytes are asked for.
#[derive(Debug)]
struct KnownSeed(std::sync::atomic::AtomicU64);

impl Entropy for KnownSeed {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        if out.len() == SEED.len() {
            out.copy_from_slice(&SEED);
        } else {
            let seed = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            uxf_testkit::Rng::new(seed).fill(out);
        }
        Ok(())
    }
}

fn device(name: &str, known: bool) -> Profile {
    let mut options = EngineOptions::new().checkpoint_elements(16);
    if known {
        options = options.entropy(Arc::new(KnownSeed(0.into())));
    }
    let engine = Engine::in_memory(options).unwrap();
    let secret = WalletSecret::take(&mut { SECRET });
    engine.profile(&secret, name).unwrap()
}

/// What a profile does, errors included.
fn work() {
    let (phone, laptop) = (device("phone", true), device("laptop", false));
    let set = "DIRECT_0d5508_b1bbbf.invalidatedNametags";
    for _ in 0..30 {
        phone.put(KEY, VALUE).unwrap();
        phone.put(set, MERGED).unwrap();
        phone.put("app.long", &LONG.repeat(100)).unwrap();
        phone.put("prices.cache", VALUE).unwrap();
        laptop.put(KEY, VALUE).unwrap();
    }
    for (from, to) in [(&phone, &laptop), (&laptop, &phone)] {
        let delta = from.delta_for(&VersionVector::default(), 1 << 20).unwrap();
        to.ingest(&delta).unwrap();
        let mut broken = delta.clone();
        if let Some(byte) = broken
            .commits
            .first_mut()
            .and_then(|commit| commit.last_mut())
        {
            *byte ^= 1;
        }
        assert!(to.ingest(&broken).is_err());
    }
    assert!(phone.put(set, VALUE).is_err());
    assert!(phone.get_json::<u64>(KEY).is_err());
    assert!(phone.compare_and_set(KEY, Some(VALUE), None).unwrap());
    phone.compact().unwrap();
    phone.engine().sweep(u64::MAX).unwrap();
    // What a program might log of the things it holds.
    tracing::trace!(?phone, value = ?phone.get(set), vector = ?phone.version_vector(), "holds");
    let snapshot = phone.engine().snapshot().unwrap();
    for row in snapshot.profile(&phone).prefix("").unwrap() {
        tracing::trace!(row = ?row.unwrap().1, "has");
    }
    phone.engine().close().unwrap();
}

/// The notations in which bytes turn up in logs.
fn notations(bytes: &[u8]) -> Vec<String> {
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let spaced = list.join(", ");
    let hex = const_hex::encode(bytes);
    let escaped = bytes.escape_ascii().to_string();
    let raw = String::from_utf8_lossy(bytes).into_owned();
    vec![raw, escaped, hex.to_uppercase(), hex, spaced]
}

#[test]
fn the_most_talkative_log_never_shows_a_value_or_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::trace!("value-canary-control");
    work();
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(
        text.contains("value-canary-control") && text.lines().count() > 20,
        "{text}"
    );
    for bytes in [&SECRET[..], &SEED, VALUE, MERGED, LONG, KEY.as_bytes()] {
        for notation in notations(bytes) {
            assert!(!text.contains(&notation), "{notation} is in the log");
        }
    }
}
