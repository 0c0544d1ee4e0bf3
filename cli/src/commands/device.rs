use serde_json::json;
use uxf_engine::oplog::identity::DeviceId;
use uxf_engine::profile::Profile;

use super::{Outcome, profile};
use crate::args::{Cli, Device};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{count, utc};

pub(super) fn run(cli: &Cli, args: &Device, out: &Output) -> Result<Outcome, Failure> {
    match args {
        Device::List => list(&profile::open(cli)?, out),
        Device::Certify { id, name } => certify(cli, id, name, out),
        Device::Revoke { id, yes } => revoke(cli, id, *yes, out),
    }
}

fn list(profile: &Profile, out: &Output) -> Result<Outcome, Failure> {
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for device in profile.devices()? {
        let operations = device.logs.iter().map(|(_, last)| last).sum();
        let is_revoked = !device.revocations.is_empty();
        let state = match (is_revoked, device.forked.is_empty(), device.own) {
            (true, _, _) => "revoked",
            (false, false, _) => "forked",
            (false, true, true) => "this one",
            (false, true, false) => "",
        };
        rows.push(vec![
            device.id.to_string(),
            profile::printable(&device.name),
            utc(device.certified.millis()),
            count(operations),
            state.to_owned(),
        ]);
        documents.push(json!({
            "id": device.id.to_string(),
            "name": device.name,
            "certifiedMs": device.certified.millis(),
            "own": device.own,
            "operations": operations,
            "revoked": is_revoked,
            "forked": !device.forked.is_empty(),
        }));
    }
    out.table(&["id", "device", "time", "operations", "state"], rows);
    out.document(&json!({ "devices": documents }));
    Ok(Outcome::Done)
}

fn certify(cli: &Cli, id: &str, name: &str, out: &Output) -> Result<Outcome, Failure> {
    let mut bytes = [0; 32];
    const_hex::decode_to_slice(id, &mut bytes)
        .map_err(|_| Failure::new(format!("{id} is no device id: 64 hex digits were expected")))?;
    let device =
        DeviceId::from_bytes(bytes).map_err(|error| Failure::new(error).about("the device id"))?;
    let profile = profile::open(cli)?;
    profile.certify(device, name)?;
    out.say(format!("certified {device}"));
    out.document(&json!({ "id": device.to_string(), "name": name }));
    profile.engine().close()?;
    Ok(Outcome::Done)
}

fn revoke(cli: &Cli, typed: &str, yes: bool, out: &Output) -> Result<Outcome, Failure> {
    let profile = profile::open(cli)?;
    let beginning = typed.trim_end_matches('…').to_ascii_lowercase();
    let devices = profile.devices()?;
    let mut matching = devices
        .iter()
        .filter(|device| device.id.to_string().starts_with(&beginning));
    let (Some(device), None) = (matching.next(), matching.next()) else {
        return Err(
            Failure::new(format!("no single device begins with {typed}"))
                .with_help("`uxf device list` shows them whole"),
        );
    };
    if !yes {
        let own = if device.own {
            ", which is this one,"
        } else {
            ""
        };
        let name = profile::printable(&device.name);
        return Err(Failure::new(format!(
            "nothing that {name}{own} writes from now on would be accepted, and there is no way back"
        ))
        .with_help("say --yes if you mean it"));
    }
    profile.revoke(device.id)?;
    out.say(format!("revoked {}", device.id));
    out.document(&json!({ "id": device.id.to_string() }));
    profile.engine().close()?;
    Ok(Outcome::Done)
}
