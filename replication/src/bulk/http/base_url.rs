use core::fmt;

use ureq::http::Uri;

use crate::bulk::error::BulkError;

/// Where a node or a gateway is: `http` or `https`, a host, perhaps a port and a path, and nothing else. A password
/// in it would show up in logs and errors, so it is refused; [`Authorization`](super::Authorization) is for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Without a slash at its end.
    text: String,
    is_https: bool,
    is_loopback: bool,
}

const URL_BYTES_MAX: usize = 2_048;

impl BaseUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`BulkError::InvalidOption`].
    pub fn parse(text: &str) -> Result<Self, BulkError> {
        let refused = |reason| BulkError::InvalidOption {
            option: "address",
            reason,
        };
        if text.len() > URL_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused(
                "is too long or has other characters than printable ASCII",
            ));
        }
        if text.contains(['?', '#']) {
            return Err(refused("has a query or a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| refused("is no URL"))?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refused("is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| refused("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("has a user or a password in it"));
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(refused("has no host"));
        }
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let is_loopback =
            host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback());
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            is_https,
            is_loopback,
        })
    }

    pub(super) const fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether requests stay on this machine.
    pub(super) const fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_passwords_queries_or_other_schemes_are_refused() {
        for good in [
            "http://127.0.0.1:5001",
            "https://ipfs.io/",
            "http://[::1]:80/some/path",
        ] {
            BaseUrl::parse(good).unwrap();
        }
        let bad = [
            "",
            "ipfs.io",
            "ftp://ipfs.io",
            "file:///etc/passwd",
            "http://",
            "http://a@b",
            "https://user:password@ipfs.io",
            "http://a/?x=1",
            "http://a/#x",
            "http://a b",
            "http://a\n",
        ];
        for bad in bad {
            assert!(BaseUrl::parse(bad).is_err(), "{bad:?}");
        }
        assert!(BaseUrl::parse("http://localhost:1").unwrap().is_loopback());
        assert!(
            !BaseUrl::parse("http://localhost.example.org")
                .unwrap()
                .is_loopback()
        );
    }
}
