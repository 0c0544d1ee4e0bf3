use serde_json::Value;
use uxf_codec::ElementHash;
use uxf_codec::canonical::ElementView;
use uxf_codec::carriage::car::{CarLimits, CarProfile};
use uxf_codec::package::{Envelope, Package, Timestamp};

use crate::support::{block_cids, member, names, read, read_json, sha256};

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().unwrap();
    items
        .iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_imported_archive_is_exported_as_the_reference_exports_it_again() {
    for name in names("packages", ".car") {
        let expect = read_json(&format!("packages/{name}.expect.json"));
        let package = Package::from_car(&read(&format!("packages/{name}.car"))).unwrap();
        let car = package.to_car(CarProfile::Exact).unwrap();
        let again = &expect["carReexportAfterImport"];
        assert_eq!(block_cids(&car), texts(&again["blockCids"]), "{name}");
        assert_eq!(car.len() as u64, again["bytes"].as_u64().unwrap(), "{name}");
        assert_eq!(sha256(&car), again["sha256"].as_str().unwrap(), "{name}");
        assert_eq!(
            Package::from_car(&car)
                .unwrap()
                .to_car(CarProfile::Exact)
                .unwrap(),
            car
        );
    }
}

#[test]
fn an_imported_archive_has_the_envelope_and_tokens_it_says() {
    for name in names("packages", ".car") {
        let expect = read_json(&format!("packages/{name}.expect.json"));
        let package = Package::from_car(&read(&format!("packages/{name}.car"))).unwrap();
        let envelope = package.envelope();
        assert_eq!(
            envelope.creator.as_deref(),
            expect["envelope"]["creator"].as_str()
        );
        assert_eq!(
            envelope.description.as_deref(),
            expect["envelope"]["description"].as_str()
        );
        assert_eq!(
            package.manifest().len(),
            expect["manifest"].as_array().unwrap().len()
        );
        for token in expect["manifest"].as_array().unwrap() {
            let root: ElementHash = token["root"].as_str().unwrap().parse().unwrap();
            assert_eq!(
                package.root(token["tokenId"].as_str().unwrap()),
                Some(root),
                "{name}"
            );
        }
    }
}

#[test]
fn a_package_from_json_gives_the_archive_of_the_package_it_was_written_from() {
    for name in names("packages", ".expect.json") {
        let expect = read_json(&format!("packages/{name}.expect.json"));
        if expect["noJson"].is_null() {
            let package = Package::from_json(&read(&format!("packages/{name}.json"))).unwrap();
            let car = package.to_car(CarProfile::Exact).unwrap();
            assert_eq!(
                block_cids(&car),
                texts(&expect["car"]["blockCids"]),
                "{name}"
            );
            assert_eq!(
                sha256(&car),
                expect["carFromJsonImport"]["sha256"],
                "{name}"
            );
            assert_eq!(car, read(&format!("packages/{name}.car")), "{name}");
        }
    }
}

#[test]
fn a_stream_gives_the_same_package_as_a_slice() {
    for name in names("packages", ".car") {
        let car = read(&format!("packages/{name}.car"));
        let streamed = Package::read_car(car.as_slice(), CarLimits::REFERENCE).unwrap();
        assert_eq!(streamed, Package::from_car(&car).unwrap(), "{name}");
    }
}

#[test]
fn the_exact_form_leaves_newer_instances_behind_and_the_complete_form_keeps_them() {
    for name in names("chains", ".json") {
        let case = read_json(&format!("chains/{name}.json"));
        let Some(car) = case.get("car") else { continue };
        let text = read(&format!("chains/{name}.json"));
        let package = Package::from_json(member(&text, "packageAfter").as_bytes()).unwrap();
        let exact = package.to_car(CarProfile::Exact).unwrap();
        assert_eq!(sha256(&exact), car["sha256"].as_str().unwrap(), "{name}");
        let back = Package::from_car(&exact).unwrap();
        assert_eq!(
            back.pool().len() as u64,
            car["elementsAfterImport"].as_u64().unwrap()
        );
        assert_eq!(
            back.chains().iter().len() as u64,
            car["chainsAfterImport"].as_u64().unwrap()
        );

        let complete = package.to_car(CarProfile::Complete).unwrap();
        assert_eq!(
            complete[..exact.len()],
            exact,
            "{name}: the exact form comes first"
        );
        let back = Package::from_car(&complete).unwrap();
        assert_eq!(back.pool().len(), package.pool().len(), "{name}");
        for (member, entry) in package.chains().iter() {
            assert_eq!(
                back.chains().get(member).unwrap().chain,
                entry.chain,
                "{name}"
            );
        }
    }
}

#[test]
fn the_complete_form_keeps_name_tags_that_only_a_transaction_names() {
    let mut package = Package::default();
    let token = read("tokens/edge-nametag-in-tx-only.json");
    package.ingest(&token, Timestamp::from_secs(0)).unwrap();
    let refs = |package: &Package| {
        let elements = package.pool().iter();
        let views = elements.map(|(_, element)| ElementView::parse(element.bytes()).unwrap());
        views
            .flat_map(|view| view.nametag_refs())
            .collect::<Vec<_>>()
    };
    let tags = refs(&package);
    assert!(!tags.is_empty());

    let exact = Package::from_car(&package.to_car(CarProfile::Exact).unwrap()).unwrap();
    assert!(tags.iter().all(|tag| !exact.pool().contains(tag)));
    let complete = Package::from_car(&package.to_car(CarProfile::Complete).unwrap()).unwrap();
    assert!(tags.iter().all(|tag| complete.pool().contains(tag)));
    assert_eq!(complete.pool().len(), package.pool().len());
}

#[test]
fn ingested_packages_give_the_archive_and_the_text_of_the_reference() {
    let mut packages = 0;
    for name in names("packages", ".expect.json") {
        let expect = read_json(&format!("packages/{name}.expect.json"));
        // Files that tell of more than ingestion are judged where that is tested.
        if [
            "note",
            "removedCount",
            "removedTokenIds",
            "elementsAfterFirst",
        ]
        .iter()
        .any(|key| expect.get(key).is_some() && name != "t2d-snapshot" && name != "twins")
        {
            continue;
        }
        let time = |key: &str| Timestamp::from_secs(expect["envelope"][key].as_u64().unwrap());
        let mut envelope = Envelope::new(time("createdAt"));
        envelope.creator = expect["envelope"]["creator"].as_str().map(Into::into);
        envelope.description = expect["envelope"]["description"].as_str().map(Into::into);
        let mut package = Package::new(envelope);
        for token in texts(&expect["tokensInOrder"]) {
            let token = read(&format!("tokens/{token}.json"));
            package.ingest(&token, time("updatedAt")).unwrap();
        }
        let car = package.to_car(CarProfile::Exact).unwrap();
        assert_eq!(
            block_cids(&car),
            texts(&expect["car"]["blockCids"]),
            "{name}"
        );
        assert_eq!(car, read(&format!("packages/{name}.car")), "{name}");
        let json = package.to_json().unwrap();
        assert_eq!(sha256(json.as_bytes()), expect["json"]["sha256"], "{name}");
        packages += 1;
    }
    assert!(packages >= 8, "{packages}");
}
