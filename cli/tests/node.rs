//! Two devices as processes of their own, which come together over loopback.
#![cfg(feature = "node")]
#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

#[cfg(feature = "mdns")]
use std::io::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const TRANSCRIPT: &str = r#"uxf --store A init --seed-file seed.hex
uxf --store A put notes/hello world
uxf --store A node --listen /ip4/127.0.0.1/tcp/0 --ready-file A.addr
uxf --store B init --seed-file seed.hex
uxf --store B sync "$(cat A.addr)"
uxf --store B get notes/hello"#;

/// A directory in which commands are run as a person types them.
struct Terminal(TempDir);

impl Terminal {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A seed that only its owner can read.
    fn seed(&self, name: &str, digit: char) {
        let path = self.path().join(name);
        std::fs::write(&path, digit.to_string().repeat(64)).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["UXF_STORE", "UXF_SEED_FILE", "UXF_LOG"] {
            command.env_remove(variable);
        }
        let mut path = vec![
            Path::new(env!("CARGO_BIN_EXE_uxf"))
                .parent()
                .unwrap()
                .into(),
        ];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let path = std::env::join_paths(path).unwrap();
        command.env("PATH", path).current_dir(self.path());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command("sh").args(["-c", line]).output().unwrap()
    }

    /// Runs a line that must succeed, and gives its output.
    fn expect(&self, line: &str) -> String {
        let output = self.run(line);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.expect(line)).unwrap()
    }

    /// Starts a line that goes on running, and waits until it says that it listens.
    fn start(&self, line: &str) -> Running {
        let mut command = self.command(env!("CARGO_BIN_EXE_uxf"));
        command.args(line.split_whitespace().skip(1));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        said.read_line(&mut first).unwrap();
        let running = Running { child, said };
        assert!(first.contains("/p2p/"), "{line}: {first}");
        running
    }
}

#[test]
fn peers_are_noted_with_how_far_they_are_and_what_went_wrong() {
    let terminal = Terminal::new();
    terminal.seed("seed.hex", '7');
    for store in ["A", "B"] {
        terminal.expect(&format!(
            "uxf --store {store} init --seed-file seed.hex --device {store}"
        ));
    }
    assert!(
        terminal
            .expect("uxf --store B peers")
            .contains("no peers yet")
    );
    terminal.expect("uxf --store A put notes/hello world");
    let node =
        terminal.start("uxf --store A node --listen /ip4/127.0.0.1/tcp/0 --ready-file A.addr");
    let address = terminal.expect("cat A.addr");
    terminal.expect(r#"uxf --store B sync "$(cat A.addr)""#);
    let peers = terminal.json("uxf --json --store B peers");
    let peer = &peers["peers"][0];
    assert_eq!(
        (&peer["state"], &peer["have"]),
        (&"synced".into(), &1.into())
    );
    assert!(peer["name"].as_str().unwrap().starts_with("A ("), "{peer}");
    assert_eq!(peer["address"], address.trim());
    node.end();
    let gone = terminal.run(r#"uxf --store B sync "$(cat A.addr)""#);
    assert_eq!(gone.status.code(), Some(1));
    let peers = terminal.json("uxf --json --store B peers");
    let peer = &peers["peers"][0];
    assert_eq!(peer["state"], "failed");
    assert_eq!(peer["problem"], "the peer cannot be reached");
    // The other side has noted who came, and left in an orderly way.
    let peers = terminal.json("uxf --json --store A peers");
    assert_eq!(peers["peers"][0]["state"], "away", "{peers}");
}

#[test]
fn a_node_keeps_connected_with_a_peer_and_has_the_same_identity_again() {
    let terminal = Terminal::new();
    terminal.seed("seed.hex", '7');
    for store in ["A", "B"] {
        terminal.expect(&format!("uxf --store {store} init --seed-file seed.hex"));
        terminal.expect(&format!("uxf --store {store} put notes/{store} {store}"));
    }
    let line = "uxf --store A node --listen /ip4/127.0.0.1/tcp/0 --ready-file A.addr";
    let mut first = terminal.start(line);
    let address = terminal.expect("cat A.addr");
    let second = terminal.start(&format!(
        "uxf --store B node --listen /ip4/127.0.0.1/tcp/0 --peer {}",
        address.trim()
    ));
    first.until("took");
    first.end();
    second.end();
    assert_eq!(terminal.expect("uxf --store A get notes/B"), "B");
    assert_eq!(terminal.expect("uxf --store B get notes/A"), "A");
    terminal.start(line).end();
    let again = terminal.expect("cat A.addr");
    let identity = |address: &str| address.trim().rsplit_once('/').unwrap().1.to_owned();
    assert_eq!(identity(&again), identity(&address));
}

/// A process that is ended with the test.
struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Running {
    /// Waits for a line with something in it.
    fn until(&mut self, what: &str) {
        assert!(self.says(what), "{what} was not said");
    }

    /// The same; `false` if it ended without it.
    fn says(&mut self, what: &str) -> bool {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            if self.said.read_line(&mut line).unwrap() == 0 {
                return false;
            }
        }
        true
    }

    /// Ends it as a person or a supervisor does; it must end well by itself.
    fn end(mut self) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn two_processes_of_one_seed_come_together_as_a_person_types_it() {
    let terminal = Terminal::new();
    terminal.seed("seed.hex", '7');
    let mut lines = TRANSCRIPT.lines();
    terminal.expect(lines.next().unwrap());
    terminal.expect(lines.next().unwrap());
    let node = terminal.start(lines.next().unwrap());
    terminal.expect(lines.next().unwrap());
    let said = terminal.expect(lines.next().unwrap());
    assert!(said.contains("commits taken: 1, given: 0;"), "{said}");
    assert_eq!(terminal.expect(lines.next().unwrap()), "world");
    // What is there already is not moved again.
    let said = terminal.expect(r#"uxf --json --store B sync "$(cat A.addr)""#);
    let moved: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&moved["taken"], &moved["given"]), (&0.into(), &0.into()));
    terminal.expect("uxf --store B put notes/answer yes");
    let said = terminal.expect(r#"uxf --json --store B sync "$(cat A.addr)""#);
    let moved: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&moved["taken"], &moved["given"]), (&0.into(), &1.into()));
    node.kill();
    assert_eq!(terminal.expect("uxf --store A get notes/answer"), "yes");
    terminal.expect("uxf --store A verify");
}

/// Who finds whom first is left to them; where no packet reaches a group of receivers, nobody does.
#[cfg(feature = "mdns")]
#[test]
fn two_nodes_that_were_told_nothing_of_each_other_meet_on_the_local_network() {
    let terminal = Terminal::new();
    terminal.seed("seed.hex", '7');
    for store in ["A", "B"] {
        terminal.expect(&format!("uxf --store {store} init --seed-file seed.hex"));
        terminal.expect(&format!("uxf --store {store} put notes/{store} {store}"));
    }
    let [mut first, second] =
        ["A", "B"].map(|store| terminal.start(&format!("uxf --store {store} node --mdns")));
    let (met, has_met) = std::sync::mpsc::channel();
    let id = first.child.id().to_string();
    let waits = std::thread::spawn(move || {
        let has_met = has_met
            .recv_timeout(core::time::Duration::from_secs(20))
            .is_ok();
        let signal = if has_met { "-0" } else { "-TERM" };
        Command::new("kill").args([signal, &id]).status().unwrap();
        has_met
    });
    first.says("took");
    met.send(()).ok();
    if !waits.join().unwrap() {
        writeln!(std::io::stderr(), "skipped: no multicast here").unwrap();
        return;
    }
    first.end();
    second.end();
    assert_eq!(terminal.expect("uxf --store A get notes/B"), "B");
    assert_eq!(terminal.expect("uxf --store B get notes/A"), "A");
}

#[test]
fn who_knows_the_id_of_a_bundle_fetches_it_by_bitswap_if_the_node_gives_it() {
    let terminal = Terminal::new();
    terminal.seed("seed.hex", '7');
    let sample = Path::new("../samples/genuine-tokens.json").canonicalize();
    std::fs::copy(sample.unwrap(), terminal.path().join("tokens.json")).unwrap();
    terminal.expect("uxf --store A init --seed-file seed.hex");
    terminal.expect("uxf --store A import --strict --address DIRECT_0d5508_b1bbbf tokens.json");
    let list = terminal.json("uxf --json --store A bundle list");
    let id = list["bundles"][0]["cid"].as_str().unwrap();
    let line = "uxf --store A node --listen /ip4/127.0.0.1/tcp/0 --ready-file A.addr";
    let fetch = format!(r#"uxf --json --store B fetch {id} --no-retry --peer "$(cat A.addr)""#);
    let node = terminal.start(line);
    assert_eq!(terminal.run(&fetch).status.code(), Some(1));
    node.end();
    let node = terminal.start(&format!("{line} --bitswap"));
    let fetched = terminal.json(&fetch);
    assert_eq!(fetched["imported"]["added"], 7, "{fetched}");
    node.end();
}

#[test]
fn the_readme_has_the_commands_that_work() {
    let readme = include_str!("../../README.md");
    for line in TRANSCRIPT.lines() {
        assert!(readme.contains(line), "{line}");
    }
}

#[test]
fn who_has_another_seed_is_refused_and_who_is_not_there_is_not_reached() {
    let terminal = Terminal::new();
    terminal.seed("seed.hex", '7');
    terminal.seed("other.hex", '8');
    terminal.expect("uxf --store A init --seed-file seed.hex");
    terminal.expect("uxf --store A put notes/hello world");
    terminal.expect("uxf --store B init --seed-file other.hex");
    let node =
        terminal.start("uxf --store A node --listen /ip4/127.0.0.1/tcp/0 --ready-file A.addr");
    let refused = terminal.run(r#"uxf --store B sync "$(cat A.addr)""#);
    assert_eq!(refused.status.code(), Some(1));
    let complaint = String::from_utf8(refused.stderr).unwrap();
    assert!(
        complaint.contains("serves none of the profiles"),
        "{complaint}"
    );
    assert!(
        complaint.contains("with a seed that this store has too"),
        "{complaint}"
    );
    assert_eq!(
        terminal.run("uxf --store B get notes/hello").status.code(),
        Some(1)
    );
    node.kill();
    let gone = terminal.run(r#"uxf --store B sync "$(cat A.addr)""#);
    let complaint = String::from_utf8(gone.stderr).unwrap();
    assert!(complaint.contains("cannot be reached"), "{complaint}");
}
