//! What a person may ask of `wallet`.

use std::path::PathBuf;

use super::WalletWork;
use crate::Outcome;
use crate::arguments::{USAGE, list};

/// The options of `wallet`.
pub(super) struct WalletArguments {
    pub(super) quick: bool,
    pub(super) works: Vec<WalletWork>,
    pub(super) rounds: usize,
    pub(super) dir: PathBuf,
}

impl WalletArguments {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut parsed = Self {
            quick: false,
            works: WalletWork::ALL.to_vec(),
            rounds: 0,
            dir: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/wallets")),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--quick" => parsed.quick = true,
                "--work" => parsed.works = list(value()?)?,
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
