use proptest::prelude::*;
use uxf_codec::carriage::car::{CarLimits, CarProfile};
use uxf_codec::package::Package;

use crate::support::{names, read};

/// Reads an archive both ways. What is accepted must be a sound package: what is written of it is read as the same.
fn read_both(car: &[u8]) -> Option<Package> {
    let found = Package::from_car(car);
    let streamed = Package::read_car(car, CarLimits::REFERENCE);
    assert_eq!(found.is_ok(), streamed.is_ok(), "{found:?} {streamed:?}");
    let package = found.ok()?;
    assert_eq!(package, streamed.unwrap());
    for (hash, element) in package.pool().iter() {
        assert_eq!(uxf_codec::ElementHash::of(element.bytes()), *hash);
    }
    // A manifest whose root was damaged out of the archive cannot be exported.
    if let Ok(again) = package.to_car(CarProfile::Complete) {
        let again = Package::from_car(&again).unwrap();
        assert_eq!(again.manifest(), package.manifest());
        assert_eq!(again.envelope(), package.envelope());
    }
    Some(package)
}

#[test]
fn an_archive_cut_short_anywhere_is_refused_or_only_lacks_its_last_blocks() {
    let car = read("packages/twins.car");
    let whole = Package::from_car(&car).unwrap();
    let mut accepted = 0;
    for len in 0..car.len() {
        if let Some(package) = read_both(&car[..len]) {
            accepted += 1;
            assert_eq!(package.manifest(), whole.manifest());
            assert!(package.pool().len() < whole.pool().len());
        }
    }
    assert!(
        accepted < whole.pool().len() + 1,
        "only cuts between blocks are accepted"
    );
}

#[test]
fn no_single_bit_of_an_archive_can_be_flipped_unnoticed() {
    let car = read("packages/twins.car");
    let whole = Package::from_car(&car).unwrap();
    for at in 0..car.len() * 8 {
        let mut flipped = car.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        if let Some(package) = read_both(&flipped) {
            assert_ne!(package, whole, "bit {at}");
        }
    }
}

#[test]
fn no_single_byte_of_a_json_text_makes_it_panic_or_lie_about_a_hash() {
    let text = read("packages/twins.json");
    for at in 0..text.len() {
        for byte in [text[at] ^ 1, text[at] ^ 0x20, b'"', b'0', 0xff] {
            let mut changed = text.clone();
            changed[at] = byte;
            if let Ok(package) = Package::from_json(&changed) {
                for (hash, element) in package.pool().iter() {
                    assert_eq!(uxf_codec::ElementHash::of(element.bytes()), *hash);
                }
            }
        }
    }
}

fn any_archive() -> impl Strategy<Value = Vec<u8>> {
    let names = names("packages", ".car");
    proptest::sample::select(names).prop_map(|name| read(&format!("packages/{name}.car")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_archives_are_refused_or_read_the_same_both_ways(
        car in any_archive(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut car = car;
        for (at, byte) in damage {
            let at = at.index(car.len());
            car[at] = byte;
        }
        if let Some(cut) = cut {
            car.truncate(cut.index(car.len()));
        }
        read_both(&car);
    }

    #[test]
    fn bytes_of_any_kind_are_refused_or_read_the_same_both_ways(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        head in 0..120_usize,
    ) {
        let mut car = read("packages/twins.car");
        car.truncate(head);
        car.extend_from_slice(&tail);
        read_both(&car);
    }
}
