use super::message::{MESSAGE_BYTES_MAX, Message, MessageError};

/// Most bytes of the length before a message.
const LENGTH_BYTES_MAX: usize = 4;

/// Messages of one stream, each behind its length, from bytes in pieces of any size.
///
/// No more is kept than one message that is not whole, and for that no more is allocated than came.
#[derive(Debug)]
pub struct MessageReader {
    /// Longest message that is read.
    bytes_max: usize,
    length: Vec<u8>,
    /// How long the message is that is being read.
    wanted: Option<usize>,
    body: Vec<u8>,
}

impl Default for MessageReader {
    fn default() -> Self {
        Self::new()
    }
}

impl MessageReader {
    /// One at the start of a stream.
    pub const fn new() -> Self {
        Self {
            bytes_max: MESSAGE_BYTES_MAX,
            length: Vec::new(),
            wanted: None,
            body: Vec::new(),
        }
    }

    /// Refuses messages that are longer than so many bytes from now on: whoever gives no blocks needs no room for them.
    pub fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max.min(MESSAGE_BYTES_MAX);
    }

    /// Takes bytes from the front until a message is whole, which it gives, or there are no more.
    ///
    /// # Errors
    /// All of [`MessageError`]. Then nothing can be read of the stream any more.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, MessageError> {
        loop {
            let Some(wanted) = self.wanted else {
                let Some((byte, rest)) = bytes.split_first() else {
                    return Ok(None);
                };
                *bytes = rest;
                self.length.push(*byte);
                self.wanted = self.read_length()?;
                continue;
            };
            let missing = wanted.saturating_sub(self.body.len());
            let (piece, rest) = bytes.split_at(missing.min(bytes.len()));
            self.body.extend_from_slice(piece);
            *bytes = rest;
            if self.body.len() < wanted {
                return Ok(None);
            }
            let message = Message::decode(&self.body)?;
            // A long message does not keep its room for all later ones.
            self.body = Vec::new();
            self.wanted = None;
            return Ok(Some(message));
        }
    }

    /// The length, if all of it is there.
    fn read_length(&mut self) -> Result<Option<usize>, MessageError> {
        if self.length.last().is_some_and(|byte| byte & 0x80 != 0) {
            if self.length.len() >= LENGTH_BYTES_MAX {
                return Err(MessageError::NumberTooLarge);
            }
            return Ok(None);
        }
        let found = super::protobuf::varint(&mut self.length.as_slice())?;
        self.length.clear();
        match usize::try_from(found) {
            Ok(len) if len <= self.bytes_max => Ok(Some(len)),
            _ => Err(MessageError::TooLong {
                found,
                limit: self.bytes_max,
            }),
        }
    }
}
