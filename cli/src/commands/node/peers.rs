//! The peers that a store has met: a file beside it that can be read while a node has the store open.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use uxf_engine::{Clock as _, SystemClock};
use uxf_replication::node::NodeStatus;

use super::super::Outcome;
use super::super::profile::{Names, printable};
use crate::args::Cli;
use crate::output::Output;
use crate::text::{count, short, utc};

/// Its name in the store's directory.
const FILE: &str = "peers.json";
/// Most peers that are kept; of more, those are let go of that were met the longest ago.
const PEERS_MAX: usize = 1_000;

/// `uxf peers`.
pub(in super::super) fn run(cli: &Cli, out: &Output) -> Outcome {
    let book = Book::open(&cli.store());
    let rows = book.peers.iter().map(|(peer, entry)| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| entry.get(name).and_then(Value::as_u64);
        let counted = |name: &str| number(name).map(count).unwrap_or_default();
        vec![
            short(peer),
            printable(text("name")),
            text("state").to_owned(),
            counted("have"),
            counted("want"),
            counted("lag"),
            number("seenMs").map(utc).unwrap_or_default(),
            text("problem").to_owned(),
            text("address").to_owned(),
        ]
    });
    let header = [
        "id", "device", "state", "have", "want", "lag", "time", "why", "address",
    ];
    if book.peers.is_empty() {
        out.say("no peers yet; `uxf node` and `uxf sync` note here whom they meet");
    } else {
        out.table(&header, rows);
    }
    out.document(&book.document());
    Outcome::Done
}

/// All that is noted.
pub(super) struct Book {
    path: PathBuf,
    peers: BTreeMap<String, Map<String, Value>>,
}

impl Book {
    /// Reads it; one that is not there or cannot be read is empty, for nothing hangs on it.
    pub(super) fn open(store: &Path) -> Self {
        let path = store.join(FILE);
        let read = std::fs::read(&path).ok();
        let document: Option<Value> = read.and_then(|text| serde_json::from_slice(&text).ok());
        let mut peers = BTreeMap::new();
        let listed = document.as_ref().and_then(|all| all.get("peers"));
        for entry in listed.and_then(Value::as_array).into_iter().flatten() {
            if let (Some(entry), Some(id)) = (entry.as_object(), entry.get("id"))
                && let Some(id) = id.as_str()
            {
                peers.insert(id.to_owned(), entry.clone());
            }
        }
        Self { path, peers }
    }

    fn document(&self) -> Value {
        json!({ "peers": self.peers.values().collect::<Vec<_>>() })
    }

    fn set(&mut self, peer: &str, facts: Value) {
        let entry = self.peers.entry(peer.to_owned()).or_default();
        entry.insert("id".to_owned(), peer.into());
        if let Value::Object(facts) = facts {
            entry.extend(facts);
        }
    }

    /// Notes where a peer is, if something went wrong with it what, and else that nothing did.
    pub(super) fn note(&mut self, peer: &str, address: &str, problem: Option<&str>) {
        let state = if problem.is_some() {
            "failed"
        } else {
            "synced"
        };
        self.set(
            peer,
            json!({
                "address": address,
                "state": state,
                "problem": problem,
                "seenMs": SystemClock::new().unix_millis(),
            }),
        );
    }

    /// Notes how things stand with all peers of a node.
    pub(super) fn update(&mut self, status: &NodeStatus, names: &Names) {
        let now = SystemClock::new().unix_millis();
        for entry in self.peers.values_mut() {
            if entry.get("state").is_some_and(|state| state == "connected") {
                entry.insert("state".to_owned(), "away".into());
            }
        }
        for known in &status.known {
            let state = if known.is_connected {
                "connected"
            } else {
                "away"
            };
            let problem = known.last.as_ref().map(ToString::to_string);
            let mut facts = json!({ "state": state, "problem": problem });
            if let (Some(address), Value::Object(facts)) = (&known.address, &mut facts) {
                facts.insert("address".to_owned(), address.to_string().into());
            }
            self.set(&known.peer.to_string(), facts);
        }
        for (peer, one) in &status.peers {
            let progress = one.progress.unwrap_or_default();
            self.set(
                &peer.to_string(),
                json!({
                    "device": one.device.to_string(),
                    "name": names.name(one.device),
                    "state": "connected",
                    "have": progress.have,
                    "want": progress.want,
                    "lag": progress.lag,
                    "taken": one.taken.new,
                    "given": one.given,
                    "problem": one.problem.map(|problem| problem.to_string()),
                    "seenMs": now,
                }),
            );
        }
        while self.peers.len() > PEERS_MAX {
            let seen = |entry: &Map<String, Value>| entry.get("seenMs").and_then(Value::as_u64);
            let oldest = self.peers.iter().min_by_key(|(_, entry)| seen(entry));
            let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) else {
                return;
            };
            self.peers.remove(&oldest);
        }
    }

    /// Writes it as a whole; who reads it meanwhile finds it as it was.
    pub(super) fn write(&self) -> std::io::Result<()> {
        let new = self.path.with_extension("json.new");
        let mut file = File::create(&new)?;
        writeln!(file, "{}", self.document())?;
        std::fs::rename(new, &self.path)
    }
}
