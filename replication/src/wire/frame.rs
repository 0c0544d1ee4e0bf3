use super::{DecodeError, Message, MessageKind};

/// Length, session and kind.
const HEAD_BYTES: usize = 4 + 2 + 1;
/// What of a head is counted by its length.
const COUNTED_BYTES: u32 = 2 + 1;
/// Longest frame, in bytes: that of blocks at their longest. A connection buffers no more than one.
pub const FRAME_BYTES_MAX: usize = {
    let mut most = 0;
    let mut at = 0;
    while at < MessageKind::ALL.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "the loop ends before the array does"
        )]
        let payload = MessageKind::ALL[at].payload_bytes_max();
        if payload > most {
            most = payload;
        }
        at += 1;
    }
    HEAD_BYTES + most
};

const _: () = assert!(FRAME_BYTES_MAX < 2 << 20);

/// A session of a connection, as its opener numbered it: who dialled takes even numbers, the other odd ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u16);

/// A message and the session it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The session.
    pub session: SessionId,
    /// The message.
    pub message: Message,
}

impl Frame {
    /// Appends the frame.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.session.0.to_be_bytes());
        out.push(self.message.kind().number());
        self.message.encode_into(out);
        let len = out.len().saturating_sub(start).saturating_sub(4);
        let len = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
        let place = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<4>);
        if let Some(place) = place {
            *place = len;
        }
    }

    /// The bytes of the frame.
    ///
    /// ```
    /// use uxf_replication::wire::{CloseReason, Frame, FrameReader, Message, SessionId};
    ///
    /// let frame = Frame { session: SessionId(2), message: Message::Close(CloseReason::Done) };
    /// let bytes = frame.encode();
    /// assert_eq!(bytes, [0, 0, 0, 4, 0, 2, 6, 1]);
    ///
    /// let (mut reader, mut rest) = (FrameReader::new(), &bytes[..]);
    /// assert_eq!(reader.next(&mut rest), Ok(Some(frame)));
    /// assert_eq!(reader.next(&mut rest), Ok(None));
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }
}

/// Takes frames out of a stream that comes in pieces. Keeps at most one frame, and grows with what comes, not with what
/// was promised.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    is_broken: bool,
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of a frame that is not whole yet.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the next frame from the front of what came. `None` once all of that is used up.
    ///
    /// # Errors
    /// All of [`DecodeError`], the same again after the first: what follows an error cannot be told apart.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, DecodeError> {
        if self.is_broken {
            return Err(DecodeError::Malformed {
                offset: 0,
                expected: "nothing after an error",
            });
        }
        let read = self.read(input);
        self.is_broken = read.is_err();
        read
    }

    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, DecodeError> {
        self.fill(input, HEAD_BYTES);
        let Some((len, session, number)) = split_head(&self.buffer) else {
            return Ok(None);
        };
        let found = u32::from_be_bytes(len);
        let session = SessionId(u16::from_be_bytes(session));
        let kind = MessageKind::of(number).ok_or(DecodeError::UnknownKind { found: number })?;
        let len = found
            .checked_sub(COUNTED_BYTES)
            .ok_or(DecodeError::Malformed {
                offset: 0,
                expected: "a length that counts session and kind",
            })?;
        let limit = kind.payload_bytes_max();
        let len = usize::try_from(len).ok().filter(|len| *len <= limit);
        let len = len.ok_or(DecodeError::TooLong {
            what: kind.name(),
            found: u64::from(found),
            limit,
        })?;
        self.fill(input, HEAD_BYTES + len);
        let payload = self.buffer.get(HEAD_BYTES..HEAD_BYTES + len);
        let Some(payload) = payload else {
            return Ok(None);
        };
        let message = Message::decode(kind, payload)?;
        self.buffer.clear();
        // A long frame is rare; what it took is not kept for the next one.
        self.buffer.shrink_to(64 << 10);
        Ok(Some(Frame { session, message }))
    }

    /// Moves input to the buffer until that has so many bytes.
    fn fill(&mut self, input: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.buffer.len()).min(input.len());
        let (taken, rest) = input.split_at(missing);
        self.buffer.extend_from_slice(taken);
        *input = rest;
    }
}

/// Length, session and kind of a frame, if they are there.
fn split_head(bytes: &[u8]) -> Option<([u8; 4], [u8; 2], u8)> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (session, rest) = rest.split_first_chunk()?;
    Some((*len, *session, *rest.first()?))
}
