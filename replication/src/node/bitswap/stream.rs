//! The two ends of bitswap: peers write on streams they open, this node on one that it opens.

use core::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::Control;
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};

use crate::Peer;
use crate::bitswap::{MESSAGE_BYTES_MAX, Message, MessageReader, PROTOCOL};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 16 << 10;
/// Longest message of a peer that was asked for nothing: a list of wants.
const WANTS_BYTES_MAX: usize = 512 << 10;
/// Longest silence on a stream before it is dropped. Who has more to say opens another one.
const SILENCE: Duration = Duration::from_secs(120);
/// Longest time that opening a stream or writing a message takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// A stream without anything to write is closed after so long: others close theirs as well, and what is written into one
/// that the other side is about to close is lost.
const KEEP: Duration = Duration::from_secs(3);

/// What comes of streams.
#[derive(Debug)]
pub(super) enum Streamed {
    Message(Peer, Message),
    /// A message to a peer was written.
    Written(Peer),
    /// One of a peer's streams ended.
    Ended(Peer),
    /// No more can be written to a peer.
    Failed(Peer, io::Error),
}

/// Reads the messages of one stream.
pub(super) async fn read_all(
    mut stream: Stream,
    peer: Peer,
    is_asked: &AtomicBool,
    streamed: &mpsc::Sender<Streamed>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut reader = MessageReader::new();
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let read = timeout(SILENCE, stream.read(&mut buffer)).await??;
        let mut bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        reader.limit(if is_asked.load(Ordering::Relaxed) {
            MESSAGE_BYTES_MAX
        } else {
            WANTS_BYTES_MAX
        });
        while let Some(message) = reader.next(&mut bytes)? {
            // One message after the other: while the task is busy nobody reads.
            if streamed
                .send(Streamed::Message(peer, message))
                .await
                .is_err()
            {
                return Ok(());
            }
        }
    }
}

/// Writes messages to a peer, on a stream that is opened when there is something to write.
pub(super) async fn write_all(
    mut control: Control,
    (peer, id): (Peer, PeerId),
    mut to_write: mpsc::UnboundedReceiver<Message>,
    streamed: mpsc::Sender<Streamed>,
) {
    let mut open = None;
    loop {
        let next = match &mut open {
            None => Ok(to_write.recv().await),
            Some(_) => timeout(KEEP, to_write.recv()).await,
        };
        let message = match next {
            Ok(Some(message)) => message.encode_framed(),
            Ok(None) => return,
            Err(_) => {
                open = None;
                continue;
            }
        };
        if let Err(error) = write(&mut control, &mut open, id, &message).await {
            streamed.send(Streamed::Failed(peer, error)).await.ok();
            return;
        }
        if streamed.send(Streamed::Written(peer)).await.is_err() {
            return;
        }
    }
}

/// Writes a message, on a new stream if there is none or the old one is broken.
async fn write(
    control: &mut Control,
    open: &mut Option<Stream>,
    id: PeerId,
    message: &[u8],
) -> io::Result<()> {
    if let Some(stream) = open
        && put(stream, message).await.is_ok()
    {
        return Ok(());
    }
    let stream = control.open_stream(id, StreamProtocol::new(PROTOCOL));
    let stream = timeout(PATIENCE, stream).await?.map_err(io::Error::other)?;
    put(open.insert(stream), message).await
}

async fn put(stream: &mut Stream, message: &[u8]) -> io::Result<()> {
    timeout(PATIENCE, stream.write_all(message)).await??;
    timeout(PATIENCE, stream.flush()).await?
}
