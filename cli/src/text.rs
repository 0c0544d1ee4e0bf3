//! Numbers and ids as people read them.

/// A count with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the unit that leaves two or three digits.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in UNITS.into_iter().skip(1) {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 10.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// The beginning of an id, for sentences.
pub(crate) fn short(id: &str) -> String {
    match id.get(..12) {
        Some(beginning) if id.len() > 16 => format!("{beginning}…"),
        _ => id.to_owned(),
    }
}

/// A part of a whole in per cent.
#[expect(
    clippy::cast_precision_loss,
    reason = "one digit behind the point is shown"
)]
pub(crate) fn per_cent(part: u64, whole: u64) -> String {
    if whole == 0 {
        "0.0 %".to_owned()
    } else {
        format!("{:.1} %", 100.0 * part as f64 / whole as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_at_the_edges_of_their_units() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(64 << 20), "64 MiB");
        assert_eq!(bytes(u64::MAX), "16777216 TiB");
        assert_eq!(per_cent(1, 0), "0.0 %");
        assert_eq!(per_cent(1, 8), "12.5 %");
        assert_eq!(short("0123456789abcdef01"), "0123456789ab…");
        assert_eq!(short("main"), "main");
    }
}
