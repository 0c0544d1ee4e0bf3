//! What a person may ask for.

use std::path::PathBuf;
use std::str::FromStr;

use crate::Outcome;
use crate::engines::EngineKind;
use crate::works::WorkKind;

pub(crate) const USAGE: &str = "\
usage: uxf-rivals store [--quick] [--only ENGINE,..] [--work WORK,..] [--rounds N] [--seed N] [--huge] [--dir DIR]
       uxf-rivals oplog [--quick] [--only NAME,..] [--work WORK,..] [--rounds N] [--seed N] [--memory] [--dir DIR]
       uxf-rivals wallet [--quick] [--work WORK,..] [--rounds N] [--dir DIR]
       uxf-rivals sync [--quick] [--work WORK,..] [--rounds N] [--dir DIR]
  --quick   a tenth of the data and one round: within a minute, figures rough
  --only    store: uxf redb redb-bare fjall lmdb sqlite; oplog: automerge yrs redb-bare append
  --work    store: life ingest-1k puts open ingest-4m ingest-40m; oplog: puts durable together merge life memory;
            wallet: start arrive join import consolidate;
            sync: history compacted reconcile latency bundle idle
  --rounds  how often each work is done by each engine; the median counts (default 3)
  --huge    adds the work ingest-40m
  --memory  adds the work memory
  --dir     where the stores are put (default: a folder in target of this crate); emptied before and after each work";

/// The options of `store`.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) quick: bool,
    pub(crate) engines: Vec<EngineKind>,
    pub(crate) works: Vec<WorkKind>,
    pub(crate) rounds: usize,
    pub(crate) seed: u64,
    pub(crate) dir: PathBuf,
}

impl Arguments {
    pub(crate) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut parsed = Self {
            quick: false,
            engines: EngineKind::ALL.to_vec(),
            works: Vec::new(),
            rounds: 0,
            seed: 1,
            dir: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/stores")),
        };
        let mut huge = false;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--quick" => parsed.quick = true,
                "--huge" => huge = true,
                "--only" => parsed.engines = list(value()?)?,
                "--work" => parsed.works = list(value()?)?,
                "--rounds" => parsed.rounds = value()?.parse()?,
                "--seed" => parsed.seed = value()?.parse()?,
                "--dir" => parsed.dir = PathBuf::from(value()?),
                other => return Err(format!("unknown option {other}\n{USAGE}").into()),
            }
        }
        if parsed.works.is_empty() {
            parsed.works = WorkKind::ALL
                .into_iter()
                .filter(|work| match work {
                    WorkKind::Ingest40M => huge,
                    WorkKind::Ingest4M => !parsed.quick,
                    _ => true,
                })
                .collect();
        }
        if parsed.rounds == 0 {
            parsed.rounds = if parsed.quick { 1 } else { 3 };
        }
        Ok(parsed)
    }
}

/// Names between commas.
pub(crate) fn list<T: FromStr<Err = String>>(text: &str) -> Outcome<Vec<T>> {
    Ok(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
}
