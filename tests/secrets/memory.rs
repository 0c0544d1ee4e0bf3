//! What must not be found in a core dump once a profile is dropped.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Durability, Engine, EngineOptions, Entropy};
use uxf_testkit::Rng;

const MASK: u8 = 0xa5;
const LEN: usize = 32;

/// The wallet's secret, never in one piece in the program: a formula that the compiler cannot work out.
fn secret_byte(at: usize) -> u8 {
    let at = u8::try_from(black_box(at)).unwrap();
    at.wrapping_mul(37).wrapping_add(11) ^ 0x5c
}

/// The device's seed.
fn seed_byte(at: usize) -> u8 {
    let at = u8::try_from(black_box(at)).unwrap();
    at.wrapping_mul(53).wrapping_add(97)
}

// The constants below are masked, and were made by another implementation (Python's hashlib and hmac).

/// HMAC-SHA-256 of that secret under `sphere-profile-v1`: what the sealing key is expanded from.
const EXTRACTED: [u8; LEN] = [
    0x96, 0x7e, 0x78, 0xf5, 0xcd, 0x13, 0x18, 0xd7, 0x44, 0x2c, 0xee, 0x74, 0xc5, 0x02, 0x8e, 0xe1,
    0x57, 0x35, 0x2a, 0xb4, 0x06, 0x4d, 0x70, 0x95, 0x97, 0xc8, 0x49, 0x0a, 0x49, 0x8a, 0x66, 0x06,
];
/// The expansion of it for `uxf-profile-encryption`.
const SEALING_KEY: [u8; LEN] = [
    0x51, 0x86, 0x47, 0x7f, 0x90, 0x60, 0x55, 0xa0, 0xfc, 0xcf, 0xce, 0xba, 0xaf, 0xf2, 0x65, 0xb9,
    0x9e, 0x07, 0x38, 0xc4, 0xd9, 0x39, 0x84, 0x0d, 0x47, 0x82, 0x11, 0xf2, 0xb7, 0x20, 0x90, 0x6a,
];
/// The first half of SHA-512 of that seed, as it is, as Ed25519 clamps it, and modulo the order of the curve.
const SIGNING_HASH: [u8; LEN] = [
    0x3c, 0xf4, 0x9b, 0xb4, 0x33, 0xb4, 0x1b, 0x33, 0xa7, 0xe0, 0x65, 0xda, 0xcc, 0x55, 0x85, 0x42,
    0x32, 0x43, 0xd3, 0x41, 0x0f, 0x33, 0x36, 0xb6, 0x1f, 0xba, 0x93, 0x2e, 0x83, 0xf2, 0x0b, 0x85,
];
const SIGNING_CLAMPED: [u8; LEN] = [
    0x3d, 0xf4, 0x9b, 0xb4, 0x33, 0xb4, 0x1b, 0x33, 0xa7, 0xe0, 0x65, 0xda, 0xcc, 0x55, 0x85, 0x42,
    0x32, 0x43, 0xd3, 0x41, 0x0f, 0x33, 0x36, 0xb6, 0x1f, 0xba, 0x93, 0x2e, 0x83, 0xf2, 0x0b, 0xc5,
];
const SIGNING_SCALAR: [u8; LEN] = [
    0xaf, 0xff, 0xde, 0x46, 0x52, 0x1b, 0xea, 0x23, 0x59, 0x32, 0x57, 0x08, 0x94, 0xb0, 0x42, 0xcc,
    0x32, 0x43, 0xd3, 0x41, 0x0f, 0x33, 0x36, 0xb6, 0x1f, 0xba, 0x93, 0x2e, 0x83, 0xf2, 0x0b, 0xa5,
];
/// The second half, which makes nonces.
const SIGNING_PREFIX: [u8; LEN] = [
    0x2a, 0xc4, 0x05, 0xb0, 0x74, 0xfd, 0x52, 0x7f, 0xe7, 0x7c, 0x6f, 0xe9, 0xd7, 0x5a, 0xbc, 0x68,
    0xa3, 0x76, 0x00, 0x52, 0x52, 0x36, 0xb1, 0x2a, 0xa6, 0x04, 0x9d, 0xb6, 0x62, 0x70, 0x60, 0x2f,
];

/// Secrets, masked, so that looking for them does not put them where they are looked for.
fn needles() -> [(&'static str, [u8; LEN]); 9] {
    let byte = |at| secret_byte(at) ^ MASK;
    [
        ("the wallet's secret", core::array::from_fn(byte)),
        // Numbers are kept with their low bytes first.
        (
            "the profile's signing scalar",
            core::array::from_fn(|at| byte(LEN - 1 - at)),
        ),
        (
            "the device's seed",
            core::array::from_fn(|at| seed_byte(at) ^ MASK),
        ),
        ("what the sealing key is expanded from", EXTRACTED),
        ("the sealing key", SEALING_KEY),
        ("the hash of the device's seed", SIGNING_HASH),
        ("the device's clamped scalar", SIGNING_CLAMPED),
        ("the device's signing scalar", SIGNING_SCALAR),
        ("the device's nonce prefix", SIGNING_PREFIX),
    ]
}

/// Draws the device's seed when 32 bytes are asked for, and other bytes otherwise.
#[derive(Debug)]
struct KnownSeed;

impl Entropy for KnownSeed {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        if out.len() == LEN {
            for (at, byte) in out.iter_mut().enumerate() {
                *byte = seed_byte(at);
            }
        } else {
            Rng::new(out.as_ptr().addr() as u64).fill(out);
        }
        Ok(())
    }
}

/// Bytes of a needle that give it away. Memory that was freed keeps what the allocator had no use for: not the first
/// bytes of a block, so the whole would not be found.
const PIECE: usize = 8;

/// The needles of which a piece is anywhere in the memory of this process.
fn found_in_memory() -> Vec<&'static str> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let needles = needles();
    let mut found = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with('r') || rest.contains("[vvar") || rest.contains("[vsyscall") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let parse = |text| u64::from_str_radix(text, 16).unwrap();
        let (mut at, end) = (parse(start), parse(end));
        while at < end {
            let len = usize::try_from(end - at).unwrap().min(chunk.len());
            // What is unmapped meanwhile cannot be read.
            if memory.read_exact_at(&mut chunk[..len], at).is_err() {
                break;
            }
            look_through(&chunk[..len], &needles, &mut found);
            // Read again what may begin at the end of this piece.
            at += if len == chunk.len() { len - PIECE } else { len } as u64;
        }
    }
    chunk.fill(0);
    black_box(&chunk);
    found
}

fn look_through(
    chunk: &[u8],
    needles: &[(&'static str, [u8; LEN])],
    found: &mut Vec<&'static str>,
) {
    let mut begins = [false; 256];
    for (_, needle) in needles {
        for piece in needle.as_chunks::<PIECE>().0 {
            begins[usize::from(piece[0])] = true;
        }
    }
    for window in chunk.windows(PIECE) {
        if !begins[usize::from(window[0] ^ MASK)] {
            continue;
        }
        for (name, needle) in needles {
            let is_here = |piece: &[u8; PIECE]| {
                let mut both = window.iter().zip(piece);
                both.all(|(byte, masked)| byte ^ MASK == *masked)
            };
            if needle.as_chunks::<PIECE>().0.iter().any(is_here) && !found.contains(name) {
                found.push(name);
            }
        }
    }
}

/// A profile is made, written, closed and opened again, and everything is dropped.
fn use_profile(look: impl Fn()) {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..2_u8 {
        let mut bytes = [0; LEN];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = secret_byte(at);
        }
        let secret = WalletSecret::take(&mut bytes);
        let options = EngineOptions::new().entropy(Arc::new(KnownSeed));
        let engine = Engine::open(directory.path(), options).unwrap();
        let profile = engine.profile(&secret, "phone").unwrap();
        for key in 0..50 {
            let mut batch = engine.begin().durability(Durability::Buffered);
            let key = format!("app.{key}");
            batch
                .put_value(&profile, &key, &vec![round; 2_000])
                .unwrap();
            batch.put_value(&profile, "app.k", &[round; 20]).unwrap();
            batch.commit().unwrap();
        }
        let set = "DIRECT_0d5508_b1bbbf.invalidatedNametags";
        profile.put(set, br#"["a"]"#).unwrap();
        profile.put(set, br#"["b"]"#).unwrap();
        profile.compact().unwrap();
        assert!(profile.get("app.k").unwrap().is_some());
        look();
    }
}

#[test]
fn nothing_secret_is_left_in_memory_once_a_profile_is_dropped() {
    let during = std::sync::Mutex::new(Vec::new());
    use_profile(|| during.lock().unwrap().extend(found_in_memory()));
    // These are kept while the profile is open: so the search finds what is there.
    let mut kept = vec![
        "the wallet's secret",
        "the profile's signing scalar",
        "the device's seed",
    ];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("aes") {
        // The key schedule begins with the key.
        kept.push("the sealing key");
    }
    let during = during.into_inner().unwrap();
    kept.retain(|kept| !during.contains(kept));
    assert_eq!(kept, [""; 0], "not found while in use");
    assert_eq!(found_in_memory(), [""; 0]);
}
