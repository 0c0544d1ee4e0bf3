use std::path::Path;

use serde_json::{Value, json};
use uxf_codec::carriage::car::CarLimits;
use uxf_engine::ImportOptions;
use uxf_replication::bulk::{BulkStore, Fetched, LocalBlocks, fetch_bundle};

use super::new_file::NewFile;
use super::{Outcome, bulk, import, store};
use crate::args::{Cli, Fetch};
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::text::{bytes, count};

pub(super) fn run(cli: &Cli, args: &Fetch, out: &Output) -> Result<Outcome, Failure> {
    let root = bulk::parse(&args.cid)?;
    #[cfg_attr(
        not(feature = "node"),
        expect(unused_mut, reason = "only a node adds to it")
    )]
    let mut places = args.places.readable()?;
    // It runs as long as this holds it.
    #[cfg(feature = "node")]
    let _node = super::node::ask_by_bitswap(&args.peers, &mut places)?;
    let is_here = store::exists(&cli.store());
    let engine = is_here.then(|| store::open(cli)).transpose()?;
    let here = engine.as_ref().map(LocalBlocks::new);
    let here = here.iter().map(|here| here as &dyn BulkStore);
    let stores: Vec<&dyn BulkStore> = here.chain(places.iter().map(AsRef::as_ref)).collect();
    if stores.is_empty() {
        return Err(Failure::new("there is nowhere to fetch it from")
            .with_help("name places with --gateway URL, --api URL, --dir DIR or --peer ADDRESS"));
    }
    let fetched = fetch_bundle(&root, &stores, &args.places.fetch_options())
        .map_err(|error| Failure::from(&error))?;
    say(&args.cid, &fetched, out);
    let car = fetched
        .bundle
        .to_car()
        .map_err(|error| Failure::from(&error))?;
    let mut document = json!({
        "cid": args.cid,
        "blocks": fetched.bundle.blocks().len(),
        "bytes": fetched.bundle.byte_len(),
        "nameTagsMissing": fetched.bundle.wished(),
        "failed": bulk::failures(&fetched.failed),
    });
    if let Some(file) = &args.out {
        let mut new = NewFile::begin(file)?;
        std::io::Write::write_all(&mut new.out, &car)?;
        let file = new.keep()?;
        out.say(format!("{}: {}", file.display(), bytes(car.len() as u64)));
        set(&mut document, "file", json!(file));
        out.document(&document);
        return Ok(Outcome::Done);
    }
    let engine = match engine {
        Some(engine) => engine,
        None => store::open_or_make(cli)?,
    };
    let inventory = engine.inventory(&cli.inventory)?;
    let report = inventory
        .import_car(car.as_slice(), CarLimits::REFERENCE, &ImportOptions::new())
        .map_err(|error| Failure::from(&error).about(&args.cid))?;
    let name = Path::new(&args.cid);
    import::say(name, &report, out);
    set(&mut document, "imported", import::document(name, &report));
    out.document(&document);
    let refused = report.rejected.len() + usize::from(report.instances_left_out > 0);
    match (report.accepted(), refused) {
        (_, 0) => Ok(Outcome::Done),
        (0, _) => Err(Failure::silent()),
        _ => Ok(Outcome::InPart),
    }
}

fn set(document: &mut Value, key: &str, value: Value) {
    if let Value::Object(entries) = document {
        entries.insert(key.to_owned(), value);
    }
}

fn say(cid: &str, fetched: &Fetched, out: &Output) {
    for attempt in &fetched.failed {
        out.say(format!("  passed over: {}", chain(&attempt.error)));
    }
    let bundle = &fetched.bundle;
    out.say(format!(
        "fetched {cid}: {} blocks, {}, every one checked",
        count(bundle.blocks().len() as u64),
        bytes(bundle.byte_len())
    ));
    if bundle.wished() > 0 {
        out.say(format!(
            "  {} name-tags that only transactions name were nowhere",
            count(bundle.wished() as u64)
        ));
    }
}
