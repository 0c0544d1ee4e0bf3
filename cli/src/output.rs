//! The only place that prints.
#![expect(clippy::print_stderr, reason = "printing is what this file is for")]

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::failure::Failure;

/// Where a command's results go: tables and sentences for a person, or one JSON document.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the caller wants JSON and nothing else on standard output.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// A line for a person; silent under `--json`.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.json {
            write_line(line.as_ref());
        }
    }

    /// The document for a machine; silent without `--json`.
    pub(crate) fn document(&self, document: &Value) {
        if self.json {
            write_line(&document.to_string());
        }
    }

    /// A result that is a document either way, as a token is.
    #[expect(clippy::unused_self, reason = "printing goes through the output")]
    pub(crate) fn raw(&self, text: &str) {
        write_line(text);
    }

    /// Bytes as they are, and nothing after them.
    #[expect(clippy::unused_self, reason = "printing goes through the output")]
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        if stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .is_err()
        {
            std::process::exit(0);
        }
    }

    /// A table for a person; numbers stand at the right. Silent under `--json`.
    pub(crate) fn table(&self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        if self.json {
            return;
        }
        let mut table = Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(header);
        for row in rows {
            table.add_row(row);
        }
        for (index, name) in header.iter().enumerate() {
            if let (true, Some(column)) = (is_number_column(name), table.column_mut(index)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        write_line(&table.to_string());
    }

    /// Lines on a terminal in place of as many that were drawn last.
    #[cfg(feature = "node")]
    #[expect(clippy::unused_self, reason = "printing goes through the output")]
    pub(crate) fn redraw(&self, drawn: usize, lines: &[String]) {
        // Up to the first of them, and everything from there on is cleared.
        let up = if drawn > 0 {
            format!("\x1b[{drawn}A")
        } else {
            String::new()
        };
        // What is wider than the terminal is cut, for it would be two lines.
        let lines = lines.join("\n");
        write_line(&format!("{up}\r\x1b[J\x1b[?7l{lines}\x1b[?7h"));
    }

    /// A progress bar on standard error if that is a terminal, else nothing.
    pub(crate) fn progress(&self, what: &'static str, total: u64) -> ProgressBar {
        let target = if self.json || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_message(what);
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }
}

/// Says what went wrong and what to do next, on standard error.
pub(crate) fn complain(failure: &Failure, json: bool) {
    if failure.message().is_empty() {
        return;
    }
    if json {
        write_line(
            &serde_json::json!({ "error": failure.message(), "help": failure.help() }).to_string(),
        );
    } else {
        eprintln!("error: {}", failure.message());
        if let Some(help) = failure.help() {
            eprintln!("help: {help}");
        }
    }
}

fn is_number_column(name: &str) -> bool {
    !matches!(
        name,
        "token"
            | "type"
            | "root"
            | "file"
            | "what"
            | "why"
            | "result"
            | "state"
            | "key"
            | "time"
            | "device"
            | "id"
            | "status"
            | "to"
            | "bundle"
            | "address"
            | "heads"
            | "successor"
    )
}

/// A reader that has gone away (`uxf list | head`) is no error of ours.
fn write_line(line: &str) {
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{line}").is_err() {
        std::process::exit(0);
    }
}
