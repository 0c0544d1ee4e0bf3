//! The commands of a profile as a person and a script meet them.
#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A device with a store of its own.
struct Device(TempDir);

impl Device {
    /// One without a store.
    fn bare() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn new(name: &str) -> Self {
        let device = Self::bare();
        device.expect(0, &["init", "--device", name]);
        device
    }

    /// Another device of the same wallet.
    fn of(other: &Self, name: &str) -> Self {
        let device = Self::bare();
        std::fs::create_dir(device.path("store")).unwrap();
        std::fs::copy(other.path("store/seed"), device.path("store/seed")).unwrap();
        device.expect(0, &["init", "--device", name]);
        device
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uxf"));
        command
            .args(["--store", &self.file("store")])
            .args(arguments)
            .env_remove("UXF_STORE")
            .env_remove("UXF_SEED_FILE");
        command
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(arguments)
            .env("UXF_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        // Whatever a command says, at the most talkative: the seed is not in it.
        if let Ok(seed) = std::fs::read_to_string(self.path("store/seed"))
            && seed.len() >= 64
        {
            for said in [&output.stdout, &output.stderr] {
                assert!(!String::from_utf8_lossy(said).contains(seed.trim()));
            }
        }
        output
    }

    /// Runs a command that must end with this exit code; gives its output and complaints.
    fn expect(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments, b"");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {stdout} {stderr}"
        );
        (stdout, stderr)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (stdout, _) = self.expect(0, &[&["--json"], arguments].concat());
        serde_json::from_str(&stdout).unwrap()
    }
}

#[test]
fn two_devices_of_one_seed_come_together_by_delta_files() {
    let phone = Device::new("phone");
    let laptop = Device::of(&phone, "laptop");
    let (delta, vector, back) = (
        phone.file("delta"),
        phone.file("vector"),
        phone.file("back"),
    );
    phone.expect(0, &["put", "app.greeting", "hello"]);
    phone.expect(0, &["put", "app.gone", "x"]);
    let long = vec![b'l'; 100_000];
    std::fs::write(phone.path("long"), &long).unwrap();
    phone.expect(0, &["put", "app.long", "--file", &phone.file("long")]);
    assert_eq!(phone.json(&["delta", "export", &delta])["commits"], 3);
    assert_eq!(laptop.json(&["delta", "import", &delta])["applied"], 3);
    assert_eq!(laptop.json(&["delta", "import", &delta])["known"], 3);
    assert_eq!(laptop.expect(0, &["get", "app.greeting"]).0, "hello");
    assert_eq!(laptop.run(&["get", "app.long"], b"").stdout, long);

    laptop.expect(0, &["put", "app.greeting", "good morning"]);
    laptop.expect(0, &["del", "app.gone"]);
    phone.expect(0, &["delta", "vector", &vector]);
    let since = ["delta", "export", &back, "--since", &vector];
    assert_eq!(laptop.json(&since)["commits"], 2);
    phone.expect(0, &["delta", "import", &back]);
    for device in [&phone, &laptop] {
        assert_eq!(device.expect(0, &["get", "app.greeting"]).0, "good morning");
        device.expect(1, &["get", "app.gone"]);
        let (log, _) = device.expect(0, &["log"]);
        assert!(log.contains("laptop (") && log.contains("phone ("), "{log}");
        device.expect(0, &["verify"]);
    }
    assert_eq!(phone.json(&["keys"]), laptop.json(&["keys"]));
    assert_eq!(phone.json(&["log"]), laptop.json(&["log"]));
    assert!(!phone.path("delta.partial").exists());
}

#[test]
fn a_value_goes_in_and_comes_out_byte_for_byte() {
    let device = Device::new("phone");
    let value = b"\0\xff\n not text \n";
    let put = device.run(&["put", "app.bytes", "-"], value);
    assert!(put.status.success());
    assert_eq!(device.run(&["get", "app.bytes"], b"").stdout, value);
    let document = device.json(&["get", "app.bytes"]);
    assert_eq!(document["value"], Value::Null);
    assert_eq!(document["hex"], "00ff0a206e6f742074657874200a");
    device.expect(0, &["put", "app.empty", ""]);
    assert_eq!(device.json(&["get", "app.empty"])["value"], "");
    let keys = device.json(&["keys", "app.b"]);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0]["bytes"], 14);
    let (_, complaint) = device.expect(1, &["get", "app.none"]);
    assert!(complaint.contains("has no value"), "{complaint}");
    let (_, complaint) = device.expect(1, &["put", "", "v"]);
    assert!(complaint.contains("a key of 0 bytes"), "{complaint}");
    device.expect(2, &["put", "app.k"]);
    device.expect(2, &["put", "app.k", "v", "--file", "f"]);
}

#[test]
fn the_log_says_who_wrote_what_newest_first_and_no_more_than_asked_for() {
    let device = Device::new("phone");
    for value in ["1", "2", "3"] {
        device.expect(0, &["put", "app.k", value]);
    }
    device.expect(0, &["del", "app.k"]);
    let operations = device.json(&["log", "--limit", "2"]);
    let found: Vec<_> = operations["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["seq"].as_u64().unwrap(), one["what"].as_str().unwrap()))
        .collect();
    assert_eq!(found, [(4, "delete"), (3, "put")]);
    let (said, _) = device.expect(0, &["log"]);
    assert!(said.contains("phone (") && said.contains("app.k"), "{said}");
    // Keys come from other devices: they do not steer the terminal.
    device.expect(0, &["put", "app.\u{1b}[2J", "v"]);
    assert!(!device.expect(0, &["log"]).0.contains("app.\u{1b}"));
    assert!(!device.expect(0, &["keys"]).0.contains("app.\u{1b}"));
}

#[test]
fn a_drawn_seed_is_its_owners_alone_and_a_second_init_leaves_it() {
    let device = Device::bare();
    let (said, _) = device.expect(0, &["init"]);
    assert!(said.contains("keep a copy"), "{said}");
    let seed = std::fs::read(device.path("store/seed")).unwrap();
    assert_eq!(seed.len(), 65);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(device.path("store/seed"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let (_, complaint) = device.expect(1, &["init"]);
    assert!(complaint.contains("it has a profile"), "{complaint}");
    assert_eq!(std::fs::read(device.path("store/seed")).unwrap(), seed);
}

#[cfg(unix)]
#[test]
fn a_seed_that_others_can_read_is_refused_and_nothing_is_made() {
    use std::os::unix::fs::PermissionsExt as _;

    let device = Device::bare();
    let seed = device.file("wallet");
    std::fs::write(&seed, "11".repeat(32)).unwrap();
    for mode in [0o644, 0o640, 0o601] {
        std::fs::set_permissions(&seed, std::fs::Permissions::from_mode(mode)).unwrap();
        let (_, complaint) = device.expect(1, &["--seed-file", &seed, "init"]);
        assert!(
            complaint.contains("others can read the seed") && complaint.contains("chmod 600"),
            "{complaint}"
        );
        assert!(!device.path("store").exists());
    }
    std::fs::set_permissions(&seed, std::fs::Permissions::from_mode(0o600)).unwrap();
    device.expect(0, &["--seed-file", &seed, "init"]);
    assert!(!device.path("store/seed").exists());
    device.expect(0, &["--seed-file", &seed, "put", "app.k", "v"]);
    std::fs::set_permissions(&seed, std::fs::Permissions::from_mode(0o604)).unwrap();
    let (_, complaint) = device.expect(1, &["--seed-file", &seed, "get", "app.k"]);
    assert!(complaint.contains("others can read"), "{complaint}");
}

#[test]
fn what_is_no_seed_is_refused_and_white_space_around_one_is_not() {
    let device = Device::bare();
    let seed = device.file("wallet");
    let write = |text: &str| {
        std::fs::write(&seed, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let owner = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&seed, owner).unwrap();
        }
    };
    let good = "1f".repeat(32);
    for (text, complaint) in [
        (String::new(), "64 hex digits"),
        ("1f".repeat(31), "64 hex digits"),
        ("1f".repeat(33), "64 hex digits"),
        (format!("0x{}", "1f".repeat(31)), "64 hex digits"),
        (format!("{good}{}", " ".repeat(300)), "64 hex digits"),
        ("00".repeat(32), "cannot be used"),
        ("ff".repeat(32), "cannot be used"),
    ] {
        write(&text);
        let (_, said) = device.expect(1, &["init", "--seed-file", &seed]);
        assert!(said.contains(complaint), "{text}: {said}");
        assert!(text.is_empty() || !said.contains(text.trim()), "{said}");
    }
    assert!(!device.path("store").exists());
    let (_, said) = device.expect(1, &["init", "--seed-file", &device.file("none")]);
    assert!(said.contains("there is no seed"), "{said}");
    write(&format!(" \n{}\r\n", good.to_uppercase()));
    device.expect(0, &["init", "--seed-file", &seed]);
    write(&good);
    device.expect(0, &["put", "app.k", "v", "--seed-file", &seed]);
}

#[test]
fn a_store_without_a_profile_and_the_seed_of_another_one_say_what_to_do() {
    let (device, other) = (Device::bare(), Device::new("other"));
    let (_, complaint) = device.expect(1, &["get", "app.k"]);
    assert!(complaint.contains("there is no store"), "{complaint}");
    device.expect(0, &["import", "../samples/genuine-tokens.json"]);
    let (_, complaint) = device.expect(1, &["get", "app.k"]);
    assert!(
        complaint.contains("there is no seed") && complaint.contains("uxf init"),
        "{complaint}"
    );
    // A store of tokens gets its profile beside them.
    device.expect(0, &["init"]);
    device.expect(0, &["put", "app.k", "v"]);
    assert_eq!(device.json(&["stats"])["tokens"], 7);
    let wrong = other.file("store/seed");
    for command in [&["get", "app.k"][..], &["put", "app.k", "w"], &["keys"]] {
        let arguments = [&["--seed-file", &wrong], command].concat();
        let (_, complaint) = device.expect(1, &arguments);
        assert!(
            complaint.contains("no profile of this wallet") && complaint.contains("--seed-file"),
            "{complaint}"
        );
    }
    assert_eq!(device.expect(0, &["get", "app.k"]).0, "v");
}

#[test]
fn a_delta_that_is_damaged_cut_of_another_profile_or_none_changes_nothing() {
    let (phone, other) = (Device::new("phone"), Device::new("other"));
    let laptop = Device::of(&phone, "laptop");
    phone.expect(0, &["put", "app.k", "v"]);
    let delta = phone.file("delta");
    phone.expect(0, &["delta", "export", &delta]);
    let whole = std::fs::read(&delta).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let bad = phone.file("bad");
    for (bytes, complaint) in [
        (&whole[..whole.len() - 1], "cut off"),
        (&damaged, "digest"),
        (b"PK\x03\x04 something else", "no delta"),
    ] {
        std::fs::write(&bad, bytes).unwrap();
        let (_, said) = laptop.expect(1, &["delta", "import", &bad]);
        assert!(said.contains(complaint) && said.contains("bad"), "{said}");
    }
    let (_, said) = other.expect(1, &["delta", "import", &delta]);
    assert!(said.contains("another profile"), "{said}");
    laptop.expect(1, &["get", "app.k"]);
    let (_, said) = phone.expect(1, &["delta", "export", &bad, "--since", &delta]);
    assert!(said.contains("uxf delta vector"), "{said}");
    laptop.expect(0, &["delta", "import", &delta]);
    assert_eq!(laptop.expect(0, &["get", "app.k"]).0, "v");
}

#[test]
fn a_revoked_device_is_not_heard_any_more_and_it_takes_a_yes() {
    let phone = Device::new("phone");
    let laptop = Device::of(&phone, "laptop");
    let delta = phone.file("delta");
    phone.expect(0, &["put", "app.k", "before"]);
    phone.expect(0, &["delta", "export", &delta]);
    laptop.expect(0, &["delta", "import", &delta]);
    let devices = laptop.json(&["device", "list"]);
    let devices = devices["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    let lost = devices.iter().find(|one| one["name"] == "phone").unwrap();
    let id = lost["id"].as_str().unwrap();
    let (_, complaint) = laptop.expect(1, &["device", "revoke", id]);
    assert!(complaint.contains("--yes") && complaint.contains("phone"));
    laptop.expect(1, &["device", "revoke", "", "--yes"]);
    laptop.expect(0, &["device", "revoke", id.get(..12).unwrap(), "--yes"]);
    phone.expect(0, &["put", "app.k", "after"]);
    phone.expect(0, &["delta", "export", &delta]);
    let (_, complaint) = laptop.expect(1, &["delta", "import", &delta]);
    assert!(complaint.contains("revoked"), "{complaint}");
    assert_eq!(laptop.expect(0, &["get", "app.k"]).0, "before");
    laptop.expect(1, &["device", "certify", "abc", "--name", "x"]);
    let known = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    laptop.expect(0, &["device", "certify", known, "--name", "tablet"]);
    let (said, _) = laptop.expect(0, &["device", "list"]);
    assert!(said.contains("tablet") && said.contains("revoked") && said.contains("this one"));
}

/// The documents of a command that prints one a line.
fn documents(device: &Device, code: i32, arguments: &[&str]) -> Vec<Value> {
    let (stdout, _) = device.expect(code, &[&["--json"], arguments].concat());
    let lines = stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_watched_directory_gives_each_change_once_whatever_the_order_of_its_files() {
    let phone = Device::new("phone");
    let laptop = Device::of(&phone, "laptop");
    let stick = phone.path("stick");
    std::fs::create_dir(&stick).unwrap();
    let on_stick = |name: &str| stick.join(name).to_str().unwrap().to_owned();
    let watch = ["watch", "app.", "--once", "--from", &on_stick("")];
    assert!(documents(&laptop, 0, &watch).is_empty());

    phone.expect(0, &["put", "app.k", "v"]);
    phone.expect(0, &["put", "other.k", "v"]);
    phone.expect(0, &["delta", "export", &on_stick("2-first")]);
    let vector = phone.file("vector");
    phone.expect(0, &["delta", "vector", &vector]);
    phone.expect(0, &["del", "app.k"]);
    let since = ["delta", "export", &on_stick("1-second"), "--since", &vector];
    phone.expect(0, &since);
    std::fs::write(on_stick("picture"), "no delta").unwrap();
    std::fs::write(on_stick("3.partial"), "UXFD cut").unwrap();

    let found = documents(&laptop, 0, &watch);
    let what: Vec<_> = found
        .iter()
        .map(|one| (&one["what"], &one["key"]))
        .collect();
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(what[0], (&"put".into(), &"app.k".into()));
    assert_eq!(
        (&found[1]["applied"], &found[1]["known"]),
        (&2.into(), &0.into())
    );
    assert_eq!(what[2], (&"delete".into(), &"app.k".into()));
    assert!(found[3]["file"].as_str().unwrap().ends_with("1-second"));
    assert!(documents(&laptop, 0, &watch).is_empty());

    std::fs::write(on_stick("bad"), "UXFD\u{1} cut").unwrap();
    phone.expect(0, &["put", "app.\u{1b}[2J", "v"]);
    phone.expect(0, &["delta", "export", &on_stick("third")]);
    let (said, complaint) = laptop.expect(2, &watch);
    assert!(
        said.contains("phone (") && said.contains("put  app.\\u{1b}[2J"),
        "{said}"
    );
    assert!(
        complaint.contains("bad: ") && complaint.contains("cut off"),
        "{complaint}"
    );
    laptop.expect(1, &["watch", "--once", "--from", &laptop.file("none")]);
}

#[test]
fn a_watch_that_goes_on_sees_a_file_that_comes_later_and_leaves_the_store_free_meanwhile() {
    let phone = Device::new("phone");
    let laptop = Device::of(&phone, "laptop");
    let stick = phone.path("stick");
    std::fs::create_dir(&stick).unwrap();
    let stick = stick.to_str().unwrap();
    phone.expect(0, &["put", "app.first", "v"]);
    phone.expect(0, &["delta", "export", &format!("{stick}/first")]);
    let mut watch = laptop
        .command(&["watch", "--from", stick, "--every", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut wait_for = |what: &str| {
        let found = lines
            .by_ref()
            .find(|line| line.as_ref().unwrap().contains(what));
        assert!(found.is_some(), "{what}");
    };
    wait_for("put  app.first");
    wait_for("1 commits new");
    phone.expect(0, &["put", "app.second", "v"]);
    phone.expect(0, &["delta", "export", &format!("{stick}/second")]);
    wait_for("put  app.second");
    wait_for("1 commits new");
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_eq!(laptop.expect(0, &["get", "app.second"]).0, "v");
}

#[test]
fn compacting_drops_what_no_longer_counts_and_another_device_needs_only_the_rest() {
    let phone = Device::new("phone");
    let laptop = Device::of(&phone, "laptop");
    for value in ["1", "2", "3"] {
        phone.expect(0, &["put", "app.k", value]);
    }
    let done = phone.json(&["compact"]);
    assert_eq!(
        (&done["operations"], &done["liveOperations"]),
        (&3.into(), &1.into())
    );
    let again = phone.json(&["compact"]);
    assert_eq!(
        (&again["operations"], &again["liveOperations"]),
        (&1.into(), &1.into())
    );
    phone.expect(0, &["verify"]);
    let delta = phone.file("delta");
    let exported = phone.json(&["delta", "export", &delta]);
    assert_eq!(
        (&exported["commits"], &exported["checkpoints"]),
        (&0.into(), &1.into())
    );
    laptop.expect(0, &["delta", "import", &delta]);
    assert_eq!(laptop.expect(0, &["get", "app.k"]).0, "3");

    // Without the seed the file is made smaller all the same.
    std::fs::rename(phone.path("store/seed"), phone.path("seed")).unwrap();
    let (said, complaint) = phone.expect(2, &["compact"]);
    assert!(said.contains(" after"), "{said}");
    assert!(
        complaint.contains("left as it is") && complaint.contains("no seed"),
        "{complaint}"
    );
}

#[cfg(feature = "automerge")]
#[test]
fn a_profile_becomes_an_automerge_document_for_its_owner_with_its_signatures_if_asked_for() {
    use uxf_engine::profile::automerge::verify_automerge;

    let phone = Device::new("phone");
    phone.expect(0, &["put", "app.k", "v"]);
    phone.expect(0, &["put", "app.k", "w"]);
    let file = phone.file("document");
    let export = ["export", "--format", "automerge", "--out", &file];
    let (said, _) = phone.expect(0, &export);
    assert!(said.contains("not sealed"), "{said}");
    let state = verify_automerge(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((state.profile, state.commits), (None, 0));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let written = phone.json(&[&export[..], &["--history"]].concat());
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(written["bytes"], bytes.len());
    let history = verify_automerge(&bytes).unwrap();
    assert_eq!((history.commits, history.operations), (2, 2));
    assert!(history.profile.is_some() && history.uncertified.is_empty());
    phone.expect(1, &[&export[..], &["some-token"]].concat());
    phone.expect(1, &["export", "--out", &file, "--history"]);
}
