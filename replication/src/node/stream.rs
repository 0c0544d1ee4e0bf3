//! The two ends of a stream: tasks that read and write and know nothing else.

use core::time::Duration;
use std::io;

use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use libp2p::Stream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::host::ConnectionId;

/// Bytes that are read at once. Each open stream has a buffer of so many.
const PIECE_BYTES: usize = 16 << 10;
/// After this time a stream that is to be closed is dropped, whatever has not left.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What comes of a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    Bytes(ConnectionId, Vec<u8>),
    Written(ConnectionId, usize),
    Ended(ConnectionId),
    /// All that was to be written to a stream has left, or never will.
    Finished,
}

/// The node's hold on a stream. Dropping it closes the stream, after what is to be written has left.
#[derive(Debug)]
pub(super) struct StreamEnd {
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    is_paused: watch::Sender<bool>,
}

impl StreamEnd {
    /// Carries a stream.
    pub(super) fn spawn(
        stream: Stream,
        connection: ConnectionId,
        events: mpsc::Sender<StreamEvent>,
    ) -> Self {
        let (read, write) = stream.split();
        // How much may wait here the host decides: it closes a connection of which too much does not leave.
        let (outgoing, to_write) = mpsc::unbounded_channel();
        let (is_paused, paused) = watch::channel(false);
        let writer = events.clone();
        tokio::spawn(async move {
            // However it ended, nothing more comes.
            read_all(read, connection, &events, paused).await.ok();
            events.send(StreamEvent::Ended(connection)).await.ok();
        });
        tokio::spawn(async move {
            if write_all(write, connection, &writer, to_write)
                .await
                .is_err()
            {
                writer.send(StreamEvent::Ended(connection)).await.ok();
            }
            writer.send(StreamEvent::Finished).await.ok();
        });
        Self {
            outgoing,
            is_paused,
        }
    }

    pub(super) fn write(&self, bytes: Vec<u8>) {
        // If the task is gone, the end of the stream is on its way here.
        self.outgoing.send(bytes).ok();
    }

    pub(super) fn pause(&self, is_paused: bool) {
        self.is_paused.send_replace(is_paused);
    }
}

async fn read_all(
    mut stream: ReadHalf<Stream>,
    connection: ConnectionId,
    events: &mpsc::Sender<StreamEvent>,
    mut paused: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut closed = paused.clone();
    loop {
        if paused.wait_for(|is_paused| !is_paused).await.is_err() {
            return Ok(());
        }
        let read = tokio::select! {
            read = stream.read(&mut buffer) => read?,
            () = wait_closed(&mut closed) => return Ok(()),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        // The loop takes one piece after the other; while it is busy nobody reads.
        let event = StreamEvent::Bytes(connection, bytes.to_vec());
        if events.send(event).await.is_err() {
            return Ok(());
        }
    }
}

/// Until the node lets go of the stream.
async fn wait_closed(paused: &mut watch::Receiver<bool>) {
    while paused.changed().await.is_ok() {}
}

async fn write_all(
    mut stream: WriteHalf<Stream>,
    connection: ConnectionId,
    events: &mpsc::Sender<StreamEvent>,
    mut to_write: mpsc::UnboundedReceiver<Vec<u8>>,
) -> io::Result<()> {
    while let Some(bytes) = to_write.recv().await {
        let is_closing = to_write.is_closed();
        let write = stream.write_all(&bytes);
        if is_closing {
            timeout(CLOSE_TIMEOUT, write).await??;
        } else {
            write.await?;
        }
        if to_write.is_empty() {
            stream.flush().await?;
        }
        let event = StreamEvent::Written(connection, bytes.len());
        if events.send(event).await.is_err() {
            break;
        }
    }
    timeout(CLOSE_TIMEOUT, stream.close()).await?
}
