use thiserror::Error;

use super::kind::EntryKind;
use super::origin::{Origin, OriginError};
use crate::cbor::{BYTES, Cursor, Malformed, TEXT, head, text};

/// Largest payload in bytes: 128 KiB. What is larger becomes a block of its own.
pub const PAYLOAD_BYTES_MAX: usize = 131_072;
/// Largest envelope in bytes, checked before anything is read: 256 KiB.
pub const ENVELOPE_BYTES_MAX: usize = 262_144;
/// Earliest time of an entry: 2020-01-01, in milliseconds since 1970.
pub const TIME_MIN_MS: u64 = 1_577_836_800_000;
/// Latest time, 2^53-1: what the reference can hold.
const TIME_MAX_MS: u64 = (1 << 53) - 1;

/// An entry that cannot be trusted to mean anything. Fails closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Larger than an envelope or a payload may be.
    #[error("{what} of {found} bytes, the most is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// Not the canonical bytes of an envelope.
    #[error("no canonical envelope at byte {offset}: {expected} was expected")]
    Malformed {
        /// Where, in bytes.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The kind is none of the fifteen.
    #[error("unknown kind of entry")]
    UnknownKind,
    /// The origin is none of the three.
    #[error("unknown origin of an entry")]
    UnknownOrigin,
    /// The time is before 2020 or beyond what can be written.
    #[error("the time {found} is not from 2020 on, in milliseconds since 1970")]
    TimeOutOfRange {
        /// The time of the entry in milliseconds.
        found: u64,
    },
    /// A row of the time before envelopes, where only an envelope will do.
    #[error("a row without an envelope is not accepted from a peer")]
    Legacy,
}

impl From<Malformed> for EnvelopeError {
    fn from(Malformed { offset, expected }: Malformed) -> Self {
        Self::Malformed { offset, expected }
    }
}

impl EnvelopeError {
    /// The code of the reference.
    pub const fn code(&self) -> &'static str {
        "OpLogEntryCorrupt"
    }
}

/// One entry, its payload borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    kind: EntryKind,
    origin: Origin,
    time_ms: u64,
    payload: &'a [u8],
}

/// What a stored row may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored<'a> {
    /// An entry in its envelope.
    Entry(Envelope<'a>),
    /// A row from before envelopes: a bare CBOR byte string. It reads as a cache index of the system at time zero, is
    /// never written again and never accepted from a peer.
    Legacy {
        /// The bytes in the byte string.
        payload: &'a [u8],
    },
}

impl<'a> Envelope<'a> {
    /// An entry written on this device. Its origin follows from its kind.
    ///
    /// ```
    /// use uxf_engine::profile::envelope::{EntryKind, Envelope, Origin, Stored};
    ///
    /// let entry = Envelope::written_here(EntryKind::TokenSend, 1_700_000_000_000, b"sealed").unwrap();
    /// assert_eq!(entry.origin(), Origin::User);
    /// assert_eq!(Envelope::decode(&entry.encode()), Ok(Stored::Entry(entry)));
    /// ```
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`] and [`EnvelopeError::TimeOutOfRange`].
    pub fn written_here(
        kind: EntryKind,
        time_ms: u64,
        payload: &'a [u8],
    ) -> Result<Self, EnvelopeError> {
        Self::checked(kind, kind.local_origin(), time_ms, payload)
    }

    /// An entry with an origin it claims. Whether the origin goes with the kind is the business of
    /// [`Origin::check_local`] and [`Origin::check_replicated`].
    ///
    /// # Errors
    /// As [`Envelope::written_here`].
    pub fn checked(
        kind: EntryKind,
        origin: Origin,
        time_ms: u64,
        payload: &'a [u8],
    ) -> Result<Self, EnvelopeError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EnvelopeError::TooLarge {
                what: "a payload",
                found: payload.len(),
                limit: PAYLOAD_BYTES_MAX,
            });
        }
        if !(TIME_MIN_MS..=TIME_MAX_MS).contains(&time_ms) {
            return Err(EnvelopeError::TimeOutOfRange { found: time_ms });
        }
        Ok(Self {
            kind,
            origin,
            time_ms,
            payload,
        })
    }

    /// Takes an entry in from a peer: decodes it and marks it replicated, whatever the peer claimed.
    ///
    /// # Errors
    /// Those of [`Envelope::decode`], and [`EnvelopeError::Legacy`].
    pub fn receive(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        match Self::decode(bytes)? {
            Stored::Entry(entry) => Ok(Self {
                origin: Origin::Replicated,
                ..entry
            }),
            Stored::Legacy { .. } => Err(EnvelopeError::Legacy),
        }
    }

    /// What it records.
    pub const fn kind(&self) -> EntryKind {
        self.kind
    }

    /// Who it says it comes from. Only entries written by this process may be believed.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// When it was written, milliseconds since 1970 by the author's clock.
    pub const fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The sealed value.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Its canonical bytes. Keys by length, then bytes: `v`, `ts`, `type`, `payload`, `originated`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + 96);
        out.extend_from_slice(b"\xa5\x61v\x01\x62ts");
        head(&mut out, 0, self.time_ms);
        out.extend_from_slice(b"\x64type");
        text(&mut out, self.kind.as_str());
        out.extend_from_slice(b"\x67payload");
        head(&mut out, BYTES, self.payload.len() as u64);
        out.extend_from_slice(self.payload);
        out.extend_from_slice(b"\x6aoriginated");
        text(&mut out, self.origin.as_str());
        out
    }

    /// Reads a stored row strictly.
    ///
    /// # Errors
    /// All of [`EnvelopeError`] but `Legacy`.
    pub fn decode(bytes: &'a [u8]) -> Result<Stored<'a>, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLarge {
                what: "an envelope",
                found: bytes.len(),
                limit: ENVELOPE_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        if bytes.first().is_some_and(|first| first & 0xe0 == BYTES) {
            let payload = cursor.string(BYTES, "a byte string")?;
            cursor.end()?;
            return Ok(Stored::Legacy { payload });
        }
        cursor.literal(b"\xa5", "a map of five fields")?;
        cursor.literal(b"\x61v\x01", "v with the value 1")?;
        cursor.literal(b"\x62ts", "ts")?;
        let time_ms = cursor.head(0, "an unsigned integer")?;
        cursor.literal(b"\x64type", "type")?;
        let kind = cursor.string(TEXT, "text")?;
        cursor.literal(b"\x67payload", "payload")?;
        let payload = cursor.string(BYTES, "a byte string")?;
        cursor.literal(b"\x6aoriginated", "originated")?;
        let origin = cursor.string(TEXT, "text")?;
        cursor.end()?;
        let kind = core::str::from_utf8(kind).ok().and_then(EntryKind::parse);
        let kind = kind.ok_or(EnvelopeError::UnknownKind)?;
        let origin = core::str::from_utf8(origin).map_err(|_| OriginError::Unknown);
        let origin = origin
            .and_then(Origin::parse)
            .map_err(|_| EnvelopeError::UnknownOrigin)?;
        Self::checked(kind, origin, time_ms, payload).map(Stored::Entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let entry = Envelope::written_here(EntryKind::CacheIndex, TIME_MIN_MS, b"payload");
        entry.unwrap().encode()
    }

    #[test]
    fn no_single_changed_byte_decodes_to_the_same_entry() {
        let bytes = sample();
        let whole = Envelope::decode(&bytes).unwrap();
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                if value != bytes[at] {
                    assert_ne!(Envelope::decode(&changed), Ok(whole));
                }
            }
            assert!(Envelope::decode(&bytes[..at]).is_err());
        }
    }

    #[test]
    fn an_entry_of_a_peer_is_replicated_whatever_it_says() {
        for origin in [Origin::User, Origin::System, Origin::Replicated] {
            let entry = Envelope::checked(EntryKind::TokenSend, origin, TIME_MIN_MS, b"x").unwrap();
            assert_eq!(
                Envelope::receive(&entry.encode()).unwrap().origin(),
                Origin::Replicated
            );
        }
        assert_eq!(Envelope::receive(b"\x41x"), Err(EnvelopeError::Legacy));
    }

    #[test]
    fn sizes_are_refused_before_anything_is_read() {
        let huge = vec![0xa5; ENVELOPE_BYTES_MAX + 1];
        assert!(matches!(
            Envelope::decode(&huge),
            Err(EnvelopeError::TooLarge {
                what: "an envelope",
                ..
            })
        ));
        let payload = vec![0; PAYLOAD_BYTES_MAX + 1];
        assert!(matches!(
            Envelope::written_here(EntryKind::DmSend, TIME_MIN_MS, &payload),
            Err(EnvelopeError::TooLarge {
                what: "a payload",
                ..
            })
        ));
        // A string that claims more than there is must not be believed.
        let claims = b"\xa5\x61v\x01\x62ts\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x64type\x7b\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(matches!(
            Envelope::decode(claims),
            Err(EnvelopeError::Malformed { .. })
        ));
    }

    #[test]
    fn lengths_and_numbers_in_more_bytes_than_needed_are_refused() {
        let bytes = sample();
        let longer = |short: &[u8], long: &[u8]| {
            let at = bytes
                .windows(short.len())
                .position(|window| window == short)
                .unwrap();
            [&bytes[..at], long, &bytes[at + short.len()..]].concat()
        };
        for changed in [
            longer(b"payload\x47", b"payload\x58\x07"),
            longer(b"payload\x47", b"payload\x59\x00\x07"),
            longer(b"originated\x66", b"originated\x78\x06"),
            longer(b"type\x6b", b"type\x7b\x00\x00\x00\x00\x00\x00\x00\x0b"),
        ] {
            assert!(matches!(
                Envelope::decode(&changed),
                Err(EnvelopeError::Malformed { .. })
            ));
        }
        assert!(matches!(
            Envelope::decode(b"\x58\x01x"),
            Err(EnvelopeError::Malformed { .. })
        ));
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..80, value: u8) {
            let mut near = sample();
            if let Some(byte) = near.get_mut(at) {
                *byte = value;
            }
            for bytes in [bytes, near] {
                if let Ok(Stored::Entry(entry)) = Envelope::decode(&bytes) {
                    prop_assert_eq!(entry.encode(), bytes);
                }
            }
        }

        #[test]
        fn every_entry_comes_back(kind in 0_usize..15, time in TIME_MIN_MS..=TIME_MAX_MS, payload in proptest::collection::vec(any::<u8>(), 0..400)) {
            let entry = Envelope::written_here(EntryKind::ALL[kind], time, &payload).unwrap();
            let bytes = entry.encode();
            prop_assert_eq!(Envelope::decode(&bytes), Ok(Stored::Entry(entry)));
        }
    }
}
