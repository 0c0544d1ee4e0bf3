//! What is said at the most talkative: never a secret, a value or the name of a key.
#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

use core::time::Duration;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Engine, EngineOptions};
use uxf_replication::node::Node;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'l> MakeWriter<'l> for Log {
    type Writer = Self;

    fn make_writer(&'l self) -> Self {
        self.clone()
    }
}

const SEED: [u8; 32] = *b"the seed that nobody may see \x01\x02\x03";
const IDENTITY: [u8; 32] = *b"the key of a node, not seen \x01\x02\x03\x04";
const KEY: &str = "app.confidential-name";
const VALUE: &[u8] = b"confidential-value";

fn profile(device: &str) -> Profile {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let secret = WalletSecret::take(&mut { SEED });
    engine.profile(&secret, device).unwrap()
}

#[test]
fn no_secret_value_or_key_name_is_in_the_log_of_two_nodes_and_a_stranger() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();
    let (phone, desk) = (profile("phone"), profile("desk"));
    phone.put(KEY, VALUE).unwrap();
    desk.put("app.confidential-other", VALUE).unwrap();
    let longest = Duration::from_secs(60);
    let node = Node::builder()
        .serve(desk.clone())
        .identity(IDENTITY)
        .listen("/ip4/127.0.0.1/tcp/0".parse().unwrap())
        .spawn()
        .unwrap();
    let address = node.addresses().unwrap().remove(0);
    let other = Node::builder().serve(phone.clone()).spawn().unwrap();
    other.sync_once(&address, longest).unwrap();
    phone.delete(KEY).unwrap();
    other.sync_once(&address, longest).unwrap();
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let secret = WalletSecret::take(&mut [9; 32]);
    let stranger = engine.profile(&secret, "stranger").unwrap();
    let stranger = Node::builder().serve(stranger).spawn().unwrap();
    stranger.sync_once(&address, longest).unwrap_err();
    stranger.shut_down();
    other.shut_down();
    node.shut_down();

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    // It was the most talkative indeed, and has what somebody who looks for a fault needs.
    for said in [
        "TRACE",
        "a session is open",
        "a session was refused",
        "listening",
    ] {
        assert!(log.contains(said), "{said} was not said");
    }
    let debug = |bytes: &[u8]| {
        let list = format!("{bytes:?}");
        list.trim_matches(['[', ']']).to_owned()
    };
    let hex = |bytes: &[u8]| {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        digits.collect::<String>()
    };
    for secret in [&SEED[..], &IDENTITY, VALUE, KEY.as_bytes(), b"confidential"] {
        let plain = String::from_utf8_lossy(secret).into_owned();
        for form in [plain, debug(secret), hex(secret)] {
            assert!(!log.contains(&form), "the log has {form}");
        }
    }
}
