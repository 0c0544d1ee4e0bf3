//! A host that is always there for the devices of several wallets, which need not be there at the same time. It is a device of each of
//! them, in one store; none of them sees anything of another one.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use core::time::Duration;

use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Engine, EngineOptions};
use uxf_replication::node::{Multiaddr, Node, NodeEvent};

const LONGEST: Duration = Duration::from_secs(60);
const WALLETS: u8 = 3;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let store = Engine::in_memory(EngineOptions::new())?;
    let mut builder = Node::builder()
        .listen("/ip4/127.0.0.1/tcp/0".parse()?)
        // The same identity after every start, so that devices find it at the same address.
        .identity([42; 32]);
    for wallet in 1..=WALLETS {
        builder = builder.serve(store.profile(&seed(wallet), "host")?);
    }
    let host = builder.spawn()?;
    let mut events = host.events()?;
    let address = host.addresses()?.into_iter().next();
    let address = address.ok_or("it listens nowhere")?;
    println!("the host is at {address}");

    for wallet in 1..=WALLETS {
        // A phone writes, is switched off, and a laptop of the same wallet finds it at the host.
        let phone = device(wallet, "phone")?;
        phone.put("app.note", format!("of wallet {wallet}").as_bytes())?;
        visit(&phone, &address)?;
        drop(phone);
        let laptop = device(wallet, "laptop")?;
        visit(&laptop, &address)?;
        let note = laptop.get("app.note")?.ok_or("the note did not come")?;
        assert_eq!(note.as_bytes(), format!("of wallet {wallet}").as_bytes());
        println!("wallet {wallet}: the laptop has what the phone wrote");
    }

    let mut sessions = 0;
    while let Some(event) = events.try_next() {
        sessions += usize::from(matches!(event, NodeEvent::Opened { .. }));
    }
    assert_eq!(sessions, 2 * usize::from(WALLETS));
    let metrics = host.status()?.metrics;
    println!(
        "{sessions} sessions, {} bytes in, {} bytes out, {} bans",
        metrics.received_bytes_total, metrics.host.sent_bytes_total, metrics.host.bans_total
    );
    host.shut_down();
    Ok(())
}

fn seed(wallet: u8) -> WalletSecret {
    WalletSecret::take(&mut [wallet; 32])
}

fn device(wallet: u8, name: &str) -> Result<Profile, uxf_engine::Error> {
    Engine::in_memory(EngineOptions::new())?.profile(&seed(wallet), name)
}

fn visit(profile: &Profile, host: &Multiaddr) -> Result<(), Box<dyn core::error::Error>> {
    let node = Node::builder().serve(profile.clone()).spawn()?;
    node.sync_once(host, LONGEST)?;
    node.shut_down();
    Ok(())
}
