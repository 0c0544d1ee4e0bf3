//! What peers send on a stream.

use uxf_replication::bitswap::{Message, MessageReader};
use uxf_replication::wire::{Frame, FrameReader, Message as WireMessage, Open};

use super::{Verdict, ensure, must};

/// Frames of this protocol are read the same whole and byte by byte, and each is the one encoding of what it says.
pub(super) fn check_frames(bytes: &[u8]) -> Verdict {
    let mut rest = bytes;
    let mut reader = FrameReader::new();
    let mut slow = Pieces::of(bytes);
    let mut slow_reader = FrameReader::new();
    loop {
        let before = rest;
        let read = reader.next(&mut rest);
        let read_slowly = slow.next(|piece| slow_reader.next(piece));
        ensure(read == read_slowly, || {
            "the same bytes read as two streams of frames".to_owned()
        })?;
        let Ok(Some(frame)) = read else {
            return Ok(());
        };
        ensure(is_encoding_of(&frame, before), || {
            "a frame has two encodings".to_owned()
        })?;
        ensure(reader.buffered_bytes() == 0, || {
            "a frame that was given is kept".to_owned()
        })?;
    }
}

/// Whether bytes begin with the one encoding of a frame. Of an open that speaks none of our versions only these are read, whatever
/// a later version has behind them, so that the length differs from what is written.
fn is_encoding_of(frame: &Frame, bytes: &[u8]) -> bool {
    let encoding = frame.encode();
    let is_foreign = matches!(frame.message, WireMessage::Open(Open { body: None, .. }));
    let skipped = if is_foreign { 4 } else { 0 };
    match (bytes.get(skipped..), encoding.get(skipped..)) {
        (Some(bytes), Some(encoding)) => bytes.starts_with(encoding),
        _ => false,
    }
}

/// Messages of bitswap are read the same whole and byte by byte, and read as the same once they are written again.
pub(super) fn check_bitswap(bytes: &[u8]) -> Verdict {
    let mut rest = bytes;
    let mut reader = MessageReader::new();
    let mut slow = Pieces::of(bytes);
    let mut slow_reader = MessageReader::new();
    loop {
        let read = reader.next(&mut rest);
        let read_slowly = slow.next(|piece| slow_reader.next(piece));
        ensure(read == read_slowly, || {
            "the same bytes read as two streams of messages".to_owned()
        })?;
        let Ok(Some(message)) = read else {
            return Ok(());
        };
        let written = message.encode();
        let again = must("a message that was written", Message::decode(&written))?;
        ensure(again == message, || {
            "a message changes by being written".to_owned()
        })?;
    }
}

/// A stream of which one byte comes at a time.
struct Pieces<'a> {
    all: core::slice::Chunks<'a, u8>,
    piece: &'a [u8],
}

impl<'a> Pieces<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let mut all = bytes.chunks(1);
        let piece = all.next().unwrap_or_default();
        Self { all, piece }
    }

    /// The next thing that is read, however many pieces that takes.
    fn next<T, E>(
        &mut self,
        mut read: impl FnMut(&mut &'a [u8]) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        loop {
            match read(&mut self.piece)? {
                Some(found) => return Ok(Some(found)),
                None => match self.all.next() {
                    Some(piece) => self.piece = piece,
                    None => return Ok(None),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cid::Cid;
    use uxf_replication::bitswap::{Payload, Presence, Want, WantKind};
    use uxf_replication::wire::{CloseReason, SessionId, Versions};

    fn holds_with_any_bit_changed(bytes: &[u8], check: fn(&[u8]) -> Verdict) {
        assert_eq!(check(bytes), Ok(()));
        for at in 0..bytes.len() {
            assert_eq!(check(&bytes[..at]), Ok(()));
            for bit in 0..8 {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1 << bit;
                assert_eq!(check(&changed), Ok(()), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn the_property_holds_for_frames_with_any_bit_changed_or_cut_off_anywhere() {
        let close = |session, reason| Frame {
            session: SessionId(session),
            message: WireMessage::Close(reason),
        };
        let versions = Versions {
            lowest: 6,
            highest: 9,
        };
        let frames = [
            close(0, CloseReason::Done),
            Frame {
                session: SessionId(4),
                message: WireMessage::Open(Open {
                    versions,
                    body: None,
                }),
            },
            close(7, CloseReason::ShuttingDown),
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        holds_with_any_bit_changed(&bytes, check_frames);
    }

    #[test]
    fn the_property_holds_for_messages_with_any_bit_changed_or_cut_off_anywhere() {
        let id = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        let cid = Cid::try_from(id).unwrap();
        let wants = vec![Want {
            cid,
            kind: WantKind::Have,
            is_cancel: false,
            send_dont_have: true,
        }];
        let message = Message {
            wants,
            is_full: true,
            blocks: vec![Payload {
                cid,
                bytes: Vec::new(),
            }],
            presences: vec![Presence {
                cid,
                is_here: false,
            }],
        };
        let bytes = [message.encode_framed(), message.encode_framed()].concat();
        holds_with_any_bit_changed(&bytes, check_bitswap);
    }
}
