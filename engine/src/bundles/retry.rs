use core::time::Duration;

/// How long to wait before the second, third and fourth attempt at pinning a block; then it has failed.
pub const PIN_RETRY_DELAYS: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// Whether a request that failed is worth repeating (profile notes, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// Too many requests, a failure of the server, of the network, a timeout, or anything unknown.
    Transient,
    /// The server understood the request and refused it; it will again.
    Permanent,
}

impl RetryClass {
    /// The class of an HTTP status: refusals (4xx) are permanent, except 429.
    pub const fn of_status(status: u16) -> Self {
        match status {
            429 => Self::Transient,
            400..=499 => Self::Permanent,
            _ => Self::Transient,
        }
    }

    /// The class of a failure of which only a text was kept, as of one that was stored to be retried later: that of the
    /// first `HTTP nnn` in it, and transient if it has none.
    ///
    /// ```
    /// use uxf_engine::bundles::RetryClass;
    ///
    /// assert_eq!(RetryClass::of_message("HTTP 413 Payload Too Large"), RetryClass::Permanent);
    /// assert_eq!(RetryClass::of_message("connection reset"), RetryClass::Transient);
    /// ```
    pub fn of_message(message: &str) -> Self {
        let statuses = message.split("HTTP ").skip(1).filter_map(leading_status);
        statuses
            .map(Self::of_status)
            .next()
            .unwrap_or(Self::Transient)
    }

    /// Whether to try again.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Transient)
    }
}

/// The number that a text begins with, if it has exactly three digits.
fn leading_status(text: &str) -> Option<u16> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.get(..digits)
        .filter(|digits| digits.len() == 3)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_other_than_too_many_requests_are_permanent() {
        for permanent in [400, 401, 404, 413, 428, 430, 499] {
            assert_eq!(RetryClass::of_status(permanent), RetryClass::Permanent);
        }
        for transient in [0, 200, 302, 429, 500, 503, 599, 600, u16::MAX] {
            assert_eq!(RetryClass::of_status(transient), RetryClass::Transient);
        }
    }

    #[test]
    fn a_number_that_is_no_status_says_nothing() {
        for text in ["HTTP 4040 x", "HTTP 40", "http 404", "404", "HTTP  404", ""] {
            assert_eq!(
                RetryClass::of_message(text),
                RetryClass::Transient,
                "{text}"
            );
        }
        let later = "after HTTP error: HTTP 404";
        assert_eq!(RetryClass::of_message(later), RetryClass::Permanent);
    }
}
