/// Names of a token file that are no tokens, though they begin as tokens do.
///
/// The one list of them. The reference has two that differ by `_audit` and `_finalizationQueue`, which its wallet
/// therefore takes for tokens.
pub const RESERVED_NAMES: [&str; 13] = [
    "_meta",
    "_nametag",
    "_nametags",
    "_tombstones",
    "_invalidatedNametags",
    "_outbox",
    "_mintOutbox",
    "_sent",
    "_invalid",
    "_integrity",
    "_history",
    "_audit",
    "_finalizationQueue",
];

const ARCHIVED: &str = "archived-";
const FORKED: &str = "_forked_";
/// Characters of a token id in the key of a fork.
const FORKED_ID_CHARS: usize = 64;

/// What stands under a key of a token file (profile notes, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFileKey<'k> {
    /// `_{id}`: a token that is held.
    Active {
        /// What follows the `_`, as a rule the token id.
        name: &'k str,
    },
    /// `archived-{id}`: a token that was sent away.
    Archived {
        /// What follows, as a rule the token id.
        name: &'k str,
    },
    /// `_forked_...`: another state of a token.
    Forked {
        /// Which one, if the key says so.
        fork: Option<ForkKey<'k>>,
    },
    /// One of [`RESERVED_NAMES`].
    Reserved,
    /// Anything else.
    Other,
}

/// Which state of which token stands under `_forked_{64 characters}_{state}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkKey<'k> {
    /// The token id.
    pub token_id: &'k str,
    /// Hash of the state.
    pub state_hash: &'k str,
}

impl<'k> TokenFileKey<'k> {
    /// Says what a key stands for.
    ///
    /// ```
    /// use uxf_engine::wallet::TokenFileKey;
    ///
    /// assert_eq!(TokenFileKey::of("_ab12"), TokenFileKey::Active { name: "ab12" });
    /// assert_eq!(TokenFileKey::of("_audit"), TokenFileKey::Reserved);
    /// assert_eq!(TokenFileKey::of("_"), TokenFileKey::Other, "it names no token");
    /// ```
    pub fn of(key: &'k str) -> Self {
        if let Some(rest) = key.strip_prefix(FORKED) {
            return Self::Forked {
                fork: ForkKey::parse(rest),
            };
        }
        if let Some(name) = key.strip_prefix(ARCHIVED) {
            return Self::Archived { name };
        }
        if RESERVED_NAMES.contains(&key) {
            return Self::Reserved;
        }
        match key.strip_prefix('_') {
            None | Some("") => Self::Other,
            Some(name) => Self::Active { name },
        }
    }
}

impl<'k> ForkKey<'k> {
    fn parse(rest: &'k str) -> Option<Self> {
        let (at, _) = rest.char_indices().nth(FORKED_ID_CHARS)?;
        let (token_id, state) = rest.split_at_checked(at)?;
        let state_hash = state.strip_prefix('_').filter(|state| !state.is_empty())?;
        Some(Self {
            token_id,
            state_hash,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_fork_names_a_token_id_of_64_characters_and_a_state() {
        let id = "a".repeat(64);
        let of = |key: &str| match TokenFileKey::of(key) {
            TokenFileKey::Forked { fork } => fork.map(|fork| fork.state_hash.to_owned()),
            other => panic!("{key} is {other:?}"),
        };
        assert_eq!(of(&format!("_forked_{id}_s_1")).as_deref(), Some("s_1"));
        for no_state in ["", "_", "s", "x_s"] {
            assert_eq!(of(&format!("_forked_{id}{no_state}")), None, "{no_state}");
        }
        assert_eq!(of("_forked_"), None);
        // The 64th character may take several bytes.
        let id = "é".repeat(64);
        assert_eq!(of(&format!("_forked_{id}_s")).as_deref(), Some("s"));
    }

    #[test]
    fn a_reserved_name_is_no_token_but_one_that_only_begins_like_it_is() {
        for name in RESERVED_NAMES {
            assert_eq!(TokenFileKey::of(name), TokenFileKey::Reserved);
        }
        assert_eq!(
            TokenFileKey::of("_metadata"),
            TokenFileKey::Active { name: "metadata" }
        );
        assert_eq!(
            TokenFileKey::of("_forked"),
            TokenFileKey::Active { name: "forked" }
        );
    }
}
