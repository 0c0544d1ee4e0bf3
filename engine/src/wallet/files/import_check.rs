use thiserror::Error;

use super::{FileEntry, FullExport, parts};

/// What to do with the file of another wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OtherIdentity {
    /// It is refused. The default.
    #[default]
    Refused,
    /// It is taken into an empty profile.
    Taken,
    /// It is forced over what is there, too. That takes a word of its own.
    ForcedOverThis,
}

/// What is known before a full export is taken in, and what the user insists on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FullImportRequest<'a> {
    /// Public key of the wallet that the file should be of.
    pub expected_pubkey: &'a str,
    /// What to do with the file of another one.
    pub other_identity: OtherIdentity,
    /// Whether the target has nothing yet.
    pub is_target_empty: bool,
    /// Whether to import into a target that has something.
    pub force: bool,
    /// Whether there is somewhere to pin bundles.
    pub can_pin: bool,
}

/// Why a full export is not taken in. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FullImportRefusal {
    /// The file is of another wallet.
    #[error("the file is of the wallet {found}, not of {expected}")]
    OtherIdentity {
        /// The wallet's public key.
        expected: String,
        /// The file's.
        found: String,
    },
    /// There is something already.
    #[error("the profile is not empty; force the import to write over it")]
    NotEmpty,
    /// Another wallet's file would be forced over what is there.
    #[error("forcing the file of another wallet over this one needs to be acknowledged")]
    NotAcknowledged,
    /// The file has bundles and they cannot be pinned.
    #[error("the file has {bundles} bundles and there is nowhere to pin them")]
    NowhereToPin {
        /// Bundles in the file.
        bundles: usize,
    },
}

impl FullExport {
    /// Whether the file may be taken in (profile notes, section 12).
    ///
    /// # Errors
    /// [`FullImportRefusal`].
    pub fn check_import(&self, request: FullImportRequest<'_>) -> Result<(), FullImportRefusal> {
        let is_same = self
            .header
            .chain_pubkey
            .eq_ignore_ascii_case(request.expected_pubkey);
        if !is_same && request.other_identity == OtherIdentity::Refused {
            return Err(FullImportRefusal::OtherIdentity {
                expected: request.expected_pubkey.to_owned(),
                found: self.header.chain_pubkey.clone(),
            });
        }
        if !request.is_target_empty && !request.force {
            return Err(FullImportRefusal::NotEmpty);
        }
        let is_acknowledged = request.other_identity == OtherIdentity::ForcedOverThis;
        if !is_same && !request.is_target_empty && !is_acknowledged {
            return Err(FullImportRefusal::NotAcknowledged);
        }
        match self.bundles.len() {
            bundles if bundles > 0 && !request.can_pin => {
                Err(FullImportRefusal::NowhereToPin { bundles })
            }
            _ => Ok(()),
        }
    }

    /// The entries in the order in which they are written: data first, then those of the wallet's identity. A failure to
    /// write one of the latter ends the import; others are told.
    pub fn replay_order(&self) -> impl Iterator<Item = (&FileEntry, bool)> {
        let of = move |identity: bool| {
            let entries = self.entries.iter();
            entries
                .filter(move |entry| parts::is_identity(&entry.key) == identity)
                .map(move |entry| (entry, identity))
        };
        of(false).chain(of(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundles::{BundleRef, UnixSeconds};
    use crate::wallet::files::FileHeader;

    fn export(refs: &[BundleRef]) -> FullExport {
        let header = FileHeader {
            chain_pubkey: "02AB".to_owned(),
            network: "testnet".to_owned(),
            created_at_ms: 1,
        };
        FullExport::build(header, [], refs).unwrap()
    }

    #[test]
    fn the_file_of_another_wallet_needs_three_words_to_be_written_over_this_one() {
        let own = FullImportRequest {
            expected_pubkey: "02ab",
            is_target_empty: true,
            ..FullImportRequest::default()
        };
        assert_eq!(export(&[]).check_import(own), Ok(()));
        let check = |other_identity, force| {
            export(&[]).check_import(FullImportRequest {
                expected_pubkey: "03",
                other_identity,
                force,
                ..FullImportRequest::default()
            })
        };
        let refused = check(OtherIdentity::Refused, true);
        assert!(matches!(
            refused,
            Err(FullImportRefusal::OtherIdentity { .. })
        ));
        let unforced = check(OtherIdentity::ForcedOverThis, false);
        assert_eq!(unforced, Err(FullImportRefusal::NotEmpty));
        let unacknowledged = check(OtherIdentity::Taken, true);
        assert_eq!(unacknowledged, Err(FullImportRefusal::NotAcknowledged));
        assert_eq!(check(OtherIdentity::ForcedOverThis, true), Ok(()));
    }

    #[test]
    fn bundles_are_not_taken_without_a_place_for_them() {
        let request = FullImportRequest {
            expected_pubkey: "02ab",
            is_target_empty: true,
            ..FullImportRequest::default()
        };
        let one = export(&[BundleRef::active("c", UnixSeconds(1))]);
        let refused = FullImportRefusal::NowhereToPin { bundles: 1 };
        assert_eq!(one.check_import(request), Err(refused));
        let with_pin = FullImportRequest {
            can_pin: true,
            ..request
        };
        assert_eq!(one.check_import(with_pin), Ok(()));
    }

    #[test]
    fn the_identity_is_written_last() {
        let entry = |key: &str| FileEntry {
            key: key.to_owned(),
            value: String::new(),
        };
        let mut file = export(&[]);
        file.entries = ["identity.chainCode", "addresses.tracked", "master_key", "x"]
            .map(entry)
            .into();
        let order: Vec<_> = file
            .replay_order()
            .map(|(entry, last)| (entry.key.as_str(), last))
            .collect();
        let expected = [
            ("addresses.tracked", false),
            ("x", false),
            ("identity.chainCode", true),
            ("master_key", true),
        ];
        assert_eq!(order, expected);
    }
}
