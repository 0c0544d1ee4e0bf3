use automerge::transaction::Transactable as _;
use automerge::{Automerge, ObjType, ROOT, ScalarValue};
use uxf_engine::Error;
use uxf_engine::profile::automerge::{AUTOMERGE_BYTES_MAX, AutomergeError, AutomergeExport};
use uxf_engine::profile::{Profile, ProfileError};

use super::{device, device_of, give, present, seen, values};

const SET: &str = "DIRECT_0d5508_b1bbbf.invalidatedNametags";

/// Two devices' values: short, long, overwritten, deleted, merged, and one that stays here.
fn profile() -> Profile {
    let (phone, laptop) = (device("phone"), device("laptop"));
    phone.put("app.k", b"old").unwrap();
    phone.put("app.k", b"new").unwrap();
    phone.put("app.long", &[7; 5_000]).unwrap();
    phone.put("app.empty", b"").unwrap();
    phone.put("app.gone", b"v").unwrap();
    phone.delete("app.gone").unwrap();
    phone.put(SET, br#"["a"]"#).unwrap();
    laptop.put(SET, br#"["b"]"#).unwrap();
    laptop.put("app.laptop", b"v").unwrap();
    phone.put("identity.mnemonic", b"secret words").unwrap();
    give(&laptop, &phone);
    phone
}

/// What an import is refused for.
fn refusal(profile: &Profile, bytes: &[u8]) -> AutomergeError {
    let refused = profile.import_automerge(bytes).unwrap_err();
    assert_eq!(refused.code(), "AUTOMERGE");
    match refused {
        Error::Profile(ProfileError::Automerge(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A document of another application with one value.
fn document(key: &str, value: ScalarValue) -> Vec<u8> {
    let mut document = Automerge::new();
    let mut transaction = document.transaction();
    let map = transaction
        .put_object(ROOT, "values", ObjType::Map)
        .unwrap();
    transaction.put(&map, key, value).unwrap();
    transaction.commit();
    document.save()
}

#[test]
fn a_state_has_what_counts_with_null_for_what_was_deleted_and_nothing_that_stays_here() {
    let phone = profile();
    let mut told = 0;
    let bytes = phone
        .export_automerge(AutomergeExport::State, |taken| told = taken)
        .unwrap();
    let document = Automerge::load(&bytes).unwrap();
    let found = values(&document);
    assert_eq!(found["app.gone"], None);
    assert_eq!(found[SET].as_deref(), Some(&br#"["a","b"]"#[..]));
    assert!(!found.contains_key("identity.mnemonic"));
    assert_eq!(told, found.len() as u64);
    assert_eq!(present(found), seen(&phone));
    // The map of values, and all that is in it.
    assert_eq!(document.get_changes(&[]).len(), 2);
}

#[test]
fn an_imported_document_gives_every_value_to_another_wallet_once() {
    let phone = profile();
    for export in [AutomergeExport::State, AutomergeExport::History] {
        let bytes = phone.export_automerge(export, |_| {}).unwrap();
        let other = device_of(9, "other");
        other.put("app.gone", b"v").unwrap();
        other.put("app.own", b"v").unwrap();
        other.put("app.k", b"new").unwrap();
        let outcome = other.import_automerge(&bytes).unwrap();
        assert_eq!((outcome.put, outcome.deleted, outcome.equal), (4, 1, 1));
        let mut wanted = seen(&phone);
        wanted.insert("app.own".to_owned(), b"v".to_vec());
        assert_eq!(seen(&other), wanted);
        let vector = other.version_vector().unwrap();
        let again = other.import_automerge(&bytes).unwrap();
        assert_eq!((again.put, again.deleted, again.equal), (0, 0, 6));
        assert_eq!(other.version_vector().unwrap(), vector);
    }
}

#[test]
fn text_of_other_applications_is_taken_in_both_of_automerges_forms() {
    let mut document = Automerge::new();
    let mut transaction = document.transaction();
    let map = transaction
        .put_object(ROOT, "values", ObjType::Map)
        .unwrap();
    transaction.put(&map, "app.scalar", "one").unwrap();
    let text = transaction
        .put_object(&map, "app.text", ObjType::Text)
        .unwrap();
    transaction.splice_text(&text, 0, 0, "two").unwrap();
    transaction.commit();
    let profile = device("phone");
    let outcome = profile.import_automerge(&document.save()).unwrap();
    assert_eq!(outcome.put, 2);
    assert_eq!(profile.get("app.scalar").unwrap().unwrap(), b"one");
    assert_eq!(profile.get("app.text").unwrap().unwrap(), b"two");
}

#[test]
fn a_document_that_cannot_be_taken_as_a_whole_is_refused_as_a_whole() {
    let profile = device("phone");
    let number = refusal(&profile, &document("app.n", ScalarValue::Int(1)));
    assert!(matches!(number, AutomergeError::ValueType { key } if key == "app.n"));
    let secret = document("identity.mnemonic", ScalarValue::Bytes(b"mine".to_vec()));
    let secret = refusal(&profile, &secret);
    assert!(matches!(secret, AutomergeError::LocalKey { key } if key == "identity.mnemonic"));
    let empty = refusal(&profile, &Automerge::new().save());
    assert!(matches!(empty, AutomergeError::NoMap { name: "values" }));
    let long = refusal(&profile, &vec![0; AUTOMERGE_BYTES_MAX + 1]);
    assert!(matches!(long, AutomergeError::TooLarge { .. }));
    let key = document(&"k".repeat(513), ScalarValue::Null);
    // A null for a key that cannot be is nothing to do.
    assert_eq!(profile.import_automerge(&key).unwrap().equal, 1);
    let key = document(&"k".repeat(513), ScalarValue::Bytes(vec![1]));
    assert_eq!(
        profile.import_automerge(&key).unwrap_err().code(),
        "KEY_LENGTH"
    );
    assert!(seen(&profile).is_empty());
}

#[test]
fn bytes_that_are_no_document_are_refused_wherever_they_are_cut_or_changed() {
    let bytes = document("app.k", ScalarValue::Bytes(vec![9; 40]));
    let profile = device("phone");
    for end in 1..bytes.len() {
        refusal(&profile, &bytes[..end]);
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        refusal(&profile, &changed);
    }
    assert!(seen(&profile).is_empty());
}
