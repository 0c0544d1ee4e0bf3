//! Blocks are hashed several at a time, and nobody can tell.

use std::io::Read;

use uxf_codec::carriage::car::{BundleBlocks, CarLimits, CarWriter, PackageReader};
use uxf_codec::package::{Envelope, Manifest, Package};
use uxf_codec::{ElementHash, Error};

use crate::limits::predicate;

/// Elements of an archive: more than are hashed together, of lengths below and above what waits for others.
fn elements() -> Vec<Vec<u8>> {
    (0..300_usize)
        .map(|at| {
            let long = if at % 40 == 7 { 20_000 } else { at % 13 * 29 };
            predicate(&at.to_be_bytes().repeat(1 + long / 8))
        })
        .collect()
}

/// An archive of elements, those at the places given under the hash of other bytes.
fn car(elements: &[Vec<u8>], wrong: &[usize]) -> Vec<u8> {
    let bundle = BundleBlocks::new(&Envelope::default(), &Manifest::new());
    let mut writer = CarWriter::begin(Vec::new(), &bundle.root).unwrap();
    for (at, bytes) in elements.iter().enumerate() {
        // Envelope and manifest stand between elements, which is unusual and allowed.
        if at == 5 {
            writer.put(&bundle.root, &bundle.envelope).unwrap();
            writer.put(&bundle.manifest_hash, &bundle.manifest).unwrap();
        }
        let hash = claimed(at, bytes, wrong);
        writer.put(&hash, bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn claimed(at: usize, bytes: &[u8], wrong: &[usize]) -> ElementHash {
    if wrong.contains(&at) {
        ElementHash::of(format!("another {at}").as_bytes())
    } else {
        ElementHash::of(bytes)
    }
}

/// Gives a few bytes at a time.
struct Trickle<R>(R, usize);

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let len = room.len().min(self.1);
        self.0.read(&mut room[..len])
    }
}

/// How many elements come before the error, and what it says.
fn stream(input: impl Read) -> (usize, Result<(), String>) {
    let mut reader = PackageReader::new(input, CarLimits::REFERENCE).unwrap();
    let mut count = 0;
    loop {
        match reader.next_element() {
            Ok(Some(element)) => {
                assert_eq!(ElementHash::of(element.bytes()), element.hash());
                count += 1;
            }
            Ok(None) => return (count, Ok(())),
            Err(error) => return (count, Err(error.to_string())),
        }
    }
}

fn assert_refused_at(car: &[u8], at: usize, elements: &[Vec<u8>], wrong: &[usize]) {
    let expected = Error::VerificationFailed {
        at: format!("element {}", claimed(at, &elements[at], wrong)),
        reason: format!("its bytes have the hash {}", ElementHash::of(&elements[at])),
    }
    .to_string();
    assert_eq!(stream(car), (at, Err(expected.clone())));
    assert_eq!(stream(Trickle(car, 1_500)), (at, Err(expected.clone())));
    assert_eq!(Package::from_car(car).unwrap_err().to_string(), expected);
}

#[test]
fn a_wrong_block_at_any_place_is_told_by_its_own_hash_and_those_before_it_are_given() {
    let elements = elements();
    let whole = car(&elements, &[]);
    assert_eq!(stream(whole.as_slice()), (elements.len(), Ok(())));
    assert_eq!(
        stream(Trickle(whole.as_slice(), 7)),
        (elements.len(), Ok(()))
    );
    for at in (0..20).chain((20..elements.len()).step_by(9)) {
        assert_refused_at(&car(&elements, &[at]), at, &elements, &[at]);
    }
}

#[test]
fn of_several_faults_the_first_in_the_file_is_told() {
    let elements = elements();
    for (first, second) in [(0, 1), (3, 250), (7, 8), (46, 47), (47, 48), (120, 299)] {
        let wrong = [first, second];
        let mut car = car(&elements, &wrong);
        assert_refused_at(&car, first, &elements, &wrong);
        // Framing that breaks further on has not been met yet.
        car.extend_from_slice(&[0xff; 12]);
        assert_refused_at(&car, first, &elements, &wrong);
    }
}
