//! Tokens from one store to another as CAR files, which any reader of the UXF format takes.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::fs::File;
use std::io::{BufReader, BufWriter};

use uxf_codec::carriage::car::{CarLimits, CarProfile};
use uxf_codec::json::ArrayItems;
use uxf_codec::package::{Timestamp, TokenId};
use uxf_engine::{Engine, EngineOptions, ExportOptions, ImportOptions};

const TOKENS: &[u8] = include_bytes!("../../samples/genuine-tokens.json");

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let directory = tempfile::tempdir()?;
    let sender = Engine::in_memory(EngineOptions::new())?.inventory("wallet")?;
    let mut ids: Vec<TokenId> = Vec::new();
    for token in ArrayItems::new(TOKENS) {
        ids.push(sender.ingest(token?)?.token_id);
    }

    // The time is the caller's, so that the same export gives the same bytes.
    let options = ExportOptions::new(Timestamp::from_secs(1_780_000_000))
        .profile(CarProfile::Complete)
        .description("seven genuine tokens");
    let path = |number: usize| directory.path().join(format!("tokens-{number}.car"));
    let export = sender.export_cars(&ids, &options, |number| {
        File::create(path(number)).map(BufWriter::new)
    })?;
    assert!(export.too_large.is_empty());
    for (number, car) in export.cars.iter().enumerate() {
        assert_eq!(std::fs::metadata(path(number))?.len(), car.bytes);
        println!(
            "wrote {} blocks, {} bytes, root {}",
            car.blocks, car.bytes, car.root
        );
    }

    // Nothing of a file is believed: sizes are bounded, and every block is checked against its hash.
    let receiver = Engine::in_memory(EngineOptions::new())?.inventory("inbox")?;
    let limits = CarLimits::REFERENCE;
    let mut added = 0;
    for number in 0..export.cars.len() {
        let file = BufReader::new(File::open(path(number))?);
        let report = receiver.import_car(file, limits, &ImportOptions::new())?;
        assert!(report.rejected.is_empty());
        added += report.added;
    }
    assert_eq!(added, ids.len() as u64);
    for id in &ids {
        let id = id.as_str();
        assert_eq!(receiver.root(id)?, sender.root(id)?);
        assert_eq!(receiver.assemble(id)?, sender.assemble(id)?);
    }
    println!("received {added} tokens, each the same as was sent");

    let mut damaged = std::fs::read(path(0))?;
    if let Some(byte) = damaged.last_mut() {
        *byte ^= 1;
    }
    let refused = receiver.import_car(damaged.as_slice(), limits, &ImportOptions::new());
    println!(
        "a flipped bit: {}",
        refused.as_ref().err().ok_or("it was taken")?
    );
    Ok(())
}
