use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use cid::Cid;
use serde_json::{Value, json};
use uxf_replication::bulk::{
    BulkError, BulkStore, Bundle, LocalBlocks, check_stored, fetch_bundle,
};

use super::{Outcome, bulk, store};
use crate::args::{Cli, Pin};
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::text::{bytes, count};

pub(super) fn run(cli: &Cli, args: &Pin, out: &Output) -> Result<Outcome, Failure> {
    let root = bulk::parse(&args.cid)?;
    let places = args.places.writable()?;
    if places.is_empty() {
        return Err(Failure::new("there is nowhere to store it")
            .with_help("name places with --api URL or --dir DIR"));
    }
    let car = archive(cli, args, &root)?;
    let bundle = Bundle::read(&root, &car, args.places.limits())
        .map_err(|error| Failure::from(&error).about(&args.cid))?;
    let (mut stored, mut failed) = (0, 0);
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for place in &places {
        let result = put(place.as_ref(), &bundle);
        match &result {
            Ok(()) => stored += 1,
            Err(_) => failed += 1,
        }
        rows.push(row(place.as_ref(), &result));
        documents.push(document(place.as_ref(), &result));
    }
    out.say(format!(
        "{}: {} blocks, {}",
        args.cid,
        count(bundle.blocks().len() as u64),
        bytes(bundle.byte_len())
    ));
    out.table(
        &["place", "pinned and read back", "survives this machine"],
        rows,
    );
    out.document(&json!({
        "cid": args.cid,
        "blocks": bundle.blocks().len(),
        "bytes": bundle.byte_len(),
        "places": documents,
    }));
    match (stored, failed) {
        (_, 0) => Ok(Outcome::Done),
        (0, _) => Err(Failure::silent()),
        _ => Ok(Outcome::InPart),
    }
}

/// Stores it and believes nothing but what comes back.
fn put(place: &dyn BulkStore, bundle: &Bundle<'_>) -> Result<(), BulkError> {
    place.put_bundle(bundle)?;
    check_stored(place, bundle)
}

/// The bundle's archive: the file that is named, else what this store and the gateways have of it.
fn archive(cli: &Cli, args: &Pin, root: &Cid) -> Result<Vec<u8>, Failure> {
    let bytes_max = args.places.limits().bundle_bytes_max;
    if let Some(file) = &args.from {
        return read(file, bytes_max).map_err(|error| Failure::new(error).about(file.display()));
    }
    let is_here = store::exists(&cli.store());
    let engine = is_here.then(|| store::open(cli)).transpose()?;
    let here = engine.as_ref().map(LocalBlocks::new);
    let gateways = args.places.gateways()?;
    let here = here.iter().map(|here| here as &dyn BulkStore);
    let stores: Vec<&dyn BulkStore> = here.chain(gateways.iter().map(AsRef::as_ref)).collect();
    let help = "name its archive with --from FILE, or a place that has it with --gateway URL";
    if stores.is_empty() {
        return Err(Failure::new("there is no store here that could have it").with_help(help));
    }
    let fetched = fetch_bundle(root, &stores, &args.places.fetch_options())
        .map_err(|error| Failure::from(&error).with_help(help))?;
    fetched
        .bundle
        .to_car()
        .map_err(|error| Failure::from(&error))
}

fn read(file: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut car = Vec::new();
    // One byte more than allowed is enough for the reader to refuse it.
    File::open(file)?
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut car)?;
    Ok(car)
}

fn row(place: &dyn BulkStore, result: &Result<(), BulkError>) -> Vec<String> {
    let said = match result {
        Ok(()) => "yes".to_owned(),
        Err(error) => format!("no: {}", chain(error)),
    };
    let elsewhere = match (result, place.is_elsewhere()) {
        (Ok(()), true) => "yes",
        (Ok(()), false) => "not by itself",
        (Err(_), _) => "no",
    };
    vec![place.name().to_owned(), said, elsewhere.to_owned()]
}

fn document(place: &dyn BulkStore, result: &Result<(), BulkError>) -> Value {
    let error = result.as_ref().err();
    json!({
        "place": place.name(),
        "pinned": result.is_ok(),
        "elsewhere": place.is_elsewhere(),
        "code": error.map(BulkError::code),
        "error": error.map(|error| chain(error)),
    })
}
