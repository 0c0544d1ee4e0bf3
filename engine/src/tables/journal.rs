use crate::elements::count::Count;
use crate::error::Error;
use crate::tables::state::State;
use crate::tables::varint;

/// Encodes a row of `journal-1`: the state, then (difference to the previous sequence number, count) for each change
/// in ascending order.
pub(crate) fn encode(state: &State, changes: impl Iterator<Item = (u64, Count)>) -> Vec<u8> {
    let mut row = Vec::with_capacity(super::state::STATE_LEN + 64);
    state.encode(&mut row);
    let mut previous = 0;
    for (seq, count) in changes {
        varint::write(&mut row, seq.wrapping_sub(previous));
        varint::write(&mut row, count.to_code());
        previous = seq;
    }
    row
}

/// Reads a row back, handing each change to `visit`.
pub(crate) fn decode(
    number: u64,
    row: &[u8],
    mut visit: impl FnMut(u64, Count) -> Result<(), Error>,
) -> Result<State, Error> {
    let (state, mut rest) = State::decode("journal-1", row)?;
    let damaged = || Error::corrupted("journal-1", number, "a change that cannot be read");
    let mut seq = 0_u64;
    while !rest.is_empty() {
        let step = varint::read(&mut rest).ok_or_else(damaged)?;
        seq = seq.checked_add(step).ok_or_else(damaged)?;
        let code = varint::read(&mut rest).ok_or_else(damaged)?;
        let count = Count::from_code(code).ok_or_else(damaged)?;
        if seq >= state.next_seq {
            return Err(damaged());
        }
        visit(seq, count)?;
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_in_order_and_truncation_is_noticed() {
        let state = State {
            next_seq: 1_000_000,
            ..State::default()
        };
        let changes = [
            (0, Count::Released),
            (3, Count::Held(7)),
            (900_000, Count::Absent),
            (900_001, Count::Held(u32::MAX)),
        ];
        let row = encode(&state, changes.into_iter());
        let mut back = Vec::new();
        let read = decode(1, &row, |seq, count| {
            back.push((seq, count));
            Ok(())
        });
        assert_eq!(read.unwrap(), state);
        assert_eq!(back, changes);
        assert!(decode(1, &row[..row.len() - 1], |_, _| Ok(())).is_err());
    }

    #[test]
    fn a_change_of_a_block_that_was_never_written_is_damage() {
        let row = encode(&State::default(), [(5, Count::Stray)].into_iter());
        assert!(decode(1, &row, |_, _| Ok(())).is_err());
    }
}
