use super::TransferError;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes bytes in the standard alphabet with padding.
///
/// ```
/// use uxf_codec::carriage::transfer::{decode_base64, encode_base64};
///
/// assert_eq!(encode_base64(b"car!"), "Y2FyIQ==");
/// assert_eq!(decode_base64("Y2FyIQ==").unwrap(), b"car!");
/// ```
pub fn encode_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            (bits << 8) | u32::from(group.get(at).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            out.push(if digit <= group.len() {
                let index = (bits >> (18 - 6 * digit)) & 0x3f;
                ALPHABET
                    .get(index as usize)
                    .map_or('=', |byte| char::from(*byte))
            } else {
                '='
            });
        }
    }
    out
}

/// Decodes base64 as the reference does: only the alphabet and at most two trailing `=` are checked, so missing padding
/// passes and the bits that do not fill a byte at the end are dropped.
///
/// # Errors
/// [`TransferError::MalformedEnvelope`] for any other character.
pub fn decode_base64(text: &str) -> Result<Vec<u8>, TransferError> {
    let digits = text
        .strip_suffix("==")
        .or_else(|| text.strip_suffix('='))
        .unwrap_or(text);
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0;
        for byte in group {
            bits = (bits << 6) | value(*byte).ok_or_else(refuse)?;
        }
        bits <<= 6 * (4 - group.len());
        let whole_bytes = group.len() * 6 / 8;
        out.extend(bits.to_be_bytes().iter().skip(1).take(whole_bytes));
    }
    Ok(out)
}

const fn value(digit: u8) -> Option<u32> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    } as u32)
}

fn refuse() -> TransferError {
    TransferError::MalformedEnvelope {
        field: "carBase64",
        reason: "must be base64 in the standard alphabet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in 0..=bytes.len() {
            let text = encode_base64(&bytes[..len]);
            assert_eq!(text.len() % 4, 0);
            assert_eq!(decode_base64(&text).unwrap(), bytes[..len]);
        }
    }
}
