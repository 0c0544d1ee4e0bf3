//! The life of a store: elements arrive, arrive again, are read, released and replaced by others.

use std::path::Path;
use std::time::Instant;

use uxf_codec::ElementHash;
use uxf_testkit::{Blocks, Rng};

use super::Task;
use crate::Outcome;
use crate::figures::{Figure, percentile};
use crate::process;
use crate::rival::{Arriving, Hash, Rival};
use crate::workload::{Chunk, Workload, shuffle};

const DUPLICATE_PERCENT: u64 = 60;
const RELEASED_PERCENT: u64 = 30;
const BATCH: usize = 10_000;
/// How many counts are looked at one by one, and the distance of the others.
const COUNTS_CHECKED: usize = 97;
/// Reads in one snapshot.
const READS: usize = 1_000;

/// Ingests, and then does everything else there is to do with a full store.
pub(super) fn live(task: Task, dir: &Path) -> Outcome<Vec<Figure>> {
    let arrivals = task.scaled(1_000_000);
    let mut workload = Workload::new(task.seed, arrivals, DUPLICATE_PERCENT);
    let mut figures = Vec::new();
    let last = ingest(task, dir, "ingest-10k", &mut workload, BATCH, &mut figures)?;
    let engine = task.engine.open(dir)?;
    let engine = &*engine;
    verify(engine, &workload)?;

    let again = last.arriving();
    let seconds: f64 = timed_batches(engine, &again, BATCH)?.iter().sum();
    workload.count(&last);
    figures.push(Figure::higher(
        "duplicates",
        again.len() as f64 / seconds,
        "arrivals/s",
    ));
    drop(again);
    drop(last);

    let hashes = workload.hashes();
    let one = read_rate(engine, &hashes, 1, task.seed)?;
    let two = read_rate(engine, &hashes, 2, task.seed)?;
    figures.push(Figure::higher("read-1", one, "reads/s"));
    figures.push(Figure::higher("read-2", two, "reads/s"));
    figures.push(Figure::higher("read-2-scaling", two / one, "x"));

    release(task, engine, &mut workload, &hashes, &mut figures)?;
    reuse(task, dir, engine, &workload, &mut figures)?;
    Ok(figures)
}

/// Ingests and looks whether everything is there.
pub(super) fn ingest_only(
    task: Task,
    dir: &Path,
    arrivals: u64,
    batch: usize,
) -> Outcome<Vec<Figure>> {
    let mut workload = Workload::new(task.seed, arrivals, DUPLICATE_PERCENT);
    let mut figures = Vec::new();
    ingest(
        task,
        dir,
        task.work.name(),
        &mut workload,
        batch,
        &mut figures,
    )?;
    verify(&*task.engine.open(dir)?, &workload)?;
    Ok(figures)
}

/// Ingests the whole stream and closes the store, so that what the engine has put off counts too. Returns the last
/// part of the stream.
fn ingest(
    task: Task,
    dir: &Path,
    name: &str,
    workload: &mut Workload,
    batch: usize,
    figures: &mut Vec<Figure>,
) -> Outcome<Chunk> {
    let mut last = workload.chunk().ok_or("a workload without arrivals")?;
    process::reset_peak_memory();
    let memory_before = process::memory().map(|(now, _)| now);
    let written_before = process::written_bytes();
    let engine = task.engine.open(dir)?;
    let mut seconds = Vec::new();
    let mut arrivals = 0;
    let mut peak = None;
    loop {
        let arriving = last.arriving();
        arrivals += arriving.len();
        seconds.extend(timed_batches(&*engine, &arriving, batch)?);
        // Of the first part only: the preparation of the others would count as the engine's.
        peak = peak.or_else(|| process::memory().map(|(_, peak)| peak));
        drop(arriving);
        match workload.chunk() {
            Some(chunk) => last = chunk,
            None => break,
        }
    }
    let closing = Instant::now();
    drop(engine);
    let closing = closing.elapsed().as_secs_f64();

    let payload = workload.payload_bytes as f64;
    let total: f64 = seconds.iter().sum::<f64>() + closing;
    figures.push(Figure::higher(name, arrivals as f64 / total, "arrivals/s"));
    for percent in [50, 99] {
        let value = percentile(&mut seconds, percent).unwrap_or_default() * 1e3;
        figures.push(Figure::lower(
            format!("{name}-commit-p{percent}"),
            value,
            "ms",
        ));
    }
    if let (Some(before), Some(after)) = (written_before, process::written_bytes()) {
        let value = (after - before) as f64 / payload;
        figures.push(Figure::lower(
            format!("{name}-write-amplification"),
            value,
            "x",
        ));
    }
    let value = process::directory_bytes(dir)? as f64 / payload;
    figures.push(Figure::lower(format!("{name}-file-to-payload"), value, "x"));
    if let (Some(before), Some(peak)) = (memory_before, peak) {
        let value = peak.saturating_sub(before) as f64 / 1e6;
        figures.push(Figure::lower(format!("{name}-memory"), value, "MB"));
    }
    Ok(last)
}

fn timed_batches(engine: &dyn Rival, arriving: &[Arriving<'_>], batch: usize) -> Outcome<Vec<f64>> {
    arriving
        .chunks(batch)
        .map(|batch| {
            let start = Instant::now();
            engine.ingest(batch)?;
            Ok(start.elapsed().as_secs_f64())
        })
        .collect()
}

/// Every element is there with its own bytes and the right number of references, and nothing else.
fn verify(engine: &dyn Rival, workload: &Workload) -> Outcome<()> {
    let hashes = workload.hashes();
    let there = hashes
        .iter()
        .zip(&workload.counts)
        .filter(|(_, count)| **count > 0);
    let (kept, counts): (Vec<Hash>, Vec<u32>) = there.unzip();
    let found = engine.elements()?;
    if found != kept.len() as u64 {
        return Err(format!("{found} elements are there, expected {}", kept.len()).into());
    }
    let mut wrong = 0;
    for part in kept.chunks(READS) {
        let mut expected = part.iter();
        engine.read(part, &mut |bytes| {
            let expected = expected.next();
            wrong += u64::from(expected != Some(ElementHash::of(bytes).as_bytes()));
        })?;
        wrong += u64::from(expected.next().is_some());
    }
    // Of the first, which are the hottest, and of every so manieth.
    for (place, (hash, count)) in kept.iter().zip(counts).enumerate() {
        if place < COUNTS_CHECKED || place.is_multiple_of(COUNTS_CHECKED) {
            wrong += u64::from(!engine.has_references(hash, count)?);
        }
    }
    if wrong > 0 {
        return Err(format!("{wrong} reads gave wrong bytes or counts").into());
    }
    Ok(())
}

/// Reads a second by so many threads together, each reading every element once in an order of its own.
fn read_rate(engine: &dyn Rival, hashes: &[Hash], threads: u64, seed: u64) -> Outcome<f64> {
    let orders: Vec<Vec<Hash>> = (0..threads)
        .map(|thread| {
            let mut order = hashes.to_vec();
            shuffle(&mut order, seed + thread);
            order
        })
        .collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let readers: Vec<_> = orders
            .iter()
            .map(|order| scope.spawn(|| read_all(engine, order)))
            .collect();
        readers
            .into_iter()
            .try_for_each(|reader| reader.join().map_err(|_| "a reader has panicked")?)
    })?;
    let reads = hashes.len() as f64 * threads as f64;
    Ok(reads / start.elapsed().as_secs_f64())
}

fn read_all(engine: &dyn Rival, order: &[Hash]) -> Outcome<()> {
    let mut sum = 0_u64;
    for part in order.chunks(READS) {
        engine.read(part, &mut |bytes| {
            // One byte of each cache line, so that nothing can be left unread.
            sum += bytes
                .iter()
                .step_by(64)
                .map(|byte| u64::from(*byte))
                .sum::<u64>();
        })?;
    }
    std::hint::black_box(sum);
    Ok(())
}

/// Takes all references from 30 % of the elements, in no order, and lets the engine finish.
fn release(
    task: Task,
    engine: &dyn Rival,
    workload: &mut Workload,
    hashes: &[Hash],
    figures: &mut Vec<Figure>,
) -> Outcome<()> {
    let mut rng = Rng::new(task.seed);
    let mut released = Vec::new();
    for (hash, count) in hashes.iter().zip(&mut workload.counts) {
        if rng.percent(RELEASED_PERCENT) {
            released.push((*hash, std::mem::take(count)));
        }
    }
    shuffle(&mut released, task.seed);
    let start = Instant::now();
    for batch in released.chunks(BATCH) {
        engine.release(batch)?;
    }
    engine.reclaim()?;
    let rate = released.len() as f64 / start.elapsed().as_secs_f64();
    figures.push(Figure::higher("release", rate, "elements/s"));
    verify(engine, workload)
}

/// Fills the space that was released with new elements: a store that does not use it again grows.
fn reuse(
    task: Task,
    dir: &Path,
    engine: &dyn Rival,
    workload: &Workload,
    figures: &mut Vec<Figure>,
) -> Outcome<()> {
    let count = workload.counts.len() as u64 * RELEASED_PERCENT / 100;
    let chunk = Chunk::of_new(Blocks::new(task.seed + 1), 0, count);
    timed_batches(engine, &chunk.arriving(), BATCH)?;
    let value = process::directory_bytes(dir)? as f64 / workload.payload_bytes as f64;
    figures.push(Figure::lower("reuse-file-to-payload", value, "x"));
    Ok(())
}
