//! Opening stores and finding tokens in them.

use std::path::Path;

use uxf_codec::package::TokenId;
use uxf_engine::profile::ProfileError;
use uxf_engine::wallet::{DirectoryLook, ModeRefusal};
use uxf_engine::{DATABASE_FILE, Engine, EngineOptions, Error, Inventory, Snapshot};

use crate::args::Cli;
use crate::failure::{Failure, chain};

pub(super) fn exists(directory: &Path) -> bool {
    directory.join(DATABASE_FILE).is_file()
}

pub(super) fn options(cli: &Cli) -> EngineOptions {
    let megabytes = usize::try_from(cli.cache).unwrap_or(64);
    EngineOptions::new().cache_bytes(megabytes << 20)
}

/// Opens a store that must be there.
pub(super) fn open(cli: &Cli) -> Result<Engine, Failure> {
    let directory = cli.store();
    if !exists(&directory) {
        // Says so if another kind of wallet is there.
        let look = DirectoryLook::at(&directory);
        if look.is_ok_and(|look| look.check_store().is_err()) {
            return open_or_make(cli);
        }
        return Err(
            Failure::new(format!("there is no store in {}", directory.display())).with_help(
                "make one with `uxf init` or `uxf import FILE`, or name another with --store DIR",
            ),
        );
    }
    open_or_make(cli)
}

/// Opens a store, making it if it is not there, but never where a wallet of another kind is.
pub(super) fn open_or_make(cli: &Cli) -> Result<Engine, Failure> {
    let directory = cli.store();
    let about = |failure: Failure| failure.about(directory.display());
    let look = DirectoryLook::at(&directory).map_err(|error| about(Failure::new(error)))?;
    look.check_store().map_err(|refusal| {
        let failure = about(Failure::new(refusal));
        match refusal {
            ModeRefusal::LegacyOnDisk => failure.with_help(format!(
                "name another directory for the store with --store DIR, and move this one in: \
                 uxf --store DIR migrate --from {}",
                directory.display()
            )),
            _ => failure.with_help("name another directory with --store DIR"),
        }
    })?;
    Engine::open(&directory, options(cli))
        .map_err(|error| Failure::from(&error).about(directory.display()))
}

/// The inventory the command works on, which must be there.
pub(super) fn inventory(cli: &Cli, engine: &Engine) -> Result<Inventory, Failure> {
    let names = engine.inventories()?;
    if !names.contains(&cli.inventory) {
        let known = if names.is_empty() {
            "none yet".to_owned()
        } else {
            names.join(", ")
        };
        return Err(
            Failure::new(format!("the store has no inventory {:?}", cli.inventory)).with_help(
                format!("inventories: {known}; choose one with --inventory NAME"),
            ),
        );
    }
    Ok(engine.inventory(&cli.inventory)?)
}

/// Turns what a person typed into token ids: whole ids or beginnings that fit one token only. Nothing typed means
/// all tokens.
pub(super) fn find_tokens(
    inventory: &Inventory,
    snapshot: &Snapshot,
    typed: &[String],
) -> Result<Vec<TokenId>, Failure> {
    let mut all = Vec::new();
    for token in snapshot.tokens(inventory)? {
        let (id, _) = token?;
        all.extend(TokenId::new(&id));
    }
    if typed.is_empty() {
        return Ok(all);
    }
    typed.iter().map(|typed| find_token(&all, typed)).collect()
}

fn find_token(all: &[TokenId], typed: &str) -> Result<TokenId, Failure> {
    let beginning = typed.trim_end_matches('…').to_ascii_lowercase();
    let mut matching = all.iter().filter(|id| id.as_str().starts_with(&beginning));
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id.clone()),
        // A whole id may be the beginning of a longer one.
        (Some(id), Some(_)) if id.as_str() == beginning => Ok(id.clone()),
        (Some(_), Some(_)) => Err(
            Failure::new(format!("more than one token begins with {typed}"))
                .with_help("type more of the id; `uxf list` shows them whole"),
        ),
        (None, _) => Err(Failure::new(format!("no token begins with {typed}"))
            .with_help("`uxf list` shows the tokens of this inventory")),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let failure = Self::new(chain(error));
        match error {
            Error::FormatVersion { .. } => {
                failure.with_help("use the version of uxf that wrote it, or a newer one")
            }
            Error::Corrupted { .. } => failure.with_help(
                "keep the file as it is; `uxf verify` says what is damaged, a backup has the rest",
            ),
            Error::Profile(ProfileError::NotFound) => failure.with_help(
                "the seed is another profile's, or `uxf init` was not done here; \
                 name the right seed with --seed-file FILE",
            ),
            Error::Profile(ProfileError::OtherProfile) => {
                failure.with_help("it was made with another seed than the one used here")
            }
            Error::UnknownInput => {
                failure.with_help("uxf reads a token, an array of tokens, UXF JSON and CARv1 files")
            }
            _ => failure,
        }
    }
}
