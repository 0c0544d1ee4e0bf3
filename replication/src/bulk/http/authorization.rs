use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::bulk::error::BulkError;

/// What proves to a node that requests are ours. It is wiped from memory when it goes, and shown nowhere.
#[derive(Clone)]
pub struct Authorization(Zeroizing<String>);

/// Longest header that servers take without being asked, with room for others.
const SECRET_BYTES_MAX: usize = 4_096;

impl Authorization {
    /// A token.
    ///
    /// # Errors
    /// [`BulkError::InvalidOption`] for one that cannot stand in a header.
    pub fn bearer(token: &str) -> Result<Self, BulkError> {
        check(token, "token")?;
        Ok(Self(Zeroizing::new(format!("Bearer {token}"))))
    }

    /// A name and a password.
    ///
    /// # Errors
    /// [`BulkError::InvalidOption`] for those that cannot stand in a header, and for a name with a colon.
    pub fn basic(user: &str, password: &str) -> Result<Self, BulkError> {
        check(user, "user")?;
        check(password, "password")?;
        if user.contains(':') {
            return Err(refused("user", "a colon ends the name"));
        }
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        Ok(Self(Zeroizing::new(format!("Basic {}", *pair))))
    }

    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

fn check(text: &str, option: &'static str) -> Result<(), BulkError> {
    if text.len() > SECRET_BYTES_MAX {
        return Err(refused(option, "is longer than 4,096 bytes"));
    }
    if !text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return Err(refused(option, "has other characters than printable ASCII"));
    }
    Ok(())
}

const fn refused(option: &'static str, reason: &'static str) -> BulkError {
    BulkError::InvalidOption { option, reason }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password_are_written_as_the_rfc_has_them_and_shown_nowhere() {
        let made = Authorization::basic("Aladdin", "open sesame").unwrap();
        assert_eq!(made.header(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{made:?}"), "Authorization(..)");
    }

    #[test]
    fn a_secret_that_would_become_two_headers_is_refused() {
        assert!(Authorization::bearer("x\r\nX-Other: y").is_err());
        assert!(Authorization::basic("a:b", "c").is_err());
    }
}
