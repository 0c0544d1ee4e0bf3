//! How fast tokens are taken apart and put together on this machine, one core, from memory to memory.
//!
//! `cargo run --release -p uxf-codec --example token_rate -- [deconstruct|assemble|both] [ROUNDS]` goes over the
//! wallet of 1,000 tokens in `tests/vectors/uxf`, 10 rounds unless told otherwise, and prints tokens per second.
//! For counts of instructions run it under `perf stat` or callgrind.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures time and tells it"
)]

use std::error::Error;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use uxf_codec::json::Tape;
use uxf_codec::package::Pool;
use uxf_codec::token::{AssembleOptions, Assembler, Deconstructor};
use uxf_codec::{ElementBatch, ElementHash};

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::args().nth(1).unwrap_or_else(|| "both".to_owned());
    let rounds = match std::env::args().nth(2) {
        Some(rounds) => rounds.parse()?,
        None => 10,
    };
    let tokens = wallet()?;
    if mode != "assemble" {
        deconstruct(&tokens, rounds)?;
    }
    if mode != "deconstruct" {
        assemble(&tokens, rounds)?;
    }
    Ok(())
}

fn wallet() -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/uxf");
    let packed = std::fs::read(path.join("bench-wallet-1000.json.gz"))?;
    let mut wallet = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut wallet)?;
    let mut tape = Tape::new();
    let tokens = tape.parse(&wallet)?.items();
    Ok(tokens
        .map(|token| token.raw().as_bytes().to_vec())
        .collect())
}

fn deconstruct(tokens: &[Vec<u8>], rounds: u32) -> Result<(), Box<dyn Error>> {
    let mut deconstructor = Deconstructor::new();
    let mut batch = ElementBatch::new();
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        for token in tokens {
            batch.clear();
            deconstructor.deconstruct(token, &mut batch)?;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    report("deconstruct", tokens.len(), best);
    Ok(())
}

fn assemble(tokens: &[Vec<u8>], rounds: u32) -> Result<(), Box<dyn Error>> {
    let mut deconstructor = Deconstructor::new();
    let mut pool = Pool::default();
    let mut roots: Vec<ElementHash> = Vec::new();
    for token in tokens {
        roots.push(deconstructor.deconstruct(token, &mut pool)?.root);
    }
    let mut assembler = Assembler::new();
    let mut out = Vec::new();
    for check_hashes in [true, false] {
        let options = AssembleOptions {
            check_hashes,
            ..AssembleOptions::default()
        };
        let mut best = f64::INFINITY;
        for _ in 0..rounds {
            let start = Instant::now();
            for root in &roots {
                out.clear();
                assembler.assemble(&pool, root, &options, &mut out)?;
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        let name = if check_hashes {
            "assemble"
        } else {
            "assemble, hashes not checked"
        };
        report(name, roots.len(), best);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count of tokens")]
fn report(name: &str, tokens: usize, secs: f64) {
    let rate = tokens as f64 / secs;
    println!("{name}: {rate:.0} tokens/s, {:.1} us each", 1e6 / rate);
}
