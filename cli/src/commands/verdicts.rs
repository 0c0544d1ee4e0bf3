//! Imports into a wallet, with a verdict for each token.

use std::path::Path;

use serde_json::{Map, Value, json};
use uxf_engine::Error;
use uxf_engine::wallet::{
    ImportMode, VerdictClass, VerdictCode, VerdictTally, Wallet, WalletImportOptions,
    WalletImportReport,
};

use super::{Outcome, import, wallet};
use crate::args::{Cli, Import};
use crate::failure::Failure;
use crate::output::{Output, complain};
use crate::text::{count, short};

/// Verdicts, in the order in which they are shown.
pub(super) const CODES: [VerdictCode; 9] = [
    VerdictCode::Added,
    VerdictCode::StateReplaced,
    VerdictCode::StaleRecordReplaced,
    VerdictCode::Duplicate,
    VerdictCode::Tombstoned,
    VerdictCode::GenesisExists,
    VerdictCode::Unknown,
    VerdictCode::Malformed,
    VerdictCode::AddFailed,
];

pub(super) fn run(cli: &Cli, args: &Import, out: &Output) -> Result<Outcome, Failure> {
    let wallet = wallet::open_or_make(cli)?;
    let mode = if args.lenient {
        ImportMode::Lenient
    } else {
        ImportMode::Strict
    };
    let options = WalletImportOptions::new().mode(mode).dry_run(args.dry_run);
    let (mut settled, mut refused) = (0, 0);
    let mut documents = Vec::new();
    for file in &args.files {
        match import_file(&wallet, file, args.max_file << 20, options) {
            Ok(report) => {
                let rejected = report.tally.of_class(VerdictClass::Rejected) + report.not_offered;
                settled += report.verdicts.len() as u64 + report.not_offered - rejected;
                refused += rejected;
                say(file, &report, out);
                documents.push(document(file, &report));
            }
            Err(failure) => {
                refused += 1;
                complain(&failure, false);
                documents.push(
                    json!({ "file": file, "error": failure.message(), "help": failure.help() }),
                );
            }
        }
    }
    let bundles = if args.dry_run {
        Vec::new()
    } else {
        save(&wallet, out)?
    };
    wallet.engine().close()?;
    out.document(&json!({
        "address": wallet.address().as_str(),
        "dryRun": args.dry_run,
        "files": documents,
        "bundles": bundles,
    }));
    match (settled, refused) {
        (_, 0) => Ok(Outcome::Done),
        (0, _) => Err(Failure::silent()),
        _ => Ok(Outcome::InPart),
    }
}

/// Puts what no bundle has into some, for other devices.
pub(super) fn save(wallet: &Wallet, out: &Output) -> Result<Vec<String>, Failure> {
    match wallet.save() {
        Ok(saved) => {
            for cid in &saved.bundles {
                out.say(format!("saved in bundle {cid}"));
            }
            Ok(saved.bundles)
        }
        Err(error @ Error::LimitExceeded { .. }) => {
            let failure = Failure::from(error).with_help(
                "the tokens are in the wallet of this device; \
                 make room for bundles with `uxf bundle consolidate`",
            );
            complain(&failure, false);
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

fn import_file(
    wallet: &Wallet,
    file: &Path,
    bytes_max: u64,
    options: WalletImportOptions,
) -> Result<WalletImportReport, Failure> {
    let input = import::read(file, bytes_max)?;
    let imported = wallet.import(&input, &options);
    imported.map_err(|error| Failure::from(error).about(file.display()))
}

/// Counts by code, of those that there are.
pub(super) fn in_words(tally: &VerdictTally) -> String {
    let counted = CODES.into_iter().filter(|code| tally.of_code(*code) > 0);
    let words = counted.map(|code| format!("{} {}", count(tally.of_code(code)), code.as_str()));
    words.collect::<Vec<_>>().join(", ")
}

/// Counts by code.
pub(super) fn by_code(tally: &VerdictTally) -> Value {
    let counts = CODES.map(|code| (code.as_str().to_owned(), tally.of_code(code).into()));
    Value::Object(Map::from_iter(counts))
}

fn say(file: &Path, report: &WalletImportReport, out: &Output) {
    let offered = report.verdicts.len() as u64;
    out.say(format!(
        "{}: {} tokens: {}",
        file.display(),
        count(offered),
        if offered == 0 {
            "nothing to import".to_owned()
        } else {
            in_words(&report.tally)
        }
    ));
    if report.forks_skipped + report.not_offered > 0 {
        out.say(format!(
            "  {} forks were left out, {} things were no tokens",
            count(report.forks_skipped),
            count(report.not_offered)
        ));
    }
    for (index, verdict) in report.verdicts.iter().enumerate() {
        if verdict.code.class() == VerdictClass::Rejected {
            let id = verdict.token_id.as_deref();
            let id = id.map(|id| format!(" ({})", short(id)));
            let note = verdict.note.as_deref();
            let note = note.map(|note| format!(": {note}"));
            out.say(format!(
                "  token {index}{} {}{}",
                id.unwrap_or_default(),
                verdict.code.as_str(),
                note.unwrap_or_default()
            ));
        }
    }
}

fn document(file: &Path, report: &WalletImportReport) -> Value {
    let verdicts = report.verdicts.iter().map(|verdict| {
        json!({ "tokenId": verdict.token_id, "code": verdict.code.as_str(), "note": verdict.note })
    });
    json!({
        "file": file,
        "tokens": report.verdicts.len(),
        "byCode": by_code(&report.tally),
        "forksSkipped": report.forks_skipped,
        "notOffered": report.not_offered,
        "verdicts": verdicts.collect::<Vec<_>>(),
    })
}
