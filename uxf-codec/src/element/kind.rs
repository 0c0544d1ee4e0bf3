use core::fmt;

/// What an element is. The numbers are those of the encoding; 11 is a hole. Format notes, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ElementType {
    /// A whole token at its newest state.
    TokenRoot = 1,
    /// How a token came to be: mint data, mint proof, first state.
    Genesis = 2,
    /// One transfer from a state to the next.
    Transaction = 3,
    /// What was minted.
    GenesisData = 4,
    /// What was signed in a transfer.
    TransactionData = 5,
    /// An owner predicate and the state's data.
    TokenState = 6,
    /// A predicate of its own. Never produced by ingestion.
    Predicate = 7,
    /// The proof that a mint or transfer was registered.
    InclusionProof = 8,
    /// The signature of a proven mint or transfer.
    Authenticator = 9,
    /// The certificate a proof rests on; the main thing that tokens share.
    UnicityCertificate = 10,
    /// Coin data of its own. Never produced by ingestion.
    TokenCoinData = 12,
    /// The path of a proof in the sparse Merkle tree, one opaque CBOR text of bytes.
    SmtPath = 13,
    /// The signature of a transfer that is submitted and not yet proven.
    PendingAuthenticator = 14,
}

impl ElementType {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::TokenRoot,
        Self::Genesis,
        Self::Transaction,
        Self::GenesisData,
        Self::TransactionData,
        Self::TokenState,
        Self::Predicate,
        Self::InclusionProof,
        Self::Authenticator,
        Self::UnicityCertificate,
        Self::TokenCoinData,
        Self::SmtPath,
        Self::PendingAuthenticator,
    ];

    /// The number in the encoding.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The type with this number, if there is one.
    pub const fn from_id(id: u64) -> Option<Self> {
        Some(match id {
            1 => Self::TokenRoot,
            2 => Self::Genesis,
            3 => Self::Transaction,
            4 => Self::GenesisData,
            5 => Self::TransactionData,
            6 => Self::TokenState,
            7 => Self::Predicate,
            8 => Self::InclusionProof,
            9 => Self::Authenticator,
            10 => Self::UnicityCertificate,
            12 => Self::TokenCoinData,
            13 => Self::SmtPath,
            14 => Self::PendingAuthenticator,
            _ => return None,
        })
    }

    /// The name in text, as `token-root`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenRoot => "token-root",
            Self::Genesis => "genesis",
            Self::Transaction => "transaction",
            Self::GenesisData => "genesis-data",
            Self::TransactionData => "transaction-data",
            Self::TokenState => "token-state",
            Self::Predicate => "predicate",
            Self::InclusionProof => "inclusion-proof",
            Self::Authenticator => "authenticator",
            Self::UnicityCertificate => "unicity-certificate",
            Self::TokenCoinData => "token-coin-data",
            Self::SmtPath => "smt-path",
            Self::PendingAuthenticator => "pending-authenticator",
        }
    }

    /// The type with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|element_type| element_type.name() == name)
    }

    /// Content fields that are bytes in the encoding and hex in JSON ("B" in the format notes, section 4.2).
    ///
    /// `reason` of genesis-data is bytes too but obeys another rule for empty values, so it is not listed here.
    pub const fn byte_fields(self) -> &'static [&'static str] {
        match self {
            Self::TokenRoot => &["tokenId"],
            Self::GenesisData => &[
                "tokenId",
                "tokenType",
                "salt",
                "tokenData",
                "recipientDataHash",
            ],
            Self::TransactionData => &["salt", "recipientDataHash"],
            Self::TokenState => &["data", "predicate"],
            Self::Predicate | Self::UnicityCertificate => &["raw"],
            Self::InclusionProof => &["transactionHash"],
            Self::Authenticator | Self::PendingAuthenticator => {
                &["publicKey", "signature", "stateHash"]
            }
            Self::SmtPath => &["cbor"],
            Self::Genesis | Self::Transaction | Self::TokenCoinData => &[],
        }
    }

    /// Content fields in the order an ingested element holds them, which drives JSON exports.
    pub const fn content_order(self) -> &'static [&'static str] {
        match self {
            Self::TokenRoot => &["tokenId", "version"],
            Self::GenesisData => &[
                "tokenId",
                "tokenType",
                "coinData",
                "tokenData",
                "salt",
                "recipient",
                "recipientDataHash",
                "reason",
            ],
            Self::TransactionData => &[
                "recipient",
                "salt",
                "recipientDataHash",
                "message",
                "nametagRefs",
            ],
            Self::TokenState => &["predicate", "data"],
            Self::Predicate | Self::UnicityCertificate => &["raw"],
            Self::InclusionProof => &["transactionHash"],
            Self::Authenticator | Self::PendingAuthenticator => {
                &["algorithm", "publicKey", "signature", "stateHash"]
            }
            Self::TokenCoinData => &["entries"],
            Self::SmtPath => &["cbor"],
            Self::Genesis | Self::Transaction => &[],
        }
    }

    /// Child roles in the order an ingested element holds them, which drives the order of blocks in a CAR.
    pub const fn child_order(self) -> &'static [&'static str] {
        match self {
            Self::TokenRoot => &["genesis", "transactions", "state", "nametags"],
            Self::Genesis => &["data", "inclusionProof", "destinationState"],
            Self::Transaction => &[
                "sourceState",
                "data",
                "inclusionProof",
                "destinationState",
                "pendingAuthenticator",
            ],
            Self::InclusionProof => &["authenticator", "merkleTreePath", "unicityCertificate"],
            _ => &[],
        }
    }

    /// The type an element must have to stand in a role of this one; `None` for roles that are not typed.
    pub fn child_type(self, role: &str) -> Option<Self> {
        Some(match (self, role) {
            (Self::TokenRoot, "genesis") => Self::Genesis,
            (Self::TokenRoot, "transactions") => Self::Transaction,
            (Self::TokenRoot, "nametags") => Self::TokenRoot,
            (Self::TokenRoot, "state")
            | (Self::Genesis | Self::Transaction, "destinationState")
            | (Self::Transaction, "sourceState") => Self::TokenState,
            (Self::Genesis, "data") => Self::GenesisData,
            (Self::Transaction, "data") => Self::TransactionData,
            (Self::Genesis | Self::Transaction, "inclusionProof") => Self::InclusionProof,
            (Self::InclusionProof, "authenticator") => Self::Authenticator,
            (Self::InclusionProof, "merkleTreePath") => Self::SmtPath,
            (Self::InclusionProof, "unicityCertificate") => Self::UnicityCertificate,
            _ => return None,
        })
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
