use super::derive::ProfileId;

/// Longest key name, in bytes. The operations of a commit have the same bound.
pub const KEY_BYTES_MAX: usize = 512;
/// First bytes of all additional data; a change of the layout changes them.
const LABEL: &[u8] = b"uxf/sealed/1\0";

/// Where a sealed value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the operation that writes its key.
    Row,
    /// In a block of its own that the row names by content id.
    Block,
}

/// What a sealed value is bound to: opening it under anything else fails.
///
/// Nothing in it depends on the device, so that every device of the profile can open what another one sealed. Bytes:
/// `uxf/sealed/1`, a zero byte; the profile id (33 bytes); the place (0 row, 1 block); the key's UTF-8 bytes to the
/// end. Everything before the key has a fixed length, so no two bindings have the same bytes, and none is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aad<'a> {
    /// The profile the value belongs to.
    pub profile: &'a ProfileId,
    /// The profile key it is stored under.
    pub key: &'a str,
    /// Where it lies.
    pub place: Place,
}

impl Aad<'_> {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LABEL.len() + 34 + self.key.len());
        bytes.extend_from_slice(LABEL);
        bytes.extend_from_slice(self.profile.as_bytes());
        bytes.push(match self.place {
            Place::Row => 0,
            Place::Block => 1,
        });
        bytes.extend_from_slice(self.key.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_binding_changes_its_bytes() {
        let (one, two) = (
            ProfileId::from_bytes([2; 33]),
            ProfileId::from_bytes([3; 33]),
        );
        let bytes = |profile, key, place| {
            Aad {
                profile,
                key,
                place,
            }
            .to_bytes()
        };
        let all = [
            bytes(&one, "k", Place::Row),
            bytes(&two, "k", Place::Row),
            bytes(&one, "k", Place::Block),
            bytes(&one, "k2", Place::Row),
            bytes(&one, "", Place::Row),
        ];
        for (index, a) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|b| a != b));
        }
        assert_eq!(all[0].len(), 13 + 33 + 1 + 1);
    }
}
