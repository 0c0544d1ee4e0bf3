//! A proxy that does harm to the first connections that go through it.

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use uxf_testkit::Rng;

use crate::Outcome;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Harm {
    /// The connection ends after so many bytes.
    Cut(u64),
    /// So few bytes at once, with a pause behind each.
    Slow(usize),
    /// The byte at a place is another one.
    Corrupt(u64),
}

impl Harm {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.below(3) {
            0 => Self::Cut(rng.below(60_000)),
            1 => Self::Slow(200 + rng.index(3_000)),
            _ => Self::Corrupt(rng.below(60_000)),
        }
    }
}

pub(crate) struct Proxy {
    pub(crate) address: String,
    is_healed: Arc<AtomicBool>,
}

impl Proxy {
    /// One in front of an address, as nodes write it.
    pub(crate) fn start(address: &str, harm: Harm) -> Outcome<Self> {
        let mut parts = address.split('/').skip(4);
        let port: u16 = parts.next().ok_or("no port")?.parse()?;
        let peer = parts.nth(1).ok_or("no peer")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let own = listener.local_addr()?.port();
        let is_healed = Arc::new(AtomicBool::new(false));
        let healed = Arc::clone(&is_healed);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let harm = (!healed.load(Ordering::Relaxed)).then_some(harm);
                let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                if let Ok(target) = TcpStream::connect(to) {
                    carry(stream, target, harm).ok();
                }
            }
        });
        Ok(Self {
            address: format!("/ip4/127.0.0.1/tcp/{own}/p2p/{peer}"),
            is_healed,
        })
    }

    /// Later connections come to no harm.
    pub(crate) fn heal(&self) {
        self.is_healed.store(true, Ordering::Relaxed);
    }
}

fn carry(one: TcpStream, other: TcpStream, harm: Option<Harm>) -> std::io::Result<()> {
    let (from, to) = (one.try_clone()?, other.try_clone()?);
    std::thread::spawn(move || pass(&from, &to, harm));
    std::thread::spawn(move || pass(&other, &one, harm));
    Ok(())
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, harm: Option<Harm>) {
    let (mut buffer, mut passed) = (vec![0; 16 << 10], 0_u64);
    // Nobody ever sends: to wait for it is a pause.
    let (_never, pause) = mpsc::channel::<()>();
    loop {
        let most = match harm {
            Some(Harm::Slow(bytes)) => bytes,
            _ => buffer.len(),
        };
        let Some(read) = buffer.get_mut(..most).and_then(|part| from.read(part).ok()) else {
            break;
        };
        let Some(bytes) = buffer.get_mut(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        let until = passed + bytes.len() as u64;
        match harm {
            Some(Harm::Cut(at)) if until > at => break,
            Some(Harm::Corrupt(at)) if (passed..until).contains(&at) => {
                let place = usize::try_from(at - passed).unwrap_or_default();
                bytes
                    .iter_mut()
                    .skip(place)
                    .take(1)
                    .for_each(|byte| *byte ^= 0x55);
            }
            Some(Harm::Slow(_)) => {
                pause
                    .recv_timeout(Duration::from_millis(1))
                    .unwrap_or_default();
            }
            _ => {}
        }
        passed = until;
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    // Both ends, for a half is of no use to anybody.
    for end in [from, to] {
        end.shutdown(Shutdown::Both).ok();
    }
}
