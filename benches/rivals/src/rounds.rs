//! Works without children: each is measured some rounds, in a directory that is emptied before.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::arguments::USAGE;
use crate::figures::Figure;
use crate::process;
use crate::table::{self, Table};

/// A figure, and whose it is.
pub(crate) type Measured = (&'static str, Figure);

/// Where and how much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Trial<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) quick: bool,
}

impl Trial<'_> {
    /// A tenth when it has to be quick.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        if self.quick { full / 10 } else { full }
    }
}

/// A group of figures that are measured together.
pub(crate) trait Work: Copy + 'static {
    /// All of them, in the order in which they are measured.
    const ALL: &'static [Self];
    /// The directory under `target` in which they are measured, unless somebody names another.
    const DIRECTORY: &'static str;

    /// What it is called on the command line.
    fn name(self) -> &'static str;

    fn measure(self, trial: Trial<'_>) -> Outcome<Vec<Measured>>;
}

struct Arguments<W> {
    quick: bool,
    works: Vec<W>,
    rounds: usize,
    dir: PathBuf,
}

impl<W: Work> Arguments<W> {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        let mut parsed = Self {
            quick: false,
            works: W::ALL.to_vec(),
            rounds: 0,
            dir: target.join(W::DIRECTORY),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--quick" => parsed.quick = true,
                "--work" => parsed.works = named(value()?)?,
                "--rounds" => parsed.rounds = value()?.parse()?,
                "--dir" => parsed.dir = PathBuf::from(value()?),
                other => return Err(format!("unknown option {other}\n{USAGE}").into()),
            }
        }
        if parsed.rounds == 0 {
            parsed.rounds = if parsed.quick { 1 } else { 3 };
        }
        Ok(parsed)
    }
}

/// Works by their names, between commas.
fn named<W: Work>(names: &str) -> Outcome<Vec<W>> {
    let works = names.split(',').map(|name| {
        let mut all = W::ALL.iter().copied();
        all.find(|work| work.name() == name)
            .ok_or_else(|| format!("unknown work {name}").into())
    });
    works.collect()
}

/// Measures; prints as it goes.
pub(crate) fn compare<W: Work>(arguments: &[String]) -> Outcome<()> {
    let arguments = Arguments::<W>::parse(arguments)?;
    table::print_legend();
    let mut table = Table::default();
    for work in &arguments.works {
        let first = table.len();
        for _round in 0..arguments.rounds {
            process::empty_directory(&arguments.dir)?;
            let trial = Trial {
                dir: &arguments.dir,
                quick: arguments.quick,
            };
            let measured = work
                .measure(trial)
                .map_err(|error| format!("{}: {error}", work.name()))?;
            for (whose, figure) in measured {
                table.add(whose, figure);
            }
        }
        process::empty_directory(&arguments.dir)?;
        table.print(first);
    }
    Ok(())
}
