//! Every target is one property of `uxf_tests::properties`, so that what breaks it is replayed on stable by the same
//! code.

pub use libfuzzer_sys;

/// Runs the property of a target over bytes.
///
/// # Panics
/// If there is no such property, or it does not hold: this is how a fuzz target reports.
pub fn run(target: &str, bytes: &[u8]) {
    let property = uxf_tests::properties::by_name(target);
    assert!(property.is_some(), "no property is called {target}");
    let verdict = property.map_or(Ok(()), |property| property(bytes));
    assert!(verdict.is_ok(), "{target}: {verdict:?}");
}

/// Makes the body of a fuzz target out of a property's name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::run($name, bytes));
    };
}
