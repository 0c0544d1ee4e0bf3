//! SHA-256 over many inputs at once, eight to a vector register.
//!
//! Processors with instructions for SHA-256 hash one input faster than anything else does. All others spend most of a
//! token's time in hashing, and there eight inputs side by side take about a fifth of the time of one after the other.
//! The code is plain arithmetic on arrays; `fearless_simd` compiles it for the vector instructions it
//! finds at run time.

use fearless_simd::{Level, Simd, dispatch};

use super::ElementHash;

/// Inputs hashed side by side.
const LANES: usize = 8;
/// Bytes that SHA-256 takes in one step.
const BLOCK: usize = 64;

type Word = [u32; LANES];

/// The first 32 bits of the fractional parts of the square roots of the first 8 primes.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The same of the cube roots of the first 64 primes.
const ROUND: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// Hashes every input, replacing what `hashes` held, in the order of the inputs.
pub(super) fn hash_each(inputs: &[&[u8]], hashes: &mut Vec<ElementHash>) {
    hashes.clear();
    if inputs.len() < 2 || !are_lanes_faster() {
        hashes.extend(inputs.iter().map(|input| ElementHash::of(input)));
        return;
    }
    hashes.resize(inputs.len(), ElementHash::from_bytes([0; 32]));
    in_lanes(inputs, hashes);
}

fn in_lanes(inputs: &[&[u8]], hashes: &mut [ElementHash]) {
    // The longest first, so that no long one is left for the end, when it would have the lanes for itself.
    let mut order: Vec<(usize, &[u8])> = inputs.iter().copied().enumerate().collect();
    order.sort_unstable_by_key(|(_, input)| core::cmp::Reverse(input.len()));
    let level = Level::new();
    dispatch!(level, simd => run(simd, &order, hashes));
}

/// Lanes of 256 bits beat one input after the other, unless the processor knows SHA-256 itself.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn are_lanes_faster() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && !std::arch::is_x86_feature_detected!("sha")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
const fn are_lanes_faster() -> bool {
    // Unknown, so the well-tried way.
    false
}

/// An input on its way through a lane.
#[derive(Clone, Copy)]
struct Lane<'a> {
    /// Whole blocks that are still to come.
    rest: &'a [[u8; BLOCK]],
    /// What follows them: the odd bytes, the end mark and the length, in one or two blocks.
    tail: [[u8; BLOCK]; 2],
    tail_used: usize,
    tail_len: usize,
    index: usize,
}

impl<'a> Lane<'a> {
    fn new(index: usize, input: &'a [u8]) -> Self {
        let (whole, odd) = input.as_chunks::<BLOCK>();
        let mut bytes = [0; 2 * BLOCK];
        let tail_len = if odd.len() < BLOCK - 8 { 1 } else { 2 };
        let bits = (input.len() as u64).wrapping_mul(8).to_be_bytes();
        for (to, from) in bytes.iter_mut().zip(odd.iter().chain(&[0x80])) {
            *to = *from;
        }
        let length = bytes.iter_mut().skip(tail_len * BLOCK - 8).zip(bits);
        length.for_each(|(to, from)| *to = from);
        let mut tail = [[0; BLOCK]; 2];
        for (block, from) in tail.iter_mut().zip(bytes.as_chunks().0) {
            *block = *from;
        }
        Self {
            rest: whole,
            tail,
            tail_used: 0,
            tail_len,
            index,
        }
    }

    /// The next block; `None` behind the last.
    #[inline]
    fn next(&mut self) -> Option<&[u8; BLOCK]> {
        if let Some((block, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Some(block);
        }
        let place = self.tail_used;
        self.tail_used += 1;
        self.tail.get(place).filter(|_| place < self.tail_len)
    }

    const fn is_done(&self) -> bool {
        self.rest.is_empty() && self.tail_used >= self.tail_len
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the vectors"
)]
fn run<S: Simd>(_: S, inputs: &[(usize, &[u8])], hashes: &mut [ElementHash]) {
    let mut waiting = inputs.iter();
    let mut lanes: [Option<Lane<'_>>; LANES] = [None; LANES];
    let mut state = [[0; LANES]; 8];
    loop {
        let mut active = 0;
        let mut message = [[0; LANES]; 16];
        for (lane, slot) in lanes.iter_mut().enumerate() {
            if slot.is_none()
                && let Some((index, input)) = waiting.next()
            {
                *slot = Some(Lane::new(*index, input));
                set_lane(&mut state, lane, INITIAL);
            }
            if let Some(block) = slot.as_mut().and_then(Lane::next) {
                load(&mut message, lane, block);
                active += 1;
            }
        }
        if active == 0 {
            return;
        }
        compress(&mut state, message);
        for (lane, slot) in lanes.iter_mut().enumerate() {
            if let Some(done) = slot.filter(Lane::is_done) {
                if let Some(hash) = hashes.get_mut(done.index) {
                    *hash = digest(&state, lane);
                }
                *slot = None;
            }
        }
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the vectors"
)]
fn set_lane(state: &mut [Word; 8], lane: usize, words: [u32; 8]) {
    for (word, value) in state.iter_mut().zip(words) {
        if let Some(slot) = word.get_mut(lane) {
            *slot = value;
        }
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the vectors"
)]
fn load(message: &mut [Word; 16], lane: usize, block: &[u8; BLOCK]) {
    for (word, bytes) in message.iter_mut().zip(block.as_chunks::<4>().0) {
        if let Some(slot) = word.get_mut(lane) {
            *slot = u32::from_be_bytes(*bytes);
        }
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the vectors"
)]
fn digest(state: &[Word; 8], lane: usize) -> ElementHash {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.get(lane).copied().unwrap_or_default().to_be_bytes();
    }
    ElementHash::from_bytes(digest)
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the vectors"
)]
fn each(a: Word, b: Word, op: impl Fn(u32, u32) -> u32) -> Word {
    let mut out = [0; LANES];
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = op(a, b);
    }
    out
}

/// The compression function of FIPS 180-4, section 6.2.2, in every lane.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the vectors"
)]
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
#[expect(
    clippy::indexing_slicing,
    reason = "places of the message are taken modulo its length"
)]
fn compress(state: &mut [Word; 8], mut w: [Word; 16]) {
    let add = |a, b| each(a, b, u32::wrapping_add);
    let xor = |a, b| each(a, b, |a, b| a ^ b);
    let and = |a, b| each(a, b, |a, b| a & b);
    let rotate = |a, bits: u32| each(a, a, |a, _| a.rotate_right(bits));
    let shift = |a, bits: u32| each(a, a, |a, _| a >> bits);

    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (t, constant) in ROUND.into_iter().enumerate() {
        if t >= 16 {
            let near = w[(t + 14) % 16];
            let far = w[(t + 1) % 16];
            let sigma_1 = xor(xor(rotate(near, 17), rotate(near, 19)), shift(near, 10));
            let sigma_0 = xor(xor(rotate(far, 7), rotate(far, 18)), shift(far, 3));
            w[t % 16] = add(add(w[t % 16], sigma_0), add(w[(t + 9) % 16], sigma_1));
        }
        let sum_1 = xor(xor(rotate(e, 6), rotate(e, 11)), rotate(e, 25));
        let choice = xor(g, and(e, xor(f, g)));
        let first = add(
            add(h, sum_1),
            add(choice, add([constant; LANES], w[t % 16])),
        );
        let sum_0 = xor(xor(rotate(a, 2), rotate(a, 13)), rotate(a, 22));
        let majority = xor(and(a, b), and(c, xor(a, b)));
        h = g;
        g = f;
        f = e;
        e = add(d, first);
        d = c;
        c = b;
        b = a;
        a = add(first, add(sum_0, majority));
    }
    for (word, value) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = add(*word, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In lanes whatever this machine would choose.
    fn hashes_in_lanes(inputs: &[&[u8]]) -> Vec<ElementHash> {
        let mut hashes = vec![ElementHash::from_bytes([0; 32]); inputs.len()];
        in_lanes(inputs, &mut hashes);
        hashes
    }

    #[test]
    fn lanes_give_the_hash_of_every_length_around_the_blocks() {
        let bytes: Vec<u8> = (0..300u32).map(|i| (i * 7 % 251) as u8).collect();
        let inputs: Vec<&[u8]> = (0..bytes.len()).map(|len| &bytes[..len]).collect();
        let expected: Vec<ElementHash> =
            inputs.iter().map(|input| ElementHash::of(input)).collect();
        assert_eq!(hashes_in_lanes(&inputs), expected);
        let mut hashes = Vec::new();
        hash_each(&inputs, &mut hashes);
        assert_eq!(hashes, expected);
    }

    #[test]
    fn any_number_of_inputs_is_hashed() {
        for count in 0..20 {
            let texts: Vec<String> = (0..count).map(|i: usize| "x".repeat(i * 37)).collect();
            let inputs: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            let expected: Vec<ElementHash> =
                inputs.iter().map(|input| ElementHash::of(input)).collect();
            assert_eq!(hashes_in_lanes(&inputs), expected);
        }
    }
}
