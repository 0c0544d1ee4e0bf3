use std::time::Duration;

use serde_json::{Value, json};
use uxf_engine::wallet::WalletOptions;
use uxf_engine::wallet::legacy::{
    Deleted, LegacyDirectory, LegacyError, LegacyLock, MoveOptions, MoveReport,
};

use super::verdicts::{by_code, in_words};
use super::{Outcome, profile};
use crate::args::{Cli, Migrate};
use crate::failure::{Failure, chain};
use crate::output::{Output, complain};
use crate::text::{count, short};

/// Tries to lock the directory.
const LOCK_TRIES: u32 = 10;
/// Between two of them, doubled each time up to the longest.
const LOCK_WAIT: Duration = Duration::from_millis(200);
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);

pub(super) fn run(cli: &Cli, args: &Migrate, out: &Output) -> Result<Outcome, Failure> {
    let profile = profile::open(cli)?;
    let directory = LegacyDirectory::find(&args.from, args.tokens.as_deref())?;
    directory.check_apart(&cli.store())?;
    if args.dry_run {
        let wallet = directory.read(None)?;
        if !args.no_verify {
            wallet.check_identity(&profile)?;
        }
        let report = wallet.move_into(&profile, MoveOptions::new().dry_run(true))?;
        say_found(&report, out);
        out.document(&document(&report, true, None));
        return Ok(Outcome::Done);
    }
    let lock = lock(&directory)?;
    let wallet = directory.read(Some(&lock))?;
    if !args.no_verify {
        wallet.check_identity(&profile)?;
    }
    let report = wallet.move_into(&profile, MoveOptions::new())?;
    profile.engine().close()?;
    drop(profile);
    say_moved(&report, out);
    let mut outcome = if report.is_complete() {
        Outcome::Done
    } else {
        Outcome::InPart
    };
    let mut deleted = None;
    if args.delete_legacy {
        match delete(cli, &directory, lock, &report) {
            Ok(done) => {
                if done.changed > 0 {
                    outcome = Outcome::InPart;
                }
                say_deleted(done, out);
                deleted = Some(done);
            }
            Err(failure) => {
                complain(&failure, false);
                outcome = Outcome::InPart;
            }
        }
    } else if report.is_complete() {
        out.say(format!(
            "{} stays as it is; `--delete-legacy` deletes it once all of it was found in the store again",
            args.from.display()
        ));
    }
    out.document(&document(&report, false, deleted));
    Ok(outcome)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program that is waited for is another one"
)]
fn lock(directory: &LegacyDirectory) -> Result<LegacyLock, Failure> {
    let mut wait = LOCK_WAIT;
    for _ in 1..LOCK_TRIES {
        match directory.lock() {
            Err(LegacyError::Busy { .. }) => {
                std::thread::sleep(wait);
                wait = (wait * 2).min(LOCK_WAIT_MAX);
            }
            locked => return Ok(locked?),
        }
    }
    Ok(directory.lock()?)
}

/// Opens the store anew, so that what is found was read from the disk, looks for everything, and deletes the source.
fn delete(
    cli: &Cli,
    directory: &LegacyDirectory,
    lock: LegacyLock,
    report: &MoveReport,
) -> Result<Deleted, Failure> {
    if !report.is_complete() {
        return Err(
            Failure::new("nothing was deleted: not everything was moved in")
                .with_help("what was left behind is listed above; it is only in the legacy wallet"),
        );
    }
    let profile = profile::open(cli)?;
    let wallet = directory.read(Some(&lock))?;
    let moved = wallet.check_moved(&profile, &WalletOptions::new())?;
    profile.engine().close()?;
    Ok(wallet.delete(&moved, lock)?)
}

fn say_found(report: &MoveReport, out: &Output) {
    for moved in &report.addresses {
        out.say(format!(
            "{}: {} tokens would be moved, {} forks and {} other things left behind",
            moved.address,
            count(moved.tokens.found),
            count(moved.tokens.forks_skipped),
            count(moved.tokens.not_offered)
        ));
    }
    if report.addresses.is_empty() {
        out.say("no tokens were found; name their directory with --tokens DIR if it is elsewhere");
    }
    out.say("nothing was changed");
}

fn say_moved(report: &MoveReport, out: &Output) {
    let values = &report.values;
    out.say(format!(
        "values: {} moved, {} joined, {} there already, {} not needed, {} kept as they were here, {} refused",
        count(values.moved),
        count(values.joined),
        count(values.same),
        count(values.excluded),
        count(values.kept),
        count(values.refused)
    ));
    for moved in &report.addresses {
        let tokens = &moved.tokens;
        out.say(format!(
            "{}: {} tokens: {}",
            moved.address,
            count(tokens.found),
            if tokens.found == 0 {
                "none".to_owned()
            } else {
                in_words(&tokens.tally)
            }
        ));
        if tokens.forks_skipped + tokens.not_offered > 0 {
            out.say(format!(
                "  left behind: {} forks, {} things that are no tokens",
                count(tokens.forks_skipped),
                count(tokens.not_offered)
            ));
        }
        for verdict in &tokens.rejections {
            let id = verdict.token_id.as_deref().map(short);
            out.say(format!(
                "  {} {}{}",
                id.unwrap_or_else(|| "a token without an id".to_owned()),
                verdict.code.as_str(),
                verdict
                    .note
                    .as_deref()
                    .map(|note| format!(": {note}"))
                    .unwrap_or_default()
            ));
        }
    }
    if report.unknown_files > 0 {
        out.say(format!(
            "{} files were left where they are: they are no part of a wallet that is known",
            count(report.unknown_files)
        ));
    }
}

fn say_deleted(deleted: Deleted, out: &Output) {
    out.say(format!(
        "found everything in the store again and deleted {} files of the legacy wallet",
        count(deleted.files)
    ));
    if deleted.changed > 0 {
        out.say(format!(
            "{} files stay: they were changed meanwhile; migrate again",
            count(deleted.changed)
        ));
    }
}

fn document(report: &MoveReport, is_dry_run: bool, deleted: Option<Deleted>) -> Value {
    let values = &report.values;
    let addresses = report.addresses.iter().map(|moved| {
        let saved = moved.saved.as_ref();
        json!({
            "address": moved.address.as_str(),
            "tokens": moved.tokens.to_json(),
            "byCode": by_code(&moved.tokens.tally),
            "notOffered": moved.tokens.not_offered,
            "bundles": saved.map(|saved| saved.bundles.as_slice()).unwrap_or_default(),
        })
    });
    json!({
        "dryRun": is_dry_run,
        "complete": !is_dry_run && report.is_complete(),
        "values": {
            "moved": values.moved,
            "joined": values.joined,
            "same": values.same,
            "excluded": values.excluded,
            "kept": values.kept,
            "refused": values.refused,
        },
        "addresses": addresses.collect::<Vec<_>>(),
        "unknownFiles": report.unknown_files,
        "deleted": deleted.map(|deleted| deleted.files),
    })
}

impl From<LegacyError> for Failure {
    fn from(error: LegacyError) -> Self {
        let failure = Self::new(chain(&error));
        match error {
            LegacyError::Store(error) => error.into(),
            LegacyError::NotLegacy { .. } => {
                failure.with_help("a legacy wallet has a file wallet.json that is not empty")
            }
            LegacyError::OtherIdentity { .. } => failure.with_help(
                "it is another wallet's; add --no-verify to move it into this profile all the same",
            ),
            LegacyError::Busy { .. } => {
                failure.with_help("wait until the other migration is done, then try again")
            }
            LegacyError::SamePlace { .. } => {
                failure.with_help("name another directory for the store with --store DIR")
            }
            _ => failure,
        }
    }
}
