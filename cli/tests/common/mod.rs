//! A directory of its own for each test, and the command run in it.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// What the command reads from its surroundings; a test must not.
const VARIABLES: [&str; 3] = ["UXF_STORE", "UXF_SEED_FILE", "UXF_API_SECRET_FILE"];

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uxf"));
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command
            .args(["--store", &self.text("store")])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs a command that must end with this exit code; gives its output and complaints.
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let found = output.status.code();
        assert_eq!(found, Some(code), "{arguments:?}: {stdout} {stderr}");
        (stdout, stderr)
    }

    pub(crate) fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let (stdout, _) = self.expect(code, &[&["--json"], arguments].concat());
        serde_json::from_str(&stdout).unwrap()
    }
}
