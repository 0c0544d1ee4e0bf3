//! How long a store of 250 MB takes to open and to give its first element: after it was closed, and after its process
//! was killed in the middle of writing.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use uxf_codec::ElementHash;
use uxf_testkit::Blocks;

use super::{COMMAND, Task};
use crate::Outcome;
use crate::child::Measuring;
use crate::figures::Figure;
use crate::workload::Chunk;

/// Elements of the store, about 360 bytes each.
const ELEMENTS: u64 = 700_000;
const OPENINGS: usize = 5;
const KILLS: usize = 3;
/// Commits that a process makes before it is killed.
const COMMITS: usize = 20;
const COMMIT_ELEMENTS: u64 = 100;

/// Runs the steps below, each in a process of its own.
pub(super) fn measure(task: Task, dir: &Path) -> Outcome<Vec<Figure>> {
    let run = |step: &str, name: &str, elements: u64| -> Outcome<Measuring> {
        let mut arguments = task.to_arguments();
        arguments.extend([step.to_owned(), name.to_owned(), elements.to_string()]);
        Measuring::start(COMMAND, dir, &arguments)
    };
    let mut elements = task.scaled(ELEMENTS);
    run("fill", "-", elements)?.figures()?;
    let mut figures = Vec::new();
    for _ in 0..OPENINGS {
        figures.extend(run("open", "open-clean", elements)?.figures()?);
    }
    for _ in 0..KILLS {
        elements = run("write", "-", elements)?.kill_after(COMMITS)?.parse()?;
        figures.extend(run("open", "open-killed", elements)?.figures()?);
    }
    Ok(figures)
}

/// One step: `fill`, `open` or `write`, the name of the figure, and how many elements there are.
pub(super) fn run_step(task: Task, dir: &Path, arguments: &[String]) -> Outcome<Vec<Figure>> {
    let [step, name, elements] = arguments else {
        return Err("a step needs its name, that of a figure and a number of elements".into());
    };
    let blocks = Blocks::new(task.seed);
    let elements: u64 = elements.parse()?;
    match step.as_str() {
        "fill" => fill(task, dir, blocks, elements),
        "write" => write_until_killed(task, dir, blocks, elements),
        _ => open(task, dir, blocks, elements, name),
    }
}

fn fill(task: Task, dir: &Path, blocks: Blocks, elements: u64) -> Outcome<Vec<Figure>> {
    let engine = task.engine.open(dir)?;
    for first in (0..elements).step_by(10_000) {
        let count = (elements - first).min(10_000);
        engine.ingest(&Chunk::of_new(blocks, first, count).arriving())?;
    }
    Ok(Vec::new())
}

/// Commits for ever and says after each how many elements there are now.
fn write_until_killed(
    task: Task,
    dir: &Path,
    blocks: Blocks,
    mut elements: u64,
) -> Outcome<Vec<Figure>> {
    let engine = task.engine.open(dir)?;
    let mut out = std::io::stdout().lock();
    loop {
        let chunk = Chunk::of_new(blocks, elements, COMMIT_ELEMENTS);
        engine.ingest(&chunk.arriving())?;
        elements += COMMIT_ELEMENTS;
        writeln!(out, "{elements}")?;
        out.flush()?;
    }
}

fn open(task: Task, dir: &Path, blocks: Blocks, elements: u64, name: &str) -> Outcome<Vec<Figure>> {
    let last = *ElementHash::of(&blocks.bytes(elements - 1)).as_bytes();
    let start = Instant::now();
    let engine = task.engine.open(dir)?;
    let mut found = None;
    engine.read(&[last], &mut |bytes| found = Some(ElementHash::of(bytes)))?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    if found.is_none_or(|found| *found.as_bytes() != last) {
        return Err("the element acknowledged last is not there".into());
    }
    let count = engine.elements()?;
    // The commit that the kill interrupted may have come through.
    if !(elements..=elements + COMMIT_ELEMENTS).contains(&count) {
        return Err(format!("{count} elements are there, {elements} were acknowledged").into());
    }
    Ok(vec![Figure::lower(name, milliseconds, "ms")])
}
