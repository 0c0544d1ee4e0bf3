use core::cmp::Ordering;
use core::fmt;

/// The order that the reference has on text: by UTF-16 code units.
///
/// It differs from the order of Rust's strings only where characters beyond the basic plane meet those from U+E000 on.
/// Two implementations that break a tie differently never agree again, so the order of the first one counts.
pub fn text_order(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

/// Text in the order of [`text_order`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JsText(String);

impl JsText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for JsText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for JsText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<JsText> for String {
    fn from(text: JsText) -> Self {
        text.0
    }
}

impl Ord for JsText {
    fn cmp(&self, other: &Self) -> Ordering {
        text_order(&self.0, &other.0)
    }
}

impl PartialOrd for JsText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for JsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Length of a text as the reference counts it, in UTF-16 code units.
pub(super) fn js_len(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_ordered_by_utf16_code_units() {
        assert_eq!(text_order("B", "a"), Ordering::Less);
        assert_eq!(text_order("a", "aa"), Ordering::Less);
        assert_eq!(text_order("\u{1f600}", "\u{ffee}"), Ordering::Less);
        assert_eq!("\u{1f600}".cmp("\u{ffee}"), Ordering::Greater);
    }
}
