//! What a person sees of a node that runs: on a terminal how things stand, else a line for each thing that happens.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};

use serde_json::json;
use uxf_engine::{Clock as _, SystemClock};
use uxf_replication::node::{NodeEvent, NodeStatus};

use super::super::profile::Names;
use crate::output::Output;
use crate::text::{bytes, count, utc};

/// Lines of what happened last that stay on a terminal.
const LINES_MAX: usize = 8;

pub(super) struct View<'o> {
    out: &'o Output,
    addresses: Vec<String>,
    is_live: bool,
    last: VecDeque<String>,
    /// Lines that are on the terminal and are to be drawn over.
    drawn: usize,
}

impl<'o> View<'o> {
    pub(super) fn new(out: &'o Output, addresses: Vec<String>) -> Self {
        Self {
            out,
            addresses,
            is_live: !out.is_json() && io::stdout().is_terminal(),
            last: VecDeque::new(),
            drawn: 0,
        }
    }

    /// Says where the node can be reached.
    pub(super) fn begin(&self) {
        if !self.is_live {
            for address in &self.addresses {
                self.out.say(format!("listening on {address}"));
            }
        }
        self.out.document(&json!({ "addresses": self.addresses }));
    }

    pub(super) fn tell(&mut self, event: &NodeEvent, names: &Names) {
        let Some((what, peer, more)) = told(event, names) else {
            return;
        };
        let now = SystemClock::new().unix_millis();
        let line = format!("{}  {what}  {peer}  {more}", utc(now));
        let line = line.trim_end().to_owned();
        if self.is_live {
            self.last.push_back(line);
            if self.last.len() > LINES_MAX {
                self.last.pop_front();
            }
        } else {
            self.out.say(line);
        }
        self.out
            .document(&json!({ "timeMs": now, "what": what, "peer": peer, "more": more }));
    }

    /// Draws how things stand over what was drawn before.
    pub(super) fn draw(&mut self, status: &NodeStatus, names: &Names) {
        if !self.is_live {
            return;
        }
        let mut lines: Vec<String> = self.addresses.clone();
        lines.push(format!(
            "{} connected, {} in, {} out; Ctrl-C ends it",
            count(status.peers.len() as u64),
            bytes(status.metrics.received_bytes_total),
            bytes(status.metrics.host.sent_bytes_total),
        ));
        for (_, one) in &status.peers {
            let progress = one.progress.unwrap_or_default();
            lines.push(format!(
                "  {}: has {}, wants {}, lags {}",
                names.name(one.device),
                count(progress.have),
                count(progress.want),
                count(progress.lag),
            ));
        }
        for known in status.known.iter().filter(|known| !known.is_connected) {
            let why = known.last.as_ref().map(ToString::to_string);
            let why = why.unwrap_or_else(|| "not connected".to_owned());
            lines.push(format!("  {}: {why}", known.peer));
        }
        lines.extend(self.last.iter().cloned());
        self.out.redraw(self.drawn, &lines);
        self.drawn = lines.len();
    }
}

/// What happened, to whom, and how much.
fn told(event: &NodeEvent, names: &Names) -> Option<(&'static str, String, String)> {
    let commits = |number: u64| format!("{} commits", count(number));
    Some(match event {
        NodeEvent::Opened { peer, device, .. } => {
            ("connected", peer.to_string(), names.name(*device))
        }
        NodeEvent::Pulled { taken, .. } if taken.new == 0 => return None,
        NodeEvent::Pulled { peer, taken, .. } => ("took", peer.to_string(), commits(taken.new)),
        NodeEvent::Fetched { root, .. } => ("bundle", root.to_string(), String::new()),
        NodeEvent::Found { peer, address } => ("found", peer.to_string(), address.to_string()),
        NodeEvent::Refused(peer) => ("refused", peer.to_string(), String::new()),
        NodeEvent::Unreachable(peer) => ("unreachable", peer.to_string(), String::new()),
        NodeEvent::Closed { peer, why } => {
            let why = why.as_ref().map(ToString::to_string);
            ("closed", peer.to_string(), why.unwrap_or_default())
        }
        NodeEvent::Lagged(number) => ("lagged", String::new(), count(*number)),
        _ => return None,
    })
}
