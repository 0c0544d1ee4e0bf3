//! What a person may ask of `oplog`.

use std::path::PathBuf;

use super::OplogWork;
use super::replicas::{CONTENDERS, Contender};
use crate::Outcome;
use crate::arguments::{USAGE, list};

/// The options of `oplog`.
pub(super) struct OplogArguments {
    pub(super) quick: bool,
    pub(super) contenders: Vec<&'static Contender>,
    pub(super) works: Vec<OplogWork>,
    pub(super) rounds: usize,
    pub(super) seed: u64,
    pub(super) dir: PathBuf,
}

impl OplogArguments {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut parsed = Self {
            quick: false,
            contenders: CONTENDERS.iter().collect(),
            works: Vec::new(),
            rounds: 0,
            seed: 1,
            dir: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/replicas")),
        };
        let mut with_memory = false;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--quick" => parsed.quick = true,
                "--memory" => with_memory = true,
                "--only" => parsed.contenders = list(value()?)?,
                "--work" => parsed.works = list(value()?)?,
                "--rounds" => parsed.rounds = value()?.parse()?,
                "--seed" => parsed.seed = value()?.parse()?,
                "--dir" => parsed.dir = PathBuf::from(value()?),
                other => return Err(format!("unknown option {other}\n{USAGE}").into()),
            }
        }
        if parsed.works.is_empty() {
            parsed.works = OplogWork::ALL.to_vec();
            parsed.works.retain(|work| *work != OplogWork::Memory);
        }
        if with_memory && !parsed.works.contains(&OplogWork::Memory) {
            parsed.works.push(OplogWork::Memory);
        }
        if parsed.rounds == 0 {
            parsed.rounds = if parsed.quick { 1 } else { 3 };
        }
        Ok(parsed)
    }
}
