use std::borrow::Cow;

/// Resolves the escapes of a string that the parser has accepted. Unpaired surrogates become U+FFFD.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let (decoded, behind) = code_point(chars.as_str());
                out.push(decoded);
                rest = behind;
                continue;
            }
            Some(itself) => out.push(itself),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that four hex digits stand for, with the second half of a pair behind them, and what follows.
fn code_point(digits: &str) -> (char, &str) {
    let Some((unit, rest)) = unit(digits) else {
        return (char::REPLACEMENT_CHARACTER, digits);
    };
    if (0xd800..0xdc00).contains(&unit)
        && let Some((low, behind)) = rest.strip_prefix("\\u").and_then(self::unit)
        && (0xdc00..0xe000).contains(&low)
    {
        let scalar = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return (
            char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER),
            behind,
        );
    }
    (
        char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
        rest,
    )
}

fn unit(digits: &str) -> Option<(u32, &str)> {
    let (unit, rest) = digits.split_at_checked(4)?;
    Some((u32::from_str_radix(unit, 16).ok()?, rest))
}
