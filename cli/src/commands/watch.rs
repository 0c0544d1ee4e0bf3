//! Delta files that appear in a directory, and the changes that they make.

use core::time::Duration;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;
use uxf_engine::oplog::DELTA_MAGIC;
use uxf_engine::profile::{IngestOutcome, Profile, WatchEvent};
use uxf_engine::{Error, ErrorKind};

use super::inbox::Inbox;
use super::{Outcome, delta, profile};
use crate::args::{Cli, Watch};
use crate::failure::Failure;
use crate::output::{Output, complain};
use crate::text::{count, utc};

/// How long the next change is waited for before it is asked whether there can be one.
const NEXT_CHANGE: Duration = Duration::from_millis(20);

pub(super) fn run(cli: &Cli, args: &Watch, out: &Output) -> Result<Outcome, Failure> {
    // What is wrong with the store, the seed or the directory is said at once.
    let profile = profile::open(cli)?;
    let mut inbox = Inbox::new(&args.from, !args.once);
    let looked = inbox.look();
    looked.map_err(|error| Failure::new(error).about(args.from.display()))?;
    if args.once {
        let outcome = take_waiting(&mut inbox, &profile, &args.prefix, out)?;
        close(profile)?;
        return Ok(outcome);
    }
    close(profile)?;
    loop {
        if !inbox.waiting().is_empty()
            && let Some(profile) = profile::open_if_free(cli)?
        {
            take_waiting(&mut inbox, &profile, &args.prefix, out)?;
            close(profile)?;
        }
        pause(Duration::from_secs(args.every));
        // A stick that was pulled out may come back.
        drop(inbox.look());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock is that of the person who watches"
)]
fn pause(time: Duration) {
    thread::sleep(time);
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it must be gone before another program can open the store"
)]
fn close(profile: Profile) -> Result<(), Failure> {
    Ok(profile.engine().close()?)
}

/// Takes in what waits, in whatever order it goes: each file may need what another one brings.
fn take_waiting(
    inbox: &mut Inbox,
    profile: &Profile,
    prefix: &str,
    out: &Output,
) -> Result<Outcome, Failure> {
    let mut waiting = inbox.waiting();
    loop {
        let (mut brought, mut left) = (false, Vec::new());
        for path in waiting {
            match take(profile, prefix, &path, out)? {
                Ok(is_new) => {
                    brought |= is_new;
                    inbox.done(&path);
                }
                Err(failure) => left.push((path, failure)),
            }
        }
        if left.is_empty() {
            return Ok(Outcome::Done);
        }
        if !brought {
            for (path, failure) in left {
                if inbox.refuse(&path, failure.message()) {
                    complain(&failure, out.is_json());
                }
            }
            return Ok(Outcome::InPart);
        }
        waiting = left
            .into_iter()
            .map(|(path, _)| path)
            .collect::<Vec<PathBuf>>();
    }
}

/// Takes in a file and shows what it changes. Whether it had anything new, or why it is refused; a failure outside is
/// the store's.
fn take(
    profile: &Profile,
    prefix: &str,
    path: &Path,
    out: &Output,
) -> Result<Result<bool, Failure>, Failure> {
    let file = match open_delta(path) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(Ok(false)),
        Err(error) => return Ok(Err(Failure::new(error).about(path.display()))),
    };
    match import(profile, prefix, file, out) {
        Ok(taken) => {
            let is_new = taken.applied + taken.checkpoints + taken.parked > 0;
            if is_new {
                delta::say_taken(path, &taken, out);
            }
            Ok(Ok(is_new))
        }
        Err(error) => {
            let failure = Failure::from(&error).about(path.display());
            match error.kind() {
                ErrorKind::Caller | ErrorKind::Transient => Ok(Err(failure)),
                _ => Err(failure),
            }
        }
    }
}

/// The file, if it begins as a delta does.
fn open_delta(path: &Path) -> std::io::Result<Option<File>> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start)?;
    if start != DELTA_MAGIC {
        return Ok(None);
    }
    File::open(path).map(Some)
}

/// Imports on this thread and shows on another, so that no change is missed however many there are.
fn import(
    profile: &Profile,
    prefix: &str,
    file: File,
    out: &Output,
) -> Result<IngestOutcome, Error> {
    let watch = profile.watch(prefix);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut names = None;
            loop {
                // Asked before the change is: what the import has brought is there then.
                let was_done = is_done.load(Ordering::Acquire);
                match watch.next_timeout(NEXT_CHANGE) {
                    Some(event) => show(profile, &mut names, &event, out),
                    None if was_done => break,
                    None => {}
                }
            }
        });
        let taken = profile.import_delta(file);
        is_done.store(true, Ordering::Release);
        taken
    })
}

fn show(profile: &Profile, names: &mut Option<profile::Names>, event: &WatchEvent, out: &Output) {
    match event {
        WatchEvent::Changed {
            key,
            is_delete,
            log,
            time,
            ..
        } => {
            if !names.as_ref().is_some_and(|names| names.has(log.device)) {
                *names = profile::Names::of(profile).ok();
            }
            let names = names.as_ref();
            let device =
                names.map_or_else(|| log.device.to_string(), |names| names.name(log.device));
            let what = if *is_delete { "delete" } else { "put" };
            out.say(format!(
                "{}  {device}  {what}  {}",
                utc(time.millis()),
                profile::printable(key)
            ));
            out.document(&json!({
                "timeMs": time.millis(),
                "device": log.device.to_string(),
                "what": what,
                "key": key,
            }));
        }
        WatchEvent::Lagged(number) => {
            out.say(format!(
                "{} more changes; `uxf keys` shows all",
                count(*number)
            ));
            out.document(&json!({ "lagged": number }));
        }
        _ => {}
    }
}
