//! The wallet of a profile.

use serde_json::{Value, json};
use uxf_codec::token::summary_of_root;
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::wallet::{DispositionReason, TokenStatus, Wallet, WalletOptions};

use super::Outcome;
use super::profile::{self, printable};
use crate::args::{self, Cli};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{count, short, utc};

pub(super) fn run(cli: &Cli, command: &args::Wallet, out: &Output) -> Result<Outcome, Failure> {
    let wallet = open(cli)?;
    match command {
        args::Wallet::Status => status(&wallet, out),
        args::Wallet::Tokens => tokens(&wallet, out, |_| true),
        args::Wallet::Balance => balance(&wallet, out),
        args::Wallet::History { limit } => history(&wallet, *limit, out),
        args::Wallet::Outbox => outbox(&wallet, out),
        args::Wallet::Conflicts => {
            tokens(&wallet, out, |status| status == TokenStatus::Conflicting)
        }
    }
}

/// The wallet that was named, or the only one there is.
pub(super) fn open(cli: &Cli) -> Result<Wallet, Failure> {
    let profile = profile::open(cli)?;
    let known = profile.wallet_addresses()?;
    let address = match (named(cli)?, known.as_slice()) {
        (Some(address), known) if known.contains(&address) => address,
        (Some(address), _) => {
            return Err(
                Failure::new(format!("the profile has no wallet of {address}"))
                    .with_help(none_help(&known)),
            );
        }
        (None, [address]) => address.clone(),
        (None, []) => {
            return Err(Failure::new("the profile has no wallet yet").with_help(none_help(&known)));
        }
        (None, _) => {
            return Err(Failure::new("the profile has wallets of several addresses")
                .with_help(none_help(&known)));
        }
    };
    of(&profile, &address)
}

/// The wallet to import into, made if it is not there.
pub(super) fn open_or_make(cli: &Cli) -> Result<Wallet, Failure> {
    match named(cli)? {
        Some(address) => of(&profile::open(cli)?, &address),
        None => open(cli),
    }
}

fn of(profile: &Profile, address: &AddressId) -> Result<Wallet, Failure> {
    let engine = profile.engine();
    Ok(engine.wallet(profile, address, WalletOptions::new())?)
}

fn named(cli: &Cli) -> Result<Option<AddressId>, Failure> {
    let Some(text) = &cli.address else {
        return Ok(None);
    };
    let address = AddressId::parse(text).or_else(|_| AddressId::of_direct_address(text));
    address.map(Some).map_err(|error| {
        Failure::new(error)
            .with_help("an address as DIRECT://..., or its id as DIRECT_0d5508_b1bbbf")
    })
}

fn none_help(known: &[AddressId]) -> String {
    if known.is_empty() {
        return "`uxf migrate --from DIR` moves one in; `uxf import --strict FILE --address ADDRESS` begins one"
            .to_owned();
    }
    let known: Vec<_> = known.iter().map(AddressId::as_str).collect();
    format!("addresses: {}; choose one with --address", known.join(", "))
}

fn status(wallet: &Wallet, out: &Output) -> Result<Outcome, Failure> {
    let status = wallet.status()?;
    let collections = wallet.collections()?;
    let under_way = [
        ("outbox", collections.outbox().list()?.entries.len()),
        ("finalizations", collections.queue().list()?.entries.len()),
        ("mints", collections.mints().list()?.entries.len()),
    ];
    let mut rows = vec![vec!["tokens".to_owned(), count(status.tokens())]];
    let mut by_status = serde_json::Map::new();
    for one in TokenStatus::ALL {
        rows.push(vec![format!("  {}", one.as_str()), count(status.of(one))]);
        by_status.insert(one.as_str().to_owned(), status.of(one).into());
    }
    rows.push(vec!["not saved yet".to_owned(), count(status.unsaved)]);
    rows.push(vec!["bundles".to_owned(), count(status.bundles)]);
    let mut document = json!({
        "address": wallet.address().as_str(),
        "tokens": status.tokens(),
        "byStatus": by_status,
        "unsaved": status.unsaved,
        "bundles": status.bundles,
    });
    for (name, entries) in under_way {
        rows.push(vec![format!("in {name}"), count(entries as u64)]);
        if let Some(document) = document.as_object_mut() {
            document.insert(name.to_owned(), entries.into());
        }
    }
    out.say(format!("wallet {}", wallet.address()));
    out.table(&["what", "count"], rows);
    out.document(&document);
    Ok(Outcome::Done)
}

fn tokens(
    wallet: &Wallet,
    out: &Output,
    is_wanted: impl Fn(TokenStatus) -> bool,
) -> Result<Outcome, Failure> {
    let snapshot = wallet.engine().snapshot()?;
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for token in wallet.tokens()? {
        let token = token?;
        if !is_wanted(token.status) {
            continue;
        }
        let summary = summary_of_root(&snapshot, &token.root)
            .map_err(|error| Failure::from(uxf_engine::Error::from(error)))?;
        let reason = token.reason.map(DispositionReason::as_str);
        let bundles: Vec<&str> = token.bundles.iter().map(AsRef::as_ref).collect();
        let heads: Vec<_> = token.heads.iter().map(ToString::to_string).collect();
        rows.push(vec![
            token.token_id.clone(),
            token.status.as_str().to_owned(),
            reason.unwrap_or_default().to_owned(),
            summary.first_coin.as_deref().map(short).unwrap_or_default(),
            count(summary.transactions as u64),
            count(heads.len() as u64),
        ]);
        documents.push(json!({
            "tokenId": token.token_id,
            "status": token.status.as_str(),
            "reason": reason,
            "root": token.root.to_string(),
            "heads": heads,
            "bundles": bundles,
            "unsaved": token.is_unsaved,
            "firstCoin": summary.first_coin,
            "transactions": summary.transactions,
        }));
    }
    out.say(format!("{} tokens", count(rows.len() as u64)));
    if !rows.is_empty() {
        let header = ["token", "status", "why", "coin", "transactions", "states"];
        out.table(&header, rows);
    }
    out.document(&json!({ "address": wallet.address().as_str(), "tokens": documents }));
    Ok(Outcome::Done)
}

fn balance(wallet: &Wallet, out: &Output) -> Result<Outcome, Failure> {
    let views = wallet.views()?;
    let rows = views.balances.iter().map(|balance| {
        vec![
            short(&balance.coin_id),
            balance.confirmed.clone(),
            balance.pending.clone(),
            balance.conflicting.clone(),
            count(balance.tokens),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        out.say("no coins");
    } else {
        let header = ["coin", "confirmed", "pending", "conflicting", "tokens"];
        out.table(&header, rows);
    }
    let unreadable: u64 = views
        .balances
        .iter()
        .map(|balance| balance.unreadable)
        .sum();
    if unreadable > 0 {
        out.say(format!(
            "{} amounts are no numbers and in no sum",
            count(unreadable)
        ));
    }
    out.document(&json!({ "address": wallet.address().as_str(), "balances": views.balances }));
    Ok(Outcome::Done)
}

fn history(wallet: &Wallet, limit: usize, out: &Output) -> Result<Outcome, Failure> {
    let views = wallet.views()?;
    let shown = views.history.get(..limit).unwrap_or(&views.history);
    let rows = shown.iter().map(|entry| {
        vec![
            utc(entry.timestamp),
            entry.kind.clone(),
            entry.amount.clone(),
            short(&printable(&entry.symbol)),
            entry.token_id.as_deref().map(short).unwrap_or_default(),
            entry
                .recipient_address
                .as_deref()
                .map(printable)
                .unwrap_or_default(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    out.say(format!(
        "{} of {} entries",
        count(rows.len() as u64),
        count(views.history.len() as u64)
    ));
    if !rows.is_empty() {
        let header = ["time", "type", "amount", "coin", "token", "to"];
        out.table(&header, rows);
    }
    out.document(&json!({
        "address": wallet.address().as_str(),
        "entries": views.history.len(),
        "history": shown,
    }));
    Ok(Outcome::Done)
}

fn outbox(wallet: &Wallet, out: &Output) -> Result<Outcome, Failure> {
    let listed = wallet.collections()?.outbox().list()?;
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for entry in &listed.entries {
        let shown = entry.to_visible_json();
        let text = |name: &str| {
            let text = shown.get(name).and_then(Value::as_str);
            text.map(printable).unwrap_or_default()
        };
        let number = |name: &str| shown.get(name).and_then(Value::as_u64).unwrap_or(0);
        let tokens = shown.get("tokenIds").and_then(Value::as_array);
        rows.push(vec![
            printable(entry.id()),
            entry.status().as_str().to_owned(),
            count(tokens.map_or(0, Vec::len) as u64),
            text("recipient"),
            utc(number("updatedAt")),
            text("error"),
        ]);
        documents.push(shown);
    }
    out.say(format!(
        "{} transfers on their way out",
        count(rows.len() as u64)
    ));
    if !rows.is_empty() {
        out.table(&["id", "status", "tokens", "to", "time", "why"], rows);
    }
    for row in &listed.unreadable {
        out.say(format!("{} cannot be read", printable(&row.key)));
    }
    let unreadable: Vec<_> = listed
        .unreadable
        .iter()
        .map(|row| row.key.as_str())
        .collect();
    out.document(&json!({
        "address": wallet.address().as_str(),
        "outbox": documents,
        "unreadable": unreadable,
    }));
    Ok(if listed.unreadable.is_empty() {
        Outcome::Done
    } else {
        Outcome::InPart
    })
}
