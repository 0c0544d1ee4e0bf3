use uxf_engine::profile::sealed::{
    Aad, OVERHEAD_BYTES, Place, ProfileId, Sealer, SealingKey, WalletSecret, open, open_reference,
};

use super::recipe::Recipe;
use super::{Verdict, ensure, must};
use crate::simulation::device::SeededEntropy;

/// No bytes open that were not sealed for the place; what was sealed opens there, and nowhere else, and in no other
/// form.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    let key = SealingKey::derive(&WalletSecret::take(&mut [7; 32]));
    let (profile, other) = (
        ProfileId::from_bytes([2; 33]),
        ProfileId::from_bytes([3; 33]),
    );
    let here = Aad {
        profile: &profile,
        key: "app.k",
        place: Place::Row,
    };
    ensure(open(&key, &here, bytes).is_err(), || {
        "bytes that nobody sealed open".to_owned()
    })?;
    ensure(open_reference(&key, bytes).is_err(), || {
        "bytes that nobody sealed open as the reference's".to_owned()
    })?;
    let mut recipe = Recipe::new(bytes);
    let (how, at, with) = (recipe.byte(), recipe.number(), recipe.byte());
    let seed = recipe.number() as u64;
    let len = recipe.number() % 4_096;
    let value = recipe.take(len);
    let sealer = Sealer::new(&key, 0);
    let sealed = must(
        "sealing",
        sealer.seal(&here, value, &SeededEntropy::new(seed)),
    )?;
    let sealed = sealed.into_bytes();
    ensure(sealed.len() == value.len() + OVERHEAD_BYTES, || {
        "sealing adds another number of bytes".to_owned()
    })?;
    let opened = must("opening", sealer.open(&here, &sealed))?;
    ensure(opened.as_slice() == value, || {
        "another value comes out".to_owned()
    })?;
    let mut changed = sealed.clone();
    let at = at.checked_rem(changed.len()).unwrap_or(0);
    match how % 3 {
        0 => changed.truncate(at),
        1 => changed.push(with),
        _ => {
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= with.max(1);
            }
        }
    }
    let elsewhere = [
        Aad {
            key: "app.l",
            ..here
        },
        Aad {
            profile: &other,
            ..here
        },
        Aad {
            place: Place::Block,
            ..here
        },
    ];
    let another = SealingKey::derive(&WalletSecret::take(&mut [8; 32]));
    let opens = open(&key, &here, &changed).is_ok()
        || open(&another, &here, &sealed).is_ok()
        || open_reference(&key, &sealed).is_ok()
        || elsewhere.iter().any(|aad| open(&key, aad, &sealed).is_ok());
    ensure(!opens, || {
        "a sealed value opens where it should not".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uxf_testkit::Rng;

    #[test]
    fn sealed_values_of_all_lengths_open_only_as_they_are_where_they_belong() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut bytes = vec![0; rng.index(3_000)];
            rng.fill(&mut bytes);
            assert_eq!(check(&bytes), Ok(()));
        }
    }
}
