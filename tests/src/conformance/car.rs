//! A second, deliberately plain reading of CARv1, so that what the codec wrote is not judged by the codec.

/// Root CIDs are not looked at; blocks are `(binary CID, bytes)` in file order. `None` if the framing is broken.
pub(super) fn blocks(car: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (header, mut rest) = section(car)?;
    if header.first() != Some(&0xa2) {
        return None;
    }
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let (block, after) = section(rest)?;
        // Version 1, codec, sha2-256, 32 bytes: the only CIDs this format writes have 36 bytes.
        blocks.push(block.split_at_checked(36)?);
        rest = after;
    }
    Some(blocks)
}

/// The text of a binary CID: multibase base32, lower case.
pub(super) fn cid_text(cid: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::from("b");
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut push = |index: u32| {
        let letter = ALPHABET.get(index as usize & 31).copied().unwrap_or(b'?');
        text.push(char::from(letter));
    };
    for byte in cid {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            push(bits >> held);
        }
    }
    if held > 0 {
        push(bits << (5 - held));
    }
    text
}

fn section(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(8) {
        len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(len);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cid_is_written_as_the_codec_writes_it() {
        let hash = uxf_codec::ElementHash::of(b"x");
        assert_eq!(cid_text(&hash.to_cid_bytes()), hash.to_cid_text());
    }

    #[test]
    fn a_cut_file_has_no_blocks() {
        assert_eq!(blocks(&[0x02, 0xa2]), None);
    }
}
