//! The workload on which stores are compared: elements arriving, most of them known already.

use uxf_codec::ElementHash;

use crate::Rng;

/// Size of the hot set, from which half of the duplicates come.
const HOT_SET: u64 = 2_000;
/// Arrivals before the first duplicate, so that there is something to repeat.
const FIRST_BLOCKS: u64 = 100;
const BLOCK_BYTES_MIN: usize = 60;
const BLOCK_BYTES_MAX: usize = 4_096;
/// An element of type 7 (predicate, which has no children) up to the length of its only field.
const PREFIX: &[u8] =
    b"\xa4\x64type\x07\x66header\x84\x01\x01\x67default\xf6\x67content\xa1\x63raw";
const SUFFIX: &[u8] = b"\x68children\xa0";

/// What an [`Arrivals`] stream is like.
#[derive(Clone, Copy, Debug)]
pub struct ArrivalOptions {
    /// Names the stream; equal seeds give equal streams.
    pub seed: u64,
    /// How many elements arrive.
    pub arrivals: u64,
    /// How many in a hundred have arrived before. Default 60; 0 to 100.
    pub duplicate_percent: u64,
}

impl Default for ArrivalOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            arrivals: 1_000_000,
            duplicate_percent: 60,
        }
    }
}

/// A stream of element numbers: element 0, 1, 2, … in the order of their first arrival, duplicates between them.
///
/// Half of the duplicates come from the first 2,000 elements by a power law (a handful of certificates and
/// predicates that most tokens share), half from all of them alike. The elements themselves are [`Blocks`].
///
/// ```
/// use uxf_testkit::{ArrivalOptions, Arrivals};
///
/// let options = ArrivalOptions { arrivals: 10_000, ..ArrivalOptions::default() };
/// let fresh = Arrivals::new(options).filter(|arrival| arrival.is_new).count();
/// assert!((3_900..4_300).contains(&fresh));
/// ```
#[derive(Clone, Debug)]
pub struct Arrivals {
    rng: Rng,
    options: ArrivalOptions,
    arrived: u64,
    distinct: u64,
}

/// One element arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which element of [`Blocks`].
    pub element: u64,
    /// Whether it arrives for the first time.
    pub is_new: bool,
}

impl Arrivals {
    /// The stream from its beginning.
    pub fn new(options: ArrivalOptions) -> Self {
        Self {
            rng: Rng::new(options.seed),
            options,
            arrived: 0,
            distinct: 0,
        }
    }

    /// How many distinct elements have arrived so far.
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// The elements of this stream.
    pub fn blocks(&self) -> Blocks {
        Blocks::new(self.options.seed)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the product is between 0 and the size of the hot set, 2,000"
    )]
    fn duplicate(&mut self) -> u64 {
        if self.rng.percent(50) {
            let x = self.rng.fraction();
            (x * x * x * self.distinct.min(HOT_SET) as f64) as u64
        } else {
            self.rng.below(self.distinct)
        }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if self.arrived >= self.options.arrivals {
            return None;
        }
        self.arrived += 1;
        let is_new =
            self.distinct < FIRST_BLOCKS || !self.rng.percent(self.options.duplicate_percent);
        let element = if is_new {
            self.distinct += 1;
            self.distinct - 1
        } else {
            self.duplicate()
        };
        Some(Arrival { element, is_new })
    }
}

/// The elements of a stream, each made from its number alone.
///
/// They are canonical elements (type 7, predicate) with random bytes inside, so that a store of elements takes
/// them as they are; their lengths are log-normal about a median of 300 bytes, 60 bytes to 4 KB.
///
/// ```
/// use uxf_codec::canonical::ElementView;
/// use uxf_testkit::Blocks;
///
/// let mut bytes = Vec::new();
/// Blocks::new(1).write(5, &mut bytes);
/// assert!(ElementView::parse(&bytes).is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    seed: u64,
}

impl Blocks {
    /// The elements of the stream that a seed names.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Appends the canonical bytes of an element and returns its hash.
    pub fn write(&self, element: u64, out: &mut Vec<u8>) -> ElementHash {
        let mut rng = Rng::for_item(self.seed, element);
        let start = out.len();
        let framing = PREFIX.len() + 2 + SUFFIX.len();
        let raw_len = block_len(&mut rng).saturating_sub(framing).max(10);
        out.extend_from_slice(PREFIX);
        byte_string_head(raw_len, out);
        let raw = out.len();
        out.resize(raw + raw_len, 0);
        rng.fill(out.get_mut(raw..).unwrap_or_default());
        out.extend_from_slice(SUFFIX);
        ElementHash::of(out.get(start..).unwrap_or_default())
    }

    /// The canonical bytes of an element.
    pub fn bytes(&self, element: u64) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(element, &mut out);
        out
    }
}

/// The shortest CBOR head of a byte string; lengths here never pass two bytes.
fn byte_string_head(len: usize, out: &mut Vec<u8>) {
    match u8::try_from(len) {
        Ok(len @ 0..24) => out.push(0x40 + len),
        Ok(len) => out.extend_from_slice(&[0x58, len]),
        Err(_) => {
            out.push(0x59);
            out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
}

/// 300 · e^(0.6 z) with z normal, from IEEE additions and multiplications alone, whose results are the same
/// everywhere; `exp` and `ln` of a platform's library are not.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "21-bit numbers are exact in a float, and the result is clamped to a small positive range"
)]
fn block_len(rng: &mut Rng) -> usize {
    // Twelve uniform numbers have a sum of mean 6 and variance 1.
    let sum: u64 = (0..4)
        .map(|_| rng.next_u64())
        .map(|word| (word & 0x1f_ffff) + ((word >> 21) & 0x1f_ffff) + (word >> 42 & 0x1f_ffff))
        .sum();
    let z = sum as f64 / f64::from(1 << 21) - 6.0;
    // (1 + x/1024)^1024 is e^x within 0.7 % for |x| <= 3.6.
    let mut power = 1.0 + 0.6 * z / 1_024.0;
    for _ in 0..10 {
        power *= power;
    }
    ((300.0 * power) as usize).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uxf_codec::ElementType;
    use uxf_codec::canonical::ElementView;

    use super::*;

    #[test]
    fn blocks_are_canonical_distinct_and_of_the_stated_lengths() {
        let blocks = Blocks::new(1);
        let mut lengths: Vec<usize> = Vec::new();
        let mut hashes = BTreeSet::new();
        for element in 0..20_000 {
            let bytes = blocks.bytes(element);
            let view = ElementView::parse(&bytes).unwrap();
            assert_eq!(view.element_type(), ElementType::Predicate);
            hashes.insert(ElementHash::of(&bytes));
            lengths.push(bytes.len());
        }
        assert_eq!(hashes.len(), 20_000);
        lengths.sort_unstable();
        let percentile = |p: usize| lengths[lengths.len() * p / 100];
        assert!((290..=310).contains(&percentile(50)), "{}", percentile(50));
        assert!((135..=150).contains(&percentile(10)), "{}", percentile(10));
        assert!((630..=670).contains(&percentile(90)), "{}", percentile(90));
        assert!(lengths.iter().all(|len| (60..=4_100).contains(len)));
    }

    #[test]
    fn an_arrival_is_new_exactly_once_and_numbers_are_dense() {
        let options = ArrivalOptions {
            arrivals: 50_000,
            ..ArrivalOptions::default()
        };
        let mut stream = Arrivals::new(options);
        let mut distinct = 0;
        for arrival in stream.by_ref() {
            assert_eq!(arrival.is_new, arrival.element == distinct);
            assert!(arrival.element <= distinct);
            distinct += u64::from(arrival.is_new);
        }
        assert_eq!(stream.distinct(), distinct);
        assert!((19_500..20_700).contains(&distinct), "{distinct}");
    }

    #[test]
    fn half_of_the_duplicates_are_hot() {
        let options = ArrivalOptions {
            arrivals: 200_000,
            ..ArrivalOptions::default()
        };
        let duplicates: Vec<u64> = Arrivals::new(options)
            .skip(100_000)
            .filter(|arrival| !arrival.is_new)
            .map(|arrival| arrival.element)
            .collect();
        let hot = duplicates.iter().filter(|e| **e < HOT_SET).count() * 100 / duplicates.len();
        assert!((50..56).contains(&hot), "{hot} %");
        let hottest = duplicates.iter().filter(|e| **e < 20).count() * 100 / duplicates.len();
        assert!(
            hottest > 8,
            "{hottest} % of the duplicates are the first 20"
        );
    }

    #[test]
    fn a_stream_replays() {
        let options = ArrivalOptions {
            arrivals: 5_000,
            ..ArrivalOptions::default()
        };
        assert!(Arrivals::new(options).eq(Arrivals::new(options)));
        let other = ArrivalOptions { seed: 2, ..options };
        assert!(!Arrivals::new(options).eq(Arrivals::new(other)));
        assert_ne!(Blocks::new(1).bytes(3), Blocks::new(2).bytes(3));
    }
}
