//! Messages by which oplogs are exchanged.

use core::fmt;

use uxf_engine::oplog::identity::{DeviceId, Epoch, LogId};
use uxf_engine::oplog::{LOGS_MAX, VECTOR_BYTES_MAX, VectorError, VersionVector};

use super::DecodeError;
use super::cursor::{self, Cursor};

/// Most logs that a hello asks to leave out: all of them.
pub const SKIPS_MAX: usize = LOGS_MAX;
/// Most logs whose end a hello asks for again. There is hardly ever one.
pub const AGAIN_MAX: usize = 64;
/// Most rounds of a run that are sent and not acknowledged: one is stored while the next is on its way.
pub const ROUNDS_MAX: u32 = 2;
/// Most bytes of a delta in one message: little enough that other messages need not wait long, much enough that the heads
/// of frames cost nothing.
pub const DELTA_PART_BYTES_MAX: usize = 64 << 10;

pub(super) const LOG_BYTES: usize = 32 + 8;
const PULL: u8 = 1;
const ENDS_ROUND: u8 = 1;
const ENDS_RUN: u8 = 2;

/// A digest of the certificates, revocations and fork proofs that a replica has, by which two see whether they have the
/// same.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct StatementsDigest(pub [u8; 16]);

impl fmt::Debug for StatementsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatementsDigest(..)")
    }
}

/// How far a replica has each log, and whether it wants what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The run of deltas that answers, numbered by who says hello.
    pub run: u32,
    /// Whether a delta is wanted. The next run may begin once this one has ended.
    pub is_pull: bool,
    /// The statements that are known.
    pub statements: StatementsDigest,
    /// Logs that are not to be sent: they come from another peer, or are not taken. Ascending.
    pub skip: Vec<LogId>,
    /// Logs whose end is wanted again, from a sequence number on, because the other side seems to have another one.
    /// Ascending.
    pub again: Vec<(LogId, u64)>,
    /// How far each log is known.
    pub vector: VersionVector,
}

/// A part of a delta.
///
/// A run is one or more rounds, a round is the records of a delta that can be taken in by itself, cut anywhere into parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaPart {
    /// The run, as the hello numbered it.
    pub run: u32,
    /// The round of the run, from zero.
    pub round: u32,
    /// Whether the round ends with this part.
    pub ends_round: bool,
    /// Whether the run ends with this part; then the round does too.
    pub ends_run: bool,
    /// Bytes of the round.
    pub bytes: Vec<u8>,
}

/// A log lacks its beginning where it was asked for: what the history has no more must be found by reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The run in which it was missed.
    pub run: u32,
    /// The log.
    pub log: LogId,
    /// The sequence number that was asked for.
    pub seq: u64,
}

/// How far some logs are known, told without being asked. Only a wake-up: it is not believed until what it names came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The statements that are known.
    pub statements: StatementsDigest,
    /// Logs that moved.
    pub heads: VersionVector,
}

pub(super) const HELLO_BYTES_MAX: usize =
    4 + 1 + 16 + 2 + SKIPS_MAX * LOG_BYTES + 2 + AGAIN_MAX * (LOG_BYTES + 8) + VECTOR_BYTES_MAX;
pub(super) const DELTA_BYTES_MAX: usize = 4 + 4 + 1 + DELTA_PART_BYTES_MAX;
pub(super) const CUT_BYTES: usize = 4 + LOG_BYTES + 8;
pub(super) const ANNOUNCE_BYTES_MAX: usize = 16 + VECTOR_BYTES_MAX;

pub(super) fn write_log(out: &mut Vec<u8>, log: &LogId) {
    out.extend_from_slice(log.device.as_bytes());
    out.extend_from_slice(&log.epoch.as_u64().to_be_bytes());
}

pub(super) fn read_log(cursor: &mut Cursor<'_>) -> Result<LogId, DecodeError> {
    Ok(LogId {
        device: DeviceId::unchecked(cursor.array("32 bytes of a device")?),
        epoch: Epoch::from_u64(cursor.u64("an epoch")?),
    })
}

/// A version vector is the rest of its payload.
fn read_vector(cursor: &mut Cursor<'_>) -> Result<VersionVector, DecodeError> {
    let refused = cursor.malformed("a version vector");
    VersionVector::decode(cursor.rest()).map_err(|error| match error {
        VectorError::TooManyLogs { found, limit } => DecodeError::TooMany {
            what: "logs",
            found,
            limit,
        },
        _ => refused,
    })
}

pub(super) fn write_hello(out: &mut Vec<u8>, hello: &Hello) {
    out.extend_from_slice(&hello.run.to_be_bytes());
    out.push(u8::from(hello.is_pull) * PULL);
    out.extend_from_slice(&hello.statements.0);
    cursor::count(out, hello.skip.len());
    for log in &hello.skip {
        write_log(out, log);
    }
    cursor::count(out, hello.again.len());
    for (log, seq) in &hello.again {
        write_log(out, log);
        out.extend_from_slice(&seq.to_be_bytes());
    }
    out.extend_from_slice(&hello.vector.encode());
}

pub(super) fn read_hello(cursor: &mut Cursor<'_>) -> Result<Hello, DecodeError> {
    let run = cursor.u32("a run")?;
    let is_pull = cursor.flags(PULL)? != 0;
    let statements = StatementsDigest(cursor.array("16 bytes of a digest")?);
    let count = cursor.count("logs to skip", SKIPS_MAX, LOG_BYTES)?;
    let mut skip = Vec::with_capacity(count);
    for _ in 0..count {
        let refused = cursor.malformed("logs in ascending order");
        let log = read_log(cursor)?;
        if skip.last().is_some_and(|last| *last >= log) {
            return Err(refused);
        }
        skip.push(log);
    }
    let count = cursor.count("logs to send again", AGAIN_MAX, LOG_BYTES + 8)?;
    let mut again: Vec<(LogId, u64)> = Vec::with_capacity(count);
    for _ in 0..count {
        let refused = cursor.malformed("logs in ascending order");
        let log = read_log(cursor)?;
        if again.last().is_some_and(|(last, _)| *last >= log) {
            return Err(refused);
        }
        again.push((log, cursor.u64("a sequence number")?));
    }
    Ok(Hello {
        run,
        is_pull,
        statements,
        skip,
        again,
        vector: read_vector(cursor)?,
    })
}

pub(super) fn write_delta(out: &mut Vec<u8>, part: &DeltaPart) {
    out.extend_from_slice(&part.run.to_be_bytes());
    out.extend_from_slice(&part.round.to_be_bytes());
    let round = u8::from(part.ends_round) * ENDS_ROUND;
    let run = u8::from(part.ends_run) * ENDS_RUN;
    out.push(round | run);
    out.extend_from_slice(&part.bytes);
}

pub(super) fn read_delta(cursor: &mut Cursor<'_>) -> Result<DeltaPart, DecodeError> {
    let (run, round) = (cursor.u32("a run")?, cursor.u32("a round")?);
    let refused = cursor.malformed("a run that ends with its last round, or bytes");
    let flags = cursor.flags(ENDS_ROUND | ENDS_RUN)?;
    let (ends_round, ends_run) = (flags & ENDS_ROUND != 0, flags & ENDS_RUN != 0);
    let bytes = cursor.rest();
    // A part without bytes would say nothing unless it ends the round.
    if !ends_round && (ends_run || bytes.is_empty()) {
        return Err(refused);
    }
    Ok(DeltaPart {
        run,
        round,
        ends_round,
        ends_run,
        bytes: bytes.to_vec(),
    })
}

pub(super) fn write_cut(out: &mut Vec<u8>, cut: &Cut) {
    out.extend_from_slice(&cut.run.to_be_bytes());
    write_log(out, &cut.log);
    out.extend_from_slice(&cut.seq.to_be_bytes());
}

pub(super) fn read_cut(cursor: &mut Cursor<'_>) -> Result<Cut, DecodeError> {
    Ok(Cut {
        run: cursor.u32("a run")?,
        log: read_log(cursor)?,
        seq: cursor.u64("a sequence number")?,
    })
}

pub(super) fn write_announce(out: &mut Vec<u8>, announce: &Announce) {
    out.extend_from_slice(&announce.statements.0);
    out.extend_from_slice(&announce.heads.encode());
}

pub(super) fn read_announce(cursor: &mut Cursor<'_>) -> Result<Announce, DecodeError> {
    Ok(Announce {
        statements: StatementsDigest(cursor.array("16 bytes of a digest")?),
        heads: read_vector(cursor)?,
    })
}
