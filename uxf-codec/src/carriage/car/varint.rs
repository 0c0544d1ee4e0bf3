//! Unsigned LEB128, as CARs and CIDs use it.

/// Most bytes of a varint that is read, as in the reference: 56 bits.
pub(super) const VARINT_BYTES_MAX: usize = 8;

/// Reads a varint: its value and its length. `None` if it does not end within the bytes or within 8 of them.
///
/// Longer forms than needed are accepted, as by the reference.
pub(super) fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Appends a varint in its shortest form to a buffer that has room for it; how many bytes it took.
pub(super) fn write_varint(mut value: u64, out: &mut [u8]) -> usize {
    let mut len = 0;
    for slot in out {
        len += 1;
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            *slot = low;
            return len;
        }
        *slot = low | 0x80;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_in_the_same_length() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, (1 << 56) - 1] {
            let mut out = [0; 10];
            let len = write_varint(value, &mut out);
            assert_eq!(read_varint(&out), Some((value, len)));
        }
    }

    #[test]
    fn nine_bytes_and_unfinished_varints_are_refused() {
        assert_eq!(read_varint(&[0x80; 9]), None);
        assert_eq!(read_varint(&[0x80, 0x80]), None);
        assert_eq!(read_varint(&[]), None);
        assert_eq!(read_varint(&[0x80, 0]), Some((0, 2)));
    }
}
