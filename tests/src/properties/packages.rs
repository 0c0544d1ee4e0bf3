//! Properties of the two forms in which whole packages are read.

use uxf_codec::carriage::car::{CarLimits, CarProfile};
use uxf_codec::package::{GcProfile, Package};
use uxf_codec::verify::{VerifyProfile, verify};
use uxf_codec::{ElementHash, Error};

use super::{Verdict, ensure, must};

/// Elements up to which a package is also verified, collected and merged, which cost more than reading it.
const ELEMENTS_MAX: usize = 2_000;

/// A CAR is refused, or what is read of it can be written, read again and used, in pieces of any size.
pub(super) fn check_car(bytes: &[u8]) -> Verdict {
    let whole = Package::from_car(bytes);
    let pieces = Package::read_car(OneByOne(bytes), CarLimits::default());
    ensure(whole.is_ok() == pieces.is_ok(), || {
        "in pieces it is read otherwise".to_owned()
    })?;
    let Ok(package) = whole else {
        return Ok(());
    };
    ensure(pieces.is_ok_and(|pieces| pieces == package), || {
        "in pieces another package is read".to_owned()
    })?;
    check_elements(&package)?;
    for profile in [CarProfile::Exact, CarProfile::Complete] {
        let Some(written) = exported(package.to_car(profile))? else {
            continue;
        };
        let read = match Package::from_car(&written) {
            Err(error @ (Error::LimitExceeded { .. } | Error::InvalidPackage { .. })) => {
                return ensure(package.pool().len() > ELEMENTS_MAX, || {
                    format!("re-export: {error}")
                });
            }
            read => must("what was written is refused", read)?,
        };
        ensure(read.manifest().len() == package.manifest().len(), || {
            "tokens are lost".to_owned()
        })?;
        let again = must("no third CAR", read.to_car(profile))?;
        let third = must("a third CAR is refused", Package::from_car(&again))?;
        ensure(
            again == must("no fourth CAR", third.to_car(profile))?,
            || "a round trip of a round trip changes bytes".to_owned(),
        )?;
        if profile == CarProfile::Complete {
            check_same_tokens(&package, &read)?;
        }
    }
    check_use(&package)
}

/// A UXF JSON text is refused, or what is read of it can be written, read again and used.
pub(super) fn check_json(text: &[u8]) -> Verdict {
    let Ok(package) = Package::from_json(text) else {
        return Ok(());
    };
    check_elements(&package)?;
    if let Some(written) = exported(package.to_json())? {
        // Messages of 64 upper-case digits and more are lower-cased by the format's import and then have another
        // hash: the one thing that is written and not read.
        if let Ok(read) = Package::from_json(written.as_bytes()) {
            check_same_tokens(&package, &read)?;
            let again = must("no second text", read.to_json())?;
            let third = must(
                "a second text is refused",
                Package::from_json(again.as_bytes()),
            )?;
            ensure(again == must("no third text", third.to_json())?, || {
                "a round trip of a round trip changes the text".to_owned()
            })?;
        } else {
            ensure(has_long_upper_hex(written.as_bytes()), || {
                "what was written is refused".to_owned()
            })?;
        }
    }
    check_use(&package)
}

fn has_long_upper_hex(text: &[u8]) -> bool {
    text.split(|byte| !byte.is_ascii_hexdigit())
        .any(|run| run.len() >= 64 && run.iter().any(u8::is_ascii_uppercase))
}

/// An export may only be refused for a root that is absent; synthetic roots are not read in the first place.
fn exported<T>(result: Result<T, Error>) -> Result<Option<T>, super::Violation> {
    match result {
        Err(Error::MissingElement { .. }) => Ok(None),
        result => must("an import cannot be exported", result).map(Some),
    }
}

fn check_elements(package: &Package) -> Verdict {
    for (hash, element) in package.pool().iter() {
        ensure(ElementHash::of(element.bytes()) == *hash, || {
            format!("{hash} stands for bytes with another hash")
        })?;
    }
    must(
        "the pool holds what is no element",
        package
            .pool()
            .iter()
            .try_for_each(|(hash, _)| package.pool().view(hash).map(drop)),
    )
}

fn check_same_tokens(a: &Package, b: &Package) -> Verdict {
    for id in a.manifest().keys() {
        let (a, b) = (a.assemble(id.as_str()), b.assemble(id.as_str()));
        let same = match (&a, &b) {
            (Ok(a), Ok(b)) => a == b,
            (Err(a), Err(b)) => a.code() == b.code(),
            _ => false,
        };
        let shown = |side: Result<Vec<u8>, Error>| side.map(|text| text.escape_ascii().to_string());
        ensure(same, || {
            format!("token {id}: {:?} has become {:?}", shown(a), shown(b))
        })?;
    }
    Ok(())
}

/// Everything else that takes a package takes this one.
fn check_use(package: &Package) -> Verdict {
    if package.pool().len() > ELEMENTS_MAX {
        return Ok(());
    }
    let report = verify(package, VerifyProfile::Complete);
    if report.is_valid() {
        ensure(
            package
                .manifest()
                .values()
                .all(|root| package.pool().contains(root)),
            || "a package with an absent root is valid".to_owned(),
        )?;
    }
    let mut collected = package.clone();
    collected.gc(GcProfile::Safe);
    check_same_tokens(package, &collected)?;
    ensure(collected.gc(GcProfile::Safe) == 0, || {
        "a second collection frees more".to_owned()
    })?;
    let mut rebuilt = package.clone();
    rebuilt.rebuild_indexes();
    Ok(())
}

/// A reader that gives one byte at a time.
struct OneByOne<'a>(&'a [u8]);

impl std::io::Read for OneByOne<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match (buffer.first_mut(), self.0.split_off_first()) {
            (Some(place), Some(byte)) => {
                *place = *byte;
                Ok(1)
            }
            _ => Ok(0),
        }
    }
}
