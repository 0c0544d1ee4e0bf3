//! Randomness that a seed replays, on every platform and in every version of this crate.

/// A small seeded generator: xoshiro256++, its state filled by splitmix64. Not for secrets.
///
/// It is written out here, instead of coming from a crate, so that a seed printed by a failing run means the same
/// run for as long as this repository exists.
///
/// ```
/// use uxf_testkit::Rng;
///
/// let mut a = Rng::new(7);
/// let mut b = Rng::new(7);
/// assert_eq!(a.next_u64(), b.next_u64());
/// assert!(a.below(10) < 10);
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator for a seed.
    pub fn new(seed: u64) -> Self {
        let mut mix = seed;
        Self {
            state: core::array::from_fn(|_| splitmix64(&mut mix)),
        }
    }

    /// A generator for item `index` of the stream that `seed` names; the items do not depend on each other.
    pub fn for_item(seed: u64, index: u64) -> Self {
        let mut mix = index;
        Self::new(seed ^ splitmix64(&mut mix))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let out = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        out
    }

    /// A number from 0 up to and without `bound`; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is below the bound; its bias of bound / 2^64 does not matter in a test.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A position in a list of a length; 0 if the list is empty.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or_default()
    }

    /// Whether something that happens `percent` times in a hundred happens now.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A fraction from 0 up to and without 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are what a float holds exactly"
    )]
    pub fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An item of a list; `None` if it is empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// Fills a buffer.
    pub fn fill(&mut self, out: &mut [u8]) {
        let (chunks, rest) = out.as_chunks_mut::<8>();
        for chunk in chunks {
            *chunk = self.next_u64().to_le_bytes();
        }
        let last = self.next_u64().to_le_bytes();
        rest.iter_mut()
            .zip(last)
            .for_each(|(byte, new)| *byte = new);
    }
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference vector of splitmix64 for seed 0, and xoshiro256++ worked out from its authors' code.
    #[test]
    fn a_seed_means_the_same_run_for_ever() {
        let mut mix = 0;
        assert_eq!(splitmix64(&mut mix), 0xe220_a839_7b1d_cdaf);
        assert_eq!(splitmix64(&mut mix), 0x6e78_9e6a_a1b9_65f4);
        let mut rng = Rng {
            state: [1, 2, 3, 4],
        };
        let first: Vec<u64> = (0..5).map(|_| rng.next_u64()).collect();
        assert_eq!(
            first,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386,
                9_228_616_714_210_784_205
            ]
        );
    }

    #[test]
    fn bounded_draws_stay_in_bounds_and_reach_all_values() {
        let mut rng = Rng::new(1);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[rng.index(7)] += 1;
        }
        assert!(
            seen.iter().all(|count| (800..1_200).contains(count)),
            "{seen:?}"
        );
        assert_eq!(rng.below(0), 0);
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&rng.fraction())));
    }

    #[test]
    fn items_of_a_stream_do_not_repeat() {
        let firsts: std::collections::BTreeSet<u64> =
            (0..1_000).map(|i| Rng::for_item(5, i).next_u64()).collect();
        assert_eq!(firsts.len(), 1_000);
    }

    #[test]
    fn every_byte_of_a_buffer_is_filled() {
        let mut rng = Rng::new(3);
        let mut out = [0; 21];
        let mut touched = [false; 21];
        for _ in 0..10 {
            rng.fill(&mut out);
            touched.iter_mut().zip(out).for_each(|(t, b)| *t |= b != 0);
        }
        assert!(touched.iter().all(|t| *t));
    }
}
