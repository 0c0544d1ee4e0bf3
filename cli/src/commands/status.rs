use serde_json::json;
use uxf_engine::wallet::{
    DirectoryKind, DirectoryLook, StorageMode, StoreCondition, wallet_of_inventory,
};

use super::{Outcome, store};
use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::count;

pub(super) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    let directory = cli.store();
    let about = |failure: Failure| failure.about(directory.display());
    let look = DirectoryLook::at(&directory).map_err(|error| about(Failure::new(error)))?;
    let storage = look.markers.mode().map(StorageMode::as_str);
    let mut rows = vec![
        ("directory", directory.display().to_string()),
        ("kind", look.kind.to_string()),
        ("storage", storage.unwrap_or("(none)").to_owned()),
    ];
    let (mut condition, mut wallets, mut tokens) = (None, Vec::new(), None);
    if look.kind == DirectoryKind::Store {
        let found = StoreCondition::of(&directory, store::options(cli));
        let (found, engine) = found.map_err(|error| about(Failure::from(error)))?;
        condition = Some(found);
        rows.push(("store", found.as_str().to_owned()));
        if let Some(engine) = engine {
            for name in engine.inventories()? {
                if let Some((_, address)) = wallet_of_inventory(&name) {
                    rows.push(("wallet", address.to_string()));
                    wallets.push(address.to_string());
                }
            }
            let stats = engine.stats()?;
            rows.push(("tokens", count(stats.tokens)));
            tokens = Some(stats.tokens);
        }
    }
    let rows = rows.into_iter();
    out.table(
        &["what", "result"],
        rows.map(|(what, value)| vec![what.to_owned(), value]),
    );
    let help = help(look.kind, condition);
    if let Some(help) = help {
        out.say(help);
    }
    out.document(&json!({
        "directory": directory,
        "kind": look.kind.as_str(),
        "storage": storage,
        "store": condition.map(StoreCondition::as_str),
        "wallets": wallets,
        "tokens": tokens,
        "help": help,
    }));
    if condition == Some(StoreCondition::Usable) {
        Ok(Outcome::Done)
    } else {
        Err(Failure::silent())
    }
}

/// What to do next where there is no store to be used.
const fn help(kind: DirectoryKind, condition: Option<StoreCondition>) -> Option<&'static str> {
    Some(match (kind, condition) {
        (_, Some(StoreCondition::Usable)) => return None,
        (_, Some(StoreCondition::Locked)) => "another program has it open",
        (_, Some(StoreCondition::NeedsRepair)) => {
            "it was not closed properly; any command that opens it, as `uxf verify`, puts it right"
        }
        (_, Some(StoreCondition::OtherVersion)) => {
            "another version of uxf wrote it; use that one or a newer one"
        }
        (_, Some(StoreCondition::Damaged)) => "keep the file as it is; a backup has what it had",
        (DirectoryKind::Legacy, _) => {
            "a legacy wallet; move it into a store elsewhere with `uxf migrate --from DIR`"
        }
        (DirectoryKind::ReferenceProfile, _) => {
            "a profile of the reference, which uxf does not open; choose another directory"
        }
        _ => "no store is here; make one with `uxf init`",
    })
}
