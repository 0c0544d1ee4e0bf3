//! Opening the profile of a store, and naming its devices.

use std::collections::BTreeMap;

use uxf_engine::oplog::identity::DeviceId;
use uxf_engine::profile::Profile;
use uxf_engine::{Engine, Error};

use super::{seed, store};
use crate::args::Cli;
use crate::failure::Failure;
use crate::text::short;

/// Opens the profile of the seed, which must be in the store.
pub(super) fn open(cli: &Cli) -> Result<Profile, Failure> {
    of(cli, &store::open(cli)?)
}

/// The same, unless another program has the store open.
pub(super) fn open_if_free(cli: &Cli) -> Result<Option<Profile>, Failure> {
    let directory = cli.store();
    match Engine::open(&directory, store::options(cli)) {
        Ok(engine) => of(cli, &engine).map(Some),
        Err(Error::Locked { .. }) => Ok(None),
        Err(error) => Err(Failure::from(&error).about(directory.display())),
    }
}

/// The profile of the seed in an open store.
pub(super) fn of(cli: &Cli, engine: &Engine) -> Result<Profile, Failure> {
    let path = seed::path(cli);
    let secret = seed::read(&path)?;
    engine
        .open_profile(&secret)
        .map_err(|error| Failure::from(&error).about(path.display()))
}

/// What people call each device.
pub(super) struct Names(BTreeMap<DeviceId, String>);

impl Names {
    pub(super) fn of(profile: &Profile) -> Result<Self, Failure> {
        let devices = profile.devices()?.into_iter();
        Ok(Self(
            devices.map(|device| (device.id, device.name)).collect(),
        ))
    }

    /// Whether there is a name.
    pub(super) fn has(&self, device: DeviceId) -> bool {
        self.0.contains_key(&device)
    }

    /// The name, and enough of the id to tell it from a namesake.
    pub(super) fn name(&self, device: DeviceId) -> String {
        let id = short(&device.to_string());
        match self.0.get(&device) {
            Some(name) => format!("{} ({id})", printable(name)),
            None => id,
        }
    }
}

/// Names and keys come from other devices too: what would steer the terminal is shown as an escape.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
