use serde_json::json;

use super::seed::{self, SeedError};
use super::{Outcome, store};
use crate::args::{Cli, Init};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(cli: &Cli, args: &Init, out: &Output) -> Result<Outcome, Failure> {
    let directory = cli.store();
    let is_new = !store::exists(&directory);
    let path = seed::path(cli);
    // Before anything is made. Without --seed-file it may have been put into the store's directory, or be what an
    // `init` drew that got no further.
    let found = match seed::read(&path) {
        Err(SeedError::Missing { .. }) if cli.seed_file.is_none() => None,
        result => Some(result?),
    };
    let engine = store::open_or_make(cli)?;
    if !engine.profiles()?.is_empty() {
        return Err(Failure::new(format!(
            "there is a store in {} already, and it has a profile",
            directory.display()
        ))
        .with_help("use it as it is, or name another directory with --store DIR"));
    }
    engine.inventory(&cli.inventory)?;
    let is_drawn = found.is_none();
    let secret = match found {
        Some(secret) => secret,
        None => seed::draw(&path)?,
    };
    if cli.seed_file.is_some() {
        seed::note(&directory, &path)?;
    }
    let profile = engine.profile(&secret, &args.device)?;
    let (id, device) = (profile.id().to_string(), profile.device().to_string());
    drop((profile, secret));
    engine.close()?;
    if is_new {
        out.say(format!("made an empty store in {}", directory.display()));
    }
    out.say(format!("made a profile in it; this device is {device}"));
    if is_drawn {
        out.say(format!("drew its seed: {}", path.display()));
        out.say(
            "  keep a copy where only you find it: without it nothing in the profile can be read again,\n  \
             and whoever has it can read and write all of it",
        );
    } else {
        out.say(format!("its seed is in {}", path.display()));
    }
    out.document(&json!({
        "store": directory,
        "inventory": cli.inventory,
        "profile": id,
        "device": device,
        "seedFile": path,
        "seedDrawn": is_drawn,
    }));
    Ok(Outcome::Done)
}
