use uxf_codec::carriage::car::{BundleBlocks, CarLimits, CarProfile, CarReader, CarWriter};
use uxf_codec::package::{Envelope, Manifest, Package};
use uxf_codec::{Element, ElementHash, ElementType, Error, ErrorCode, Header};

use crate::support::read;

/// A predicate with some bytes, which nothing links to.
pub(crate) fn predicate(raw: &[u8]) -> Vec<u8> {
    let content = vec![(
        "raw".to_owned(),
        uxf_codec::canonical::Value::Text(const_hex::encode(raw)),
    )];
    let element = Element {
        header: Header::default(),
        element_type: ElementType::Predicate,
        content,
        children: Vec::new(),
    };
    element.encode().unwrap()
}

/// An archive with that many blocks, envelope and manifest included.
fn car_with_blocks(blocks: u32) -> Vec<u8> {
    let bundle = BundleBlocks::new(&Envelope::default(), &Manifest::new());
    let mut writer = CarWriter::begin(Vec::new(), &bundle.root).unwrap();
    writer.put(&bundle.root, &bundle.envelope).unwrap();
    writer.put(&bundle.manifest_hash, &bundle.manifest).unwrap();
    for number in 2..blocks {
        let bytes = predicate(&number.to_be_bytes());
        writer.put(&ElementHash::of(&bytes), &bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn codes(car: &[u8]) -> [Result<usize, ErrorCode>; 2] {
    let outcomes = [
        Package::from_car(car),
        Package::read_car(car, CarLimits::REFERENCE),
    ];
    outcomes.map(|found| match found {
        Ok(package) => Ok(package.pool().len()),
        Err(error) => Err(error.code()),
    })
}

#[test]
fn ten_thousand_blocks_are_read_and_one_more_is_refused() {
    assert_eq!(codes(&car_with_blocks(10_000)), [Ok(9_998), Ok(9_998)]);
    let refused = Err(ErrorCode::InvalidPackage);
    assert_eq!(codes(&car_with_blocks(10_001)), [refused, refused]);
}

#[test]
fn a_large_envelope_or_manifest_is_refused_for_what_it_holds_before_its_own_size() {
    let car = |envelope: &Envelope, manifest: &Manifest| {
        let bundle = BundleBlocks::new(envelope, manifest);
        let mut writer = CarWriter::begin(Vec::new(), &bundle.root).unwrap();
        writer.put(&bundle.root, &bundle.envelope).unwrap();
        writer.put(&bundle.manifest_hash, &bundle.manifest).unwrap();
        writer.finish().unwrap()
    };
    let code = |car: Vec<u8>| Package::from_car(&car).unwrap_err().code();
    let tokens = |count: u32| -> Manifest {
        let ids = (0..count).map(|number| format!("{number:064x}").parse().unwrap());
        ids.map(|id| (id, ElementHash::of(b""))).collect()
    };
    let mut envelope = Envelope::default();
    assert!(Package::from_car(&car(&envelope, &tokens(612))).is_ok());
    assert_eq!(
        code(car(&envelope, &tokens(613))),
        ErrorCode::InvalidPackage
    );
    assert_eq!(
        code(car(&envelope, &tokens(100_000))),
        ErrorCode::InvalidPackage
    );
    assert_eq!(
        code(car(&envelope, &tokens(100_001))),
        ErrorCode::LimitExceeded
    );
    envelope.creator = Some("c".repeat(70_000));
    assert_eq!(code(car(&envelope, &tokens(1))), ErrorCode::LimitExceeded);
}

#[test]
fn an_archive_of_more_than_64_mib_is_refused_by_its_length() {
    let zeros = vec![0; (64 << 20) + 1];
    let error = Package::from_car(&zeros).unwrap_err();
    assert!(
        matches!(error, Error::LimitExceeded { limit, found, .. } if limit + 1 == found),
        "{error}"
    );
}

#[test]
fn a_stream_ends_at_the_caps_it_was_given() {
    let car = car_with_blocks(100);
    let read = |limits| Package::read_car(car.as_slice(), limits).map_err(|error| error.code());
    let fits = CarLimits {
        bytes_max: car.len() as u64,
        blocks_max: 100,
        block_bytes_max: 200,
    };
    assert!(read(fits).is_ok());
    let bytes_max = fits.bytes_max - 1;
    let too_long = read(CarLimits { bytes_max, ..fits });
    assert_eq!(too_long, Err(ErrorCode::LimitExceeded));
    let too_many = read(CarLimits {
        blocks_max: 99,
        ..fits
    });
    assert_eq!(too_many, Err(ErrorCode::InvalidPackage));
    let too_large = read(CarLimits {
        block_bytes_max: 70,
        ..fits
    });
    assert_eq!(too_large, Err(ErrorCode::InvalidPackage));
}

#[test]
fn a_manifest_in_json_lists_100_000_tokens_and_no_more() {
    let text = |tokens: usize| {
        let entries: Vec<_> = (0..tokens)
            .map(|number| format!("\"{number:064x}\":\"{}\"", "ab".repeat(32)))
            .collect();
        format!(
            r#"{{"uxf":"1.0.0","metadata":{{"version":"1.0.0","createdAt":0,"updatedAt":0}},"manifest":{{{}}},"elements":{{}}}}"#,
            entries.join(",")
        )
    };
    let package = Package::from_json(text(100_000).as_bytes()).unwrap();
    assert_eq!(package.manifest().len(), 100_000);
    let error = Package::from_json(text(100_001).as_bytes()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

#[test]
fn elements_in_json_are_counted_before_any_is_read() {
    let text = |elements: usize| {
        let entries: Vec<_> = (0..elements)
            .map(|number| format!("\"{number}\":0"))
            .collect();
        format!(
            r#"{{"uxf":"1.0.0","metadata":{{"version":"1.0.0","createdAt":0,"updatedAt":0}},"manifest":{{}},"elements":{{{}}}}}"#,
            entries.join(",")
        )
    };
    let error = Package::from_json(text(100_001).as_bytes()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    let error = Package::from_json(text(100_000).as_bytes()).unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::InvalidHash,
        "the first key is no hash"
    );
}

#[test]
fn the_inside_of_a_carv2_is_read_and_what_lies_around_it_is_not() {
    let inner = read("packages/small.car");
    let mut car = b"\x0a\xa1\x67version\x02".to_vec();
    car.extend_from_slice(&[0; 16]);
    let gap = 13_u64;
    for number in [51 + gap, inner.len() as u64, 0] {
        car.extend_from_slice(&number.to_le_bytes());
    }
    car.extend_from_slice(&[0xff; 13]);
    car.extend_from_slice(&inner);
    car.extend_from_slice(b"an index");
    let package = Package::from_car(&car).unwrap();
    assert_eq!(package, Package::from_car(&inner).unwrap());
    assert_eq!(
        package,
        Package::read_car(car.as_slice(), CarLimits::REFERENCE).unwrap()
    );
    car.truncate(51 + 13 + inner.len() - 1);
    assert!(Package::from_car(&car).is_err());
}

/// A stream whose disk breaks after some bytes.
struct Breaking<'a>(&'a [u8], usize);

impl std::io::Read for Breaking<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let len = room.len().min(self.1).min(self.0.len());
        if len == 0 {
            return Err(std::io::Error::other("broken"));
        }
        let (now, rest) = self.0.split_at(len);
        room[..len].copy_from_slice(now);
        (self.0, self.1) = (rest, self.1 - len);
        Ok(len)
    }
}

impl std::io::Write for Breaking<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let len = bytes.len().min(self.1);
        self.1 -= len;
        if len == 0 && !bytes.is_empty() {
            return Err(std::io::Error::other("broken"));
        }
        Ok(len)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_that_breaks_is_told_from_an_archive_that_is_bad() {
    let car = read("packages/single.car");
    let package = Package::from_car(&car).unwrap();
    for at in [0, 1, 58, 59, 60, 200, 5_000, car.len() - 1] {
        let error = Package::read_car(Breaking(&car, at), CarLimits::REFERENCE).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StreamFailed, "{at}: {error}");
        let error = package
            .write_car(CarProfile::Exact, &mut Breaking(&[], at))
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::StreamFailed, "{at}: {error}");
    }
    assert!(CarReader::new(Breaking(&car, 59), CarLimits::REFERENCE).is_ok());
}
