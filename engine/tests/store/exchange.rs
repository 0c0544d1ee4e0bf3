use uxf_codec::carriage::car::CarProfile;
use uxf_codec::package::{Envelope, Package, Timestamp, TokenId};
use uxf_codec::{Element, Header, InstanceKind, MemoryForm};
use uxf_engine::{
    Engine, EngineOptions, ExportOptions, ImportOptions, ImportReport, InputKind, Inventory,
    Progress,
};

const GENUINE: &[u8] = include_bytes!("../../../samples/genuine-tokens.json");
const SYNTHETIC: &[u8] = include_bytes!("../../../samples/synthetic-tokens.json");

fn wallet() -> Inventory {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    engine.inventory("main").unwrap()
}

fn import(wallet: &Inventory, input: &[u8]) -> ImportReport {
    wallet
        .import(input, &ImportOptions::new(), Progress::silent())
        .unwrap()
}

fn ids(wallet: &Inventory) -> Vec<TokenId> {
    wallet
        .tokens()
        .unwrap()
        .map(|token| TokenId::new(&token.unwrap().0).unwrap())
        .collect()
}

fn roots(wallet: &Inventory) -> Vec<(String, String)> {
    wallet
        .tokens()
        .unwrap()
        .map(|token| token.unwrap())
        .map(|(id, root)| (id, root.to_string()))
        .collect()
}

fn cars(wallet: &Inventory, tokens: &[TokenId], profile: CarProfile) -> Vec<Vec<u8>> {
    let mut cars: Vec<Vec<u8>> = Vec::new();
    let options = ExportOptions::new(Timestamp::from_secs(7)).profile(profile);
    let dir = tempfile::tempdir().unwrap();
    let path = |number: usize| dir.path().join(number.to_string());
    let export = wallet
        .export_cars(tokens, &options, |number| {
            std::fs::File::create(path(number))
        })
        .unwrap();
    assert!(export.too_large.is_empty());
    for (number, car) in export.cars.iter().enumerate() {
        let bytes = std::fs::read(path(number)).unwrap();
        assert_eq!(bytes.len() as u64, car.bytes);
        cars.push(bytes);
    }
    cars
}

#[test]
fn an_array_of_tokens_is_imported_once_and_changes_nothing_the_second_time() {
    let wallet = wallet();
    let first = import(&wallet, SYNTHETIC);
    assert_eq!(
        (first.kind, first.added, first.unchanged),
        (InputKind::TokenArray, 40, 0)
    );
    assert!(first.stored > 600 && first.rejected.is_empty());
    let second = import(&wallet, SYNTHETIC);
    assert_eq!(
        (
            second.added,
            second.updated,
            second.unchanged,
            second.stored
        ),
        (0, 0, 40, 0)
    );
}

#[test]
fn a_bad_token_is_told_by_its_place_and_field_and_the_others_go_in() {
    let wallet = wallet();
    let text = String::from_utf8(SYNTHETIC.to_vec()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[3] = lines[3].replace(r#""salt":""#, r#""salt":"zz"#);
    let broken = lines.join("\n");

    let report = import(&wallet, broken.as_bytes());

    assert_eq!((report.added, report.rejected.len()), (39, 1));
    let rejected = &report.rejected[0];
    assert_eq!((rejected.index, rejected.error.code()), (2, "INVALID_HASH"));
    assert!(
        rejected.error.to_string().contains("salt"),
        "{}",
        rejected.error
    );
    assert!(
        wallet
            .root(rejected.token_id.as_deref().unwrap())
            .unwrap()
            .is_none()
    );
    let swept = wallet.engine().sweep(u64::MAX).unwrap();
    assert_eq!(swept.elements, 0, "something of the bad token was stored");
}

#[test]
fn a_file_that_ends_too_early_gives_the_tokens_before_its_end() {
    let wallet = wallet();
    let report = import(&wallet, &SYNTHETIC[..SYNTHETIC.len() - 2000]);
    assert_eq!((report.added, report.rejected.len()), (39, 1));
    assert_eq!(
        (report.rejected[0].index, report.rejected[0].error.code()),
        (39, "MALFORMED_JSON")
    );
}

#[test]
fn a_later_token_of_one_file_replaces_an_earlier_one_with_the_same_id() {
    let wallet = wallet();
    let text = std::str::from_utf8(GENUINE).unwrap();
    let newer = text
        .lines()
        .find(|line| line.contains("96bb7a13f7a5"))
        .unwrap()
        .trim_end_matches(',');
    let older = std::fs::read("../tests/vectors/uxf/tokens/real-mint-0tx.json").unwrap();
    let older = String::from_utf8(older).unwrap();

    let report = import(&wallet, format!("[{older},{newer}]").as_bytes());

    assert_eq!((report.added, report.updated), (1, 1));
    let token = wallet.assemble(ids(&wallet)[0].as_str()).unwrap();
    assert!(
        String::from_utf8(token)
            .unwrap()
            .contains(r#""transactions":[{"#)
    );
}

#[test]
fn every_form_that_is_exported_brings_the_same_tokens_into_another_store() {
    let wallet = wallet();
    import(&wallet, GENUINE);
    import(&wallet, SYNTHETIC);
    let mut json = Vec::new();
    wallet.export_json(&ids(&wallet), &mut json).unwrap();
    let mut uxf_json = Vec::new();
    let options = ExportOptions::new(Timestamp::from_secs(7));
    wallet
        .export_uxf_json(&ids(&wallet), &options, &mut uxf_json)
        .unwrap();
    let mut car = cars(&wallet, &ids(&wallet), CarProfile::Complete);
    assert_eq!(car.len(), 1);

    for (kind, file) in [
        (InputKind::TokenArray, json),
        (InputKind::UxfJson, uxf_json),
        (InputKind::Car, car.remove(0)),
    ] {
        let other = self::wallet();
        let report = import(&other, &file);
        assert_eq!(
            (report.kind, report.added, report.rejected.len()),
            (kind, 47, 0)
        );
        assert_eq!(roots(&other), roots(&wallet), "{kind}");
    }
}

#[test]
fn a_token_whose_name_tag_an_exact_car_left_out_is_refused_unless_the_store_has_it() {
    let wallet = wallet();
    import(&wallet, GENUINE);
    let is_one = |id: &TokenId| id.as_str().starts_with("5ec9c6cf");
    let one: Vec<_> = ids(&wallet).into_iter().filter(is_one).collect();
    let car = cars(&wallet, &one, CarProfile::Exact).remove(0);
    let other = self::wallet();

    let report = import(&other, &car);
    assert_eq!((report.added, report.rejected.len()), (0, 1));
    assert_eq!(report.rejected[0].error.code(), "MISSING_ELEMENT");

    let lines = std::str::from_utf8(GENUINE).unwrap().lines();
    let nametag = lines.map(|line| line.trim_end_matches(',')).nth(2).unwrap();
    assert_eq!(import(&other, nametag.as_bytes()).added, 1);
    assert_eq!(import(&other, &car).added, 1);
}

#[test]
fn newer_instances_travel_in_a_complete_package_and_stay_pinned() {
    let mut package = Package::new(Envelope::new(Timestamp::from_secs(1)));
    let json = std::fs::read("../tests/vectors/uxf/tokens/mock-a.json").unwrap();
    let token = package.ingest(&json, Timestamp::from_secs(1)).unwrap();
    let root = package.pool().get(&token.root).unwrap();
    let older = Element::decode(root.bytes(), MemoryForm::CANONICAL).unwrap();
    let header = Header {
        kind: InstanceKind::new("audited").unwrap(),
        semantics: 2,
        predecessor: Some(token.root),
        ..Header::default()
    };
    let newest = package
        .add_instance(&token.root, &Element { header, ..older })
        .unwrap();
    let wallet = wallet();

    let report = import(&wallet, package.to_json().unwrap().as_bytes());

    assert_eq!((report.added, report.instances_left_out), (1, 0));
    wallet.engine().sweep(u64::MAX).unwrap();
    let snapshot = wallet.engine().snapshot().unwrap();
    assert_eq!(
        snapshot
            .instances(&wallet, token.token_id.as_str())
            .unwrap(),
        [newest]
    );
    assert!(snapshot.contains(&newest).unwrap());
    drop(snapshot);
    let other = self::wallet();
    import(
        &other,
        &cars(&wallet, &ids(&wallet), CarProfile::Complete)[0],
    );
    let snapshot = other.engine().snapshot().unwrap();
    assert_eq!(
        snapshot.instances(&other, token.token_id.as_str()).unwrap(),
        [newest]
    );
}

#[test]
fn bytes_that_are_nothing_are_refused_as_such() {
    let wallet = wallet();
    for input in [&b""[..], b"hello", b"\x89PNG\r\n", b"  "] {
        let refused = wallet.import(input, &ImportOptions::new(), Progress::silent());
        assert_eq!(refused.unwrap_err().code(), "UNKNOWN_INPUT");
    }
}
