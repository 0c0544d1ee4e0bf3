use core::fmt;

use thiserror::Error;

/// Letters and digits kept from either end of an address.
const KEPT: usize = 6;
/// Start of every address id.
pub(super) const PREFIX: &str = "DIRECT_";
/// Length of a canonical address id in bytes: `DIRECT_`, six digits, `_`, six digits.
pub(super) const ADDRESS_ID_LEN: usize = PREFIX.len() + KEPT + 1 + KEPT;

/// A text that is no canonical address id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an address id is DIRECT_, six lower-case hex digits, _ and six more; this is {found_bytes} bytes of other text"
)]
pub struct AddressIdError {
    /// Length of the refused text in bytes.
    pub found_bytes: usize,
}

/// The short name of an address in keys: `DIRECT_0d5508_b1bbbf`. Always canonical.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressId(String);

impl AddressId {
    /// Reads a canonical address id.
    ///
    /// # Errors
    /// [`AddressIdError`] if it is not `DIRECT_[0-9a-f]{6}_[0-9a-f]{6}`, which is what every writer that owns a
    /// collection insists on (profile notes, section 1.1).
    pub fn parse(text: &str) -> Result<Self, AddressIdError> {
        let halves = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'));
        match halves {
            Some((start, end)) if is_half(start) && is_half(end) => Ok(Self(text.to_owned())),
            _ => Err(AddressIdError {
                found_bytes: text.len(),
            }),
        }
    }

    /// The id of a direct address.
    ///
    /// ```
    /// use uxf_engine::profile::keys::AddressId;
    ///
    /// let id = AddressId::of_direct_address("DIRECT://0D550855e81b4a53f6ca7e52fa60bf1eddb1bbbf").unwrap();
    /// assert_eq!(id.as_str(), "DIRECT_0d5508_b1bbbf");
    /// assert!(AddressId::of_direct_address("DIRECT://abc").is_err(), "too short to name anything");
    /// ```
    ///
    /// # Errors
    /// [`AddressIdError`] if the address is so short, or so unlike hex, that its id would not be canonical.
    pub fn of_direct_address(direct_address: &str) -> Result<Self, AddressIdError> {
        Self::parse(&address_id_text(direct_address))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AddressId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text that the reference makes of any direct address, canonical or not.
///
/// `DIRECT://` is stripped first, else `DIRECT:`, else nothing, with case; then the first and the last six characters
/// are joined and lower-cased. Short inputs are not refused: the halves overlap or are empty. Use
/// [`AddressId::of_direct_address`] for anything that is written.
pub fn address_id_text(direct_address: &str) -> String {
    let bare = direct_address
        .strip_prefix("DIRECT://")
        .or_else(|| direct_address.strip_prefix("DIRECT:"))
        .unwrap_or(direct_address);
    let start: String = bare.chars().take(KEPT).collect();
    let skipped = bare.chars().count().saturating_sub(KEPT);
    let end: String = bare.chars().skip(skipped).collect();
    format!("{PREFIX}{}_{}", start.to_lowercase(), end.to_lowercase())
}

fn is_half(text: &str) -> bool {
    text.len() == KEPT
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_id_is_read_only_in_its_canonical_form() {
        assert_eq!(ADDRESS_ID_LEN, 20);
        assert!(AddressId::parse("DIRECT_0d5508_b1bbbf").is_ok());
        for wrong in [
            "DIRECT_0D5508_b1bbbf",
            "DIRECT_0d5508_b1bbb",
            "DIRECT_0d5508b_1bbbf",
            "direct_0d5508_b1bbbf",
            "DIRECT_0d5508_b1bbbf_",
            "DIRECT_0d550g_b1bbbf",
            "",
        ] {
            assert_eq!(
                AddressId::parse(wrong),
                Err(AddressIdError {
                    found_bytes: wrong.len()
                })
            );
        }
    }

    #[test]
    fn a_short_address_has_overlapping_halves_and_no_canonical_id() {
        assert_eq!(address_id_text("DIRECT://abc"), "DIRECT_abc_abc");
        assert_eq!(address_id_text(""), "DIRECT__");
        assert!(AddressId::of_direct_address("").is_err());
    }
}
