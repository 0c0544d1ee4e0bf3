/// How many bytes at the beginning of a text are a JSON number; `None` if it does not begin with one.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    let mut at = usize::from(text.first() == Some(&b'-'));
    at += match text.get(at)? {
        b'0' => 1,
        b'1'..=b'9' => digits(text, at),
        _ => return None,
    };
    if text.get(at) == Some(&b'.') {
        at += 1 + some_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += some_digits(text, at)?;
    }
    Some(at)
}

fn digits(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn some_digits(text: &[u8], at: usize) -> Option<usize> {
    match digits(text, at) {
        0 => None,
        count => Some(count),
    }
}

/// The place of a key among array indexes, which the reference's language lists before all other keys: a number of
/// 0 to 2^32-2 without leading zeros.
pub(crate) fn array_index(key: &str) -> Option<u32> {
    let is_plain = match key.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 10 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !is_plain {
        return None;
    }
    key.parse().ok().filter(|index| *index != u32::MAX)
}
