//! A bare stream of libp2p: TCP, noise and yamux as our nodes have them, one thread at each end.

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use futures_util::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};

use crate::Outcome;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/uxf/bench/raw/1");
const PIECE: usize = 64 << 10;

/// Seconds from the first of so many bytes until the reader has said that it has the last.
pub(super) fn seconds(bytes: u64) -> Outcome<f64> {
    run(usize::try_from(bytes)?, 1)
}

/// Milliseconds that so many bytes take one way: half of what they take there and back, many times.
pub(super) fn one_way_millis(bytes: usize, times: usize) -> Outcome<f64> {
    Ok(run(bytes, times)? / times as f64 / 2.0 * 1e3)
}

/// Writes so many bytes and waits for an answer (as long, if it is done more than once), so many times.
fn run(bytes: usize, times: usize) -> Outcome<f64> {
    let answer = if times > 1 { bytes } else { 1 };
    let (said, is_at) = mpsc::channel();
    let reader = thread::spawn(move || -> Outcome<()> {
        runtime()?.block_on(async {
            let mut swarm = swarm()?;
            let mut control = swarm.behaviour().new_control();
            let mut incoming = control.accept(PROTOCOL)?;
            swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
            let work = async {
                let (_, mut stream) = incoming.next().await.ok_or("nobody came")?;
                let mut buffer = vec![0; PIECE];
                for _ in 0..times {
                    let mut left = bytes;
                    while left > 0 {
                        let most = left.min(PIECE);
                        let part = buffer.get_mut(..most).unwrap_or_default();
                        let read = stream.read(part).await?;
                        left = left.checked_sub(read.max(1)).ok_or("it ended early")?;
                    }
                    stream
                        .write_all(buffer.get(..answer.min(PIECE)).unwrap_or_default())
                        .await?;
                    stream.flush().await?;
                }
                // Until the other side has what was written.
                stream.read(&mut buffer).await.unwrap_or_default();
                Outcome::Ok(())
            };
            let drive = async {
                loop {
                    if let SwarmEvent::NewListenAddr { address, .. } =
                        swarm.select_next_some().await
                    {
                        let peer = *swarm.local_peer_id();
                        said.send((address, peer)).unwrap_or_default();
                    }
                }
            };
            tokio::select! { done = work => done, () = drive => Ok(()) }
        })
    });
    let (address, peer) = is_at.recv()?;
    let seconds = runtime()?.block_on(write(address, peer, bytes, times, answer))?;
    reader.join().map_err(|_| "the reader panicked")??;
    Ok(seconds)
}

async fn write(
    address: Multiaddr,
    peer: libp2p::PeerId,
    bytes: usize,
    times: usize,
    answer: usize,
) -> Outcome<f64> {
    let mut swarm = swarm()?;
    let mut control = swarm.behaviour().new_control();
    swarm.dial(address)?;
    let work = async {
        let mut stream = control.open_stream(peer, PROTOCOL).await?;
        let (piece, mut answered) = (vec![7; PIECE], vec![0; answer.min(PIECE)]);
        let start = Instant::now();
        for _ in 0..times {
            let mut left = bytes;
            while left > 0 {
                let part = piece.get(..left.min(PIECE)).unwrap_or_default();
                stream.write_all(part).await?;
                left -= part.len();
            }
            stream.flush().await?;
            stream.read_exact(&mut answered).await?;
        }
        let seconds = start.elapsed().as_secs_f64();
        stream.close().await?;
        Outcome::Ok(seconds)
    };
    let connected = async {
        // A stream can be asked for once there is a connection.
        while !swarm.is_connected(&peer) {
            swarm.select_next_some().await;
        }
    };
    connected.await;
    let drive = async {
        loop {
            swarm.select_next_some().await;
        }
    };
    tokio::select! { done = work => done, () = drive => Err("it does not end".into()) }
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

fn swarm() -> Outcome<Swarm<libp2p_stream::Behaviour>> {
    let config = tcp::Config::default().nodelay(true);
    let builder = SwarmBuilder::with_new_identity().with_tokio();
    let builder = builder.with_tcp(config, noise::Config::new, yamux::Config::default)?;
    let builder = builder.with_behaviour(|_| libp2p_stream::Behaviour::new())?;
    Ok(builder
        .with_swarm_config(|config| {
            config.with_idle_connection_timeout(std::time::Duration::from_secs(60))
        })
        .build())
}
