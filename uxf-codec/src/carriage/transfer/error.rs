use thiserror::Error;

/// Why a transfer was refused. Its codes are a class of their own in the reference, apart from those of
/// [`ErrorCode`](crate::ErrorCode).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The payload is not JSON.
    #[error("the transfer payload is not JSON")]
    NotJson(#[source] crate::Error),
    /// The payload, or a text in it, has the wrong shape.
    #[error("transfer payload: {field} {reason}")]
    MalformedEnvelope {
        /// Where.
        field: &'static str,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The archive does not have exactly one root.
    #[error("the archive has {roots} roots where one is needed")]
    MultiRoot {
        /// Roots found.
        roots: usize,
    },
    /// The archive cannot be read.
    #[error("the archive cannot be read")]
    InvalidCar(#[source] crate::Error),
    /// The root is not a CID of version 1.
    #[error("the root of the archive is a CID of version 0, expected version 1")]
    RootVersion,
}

impl TransferError {
    /// The code as the reference writes it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) | Self::MalformedEnvelope { .. } => {
                "BUNDLE_REJECTED_MALFORMED_ENVELOPE"
            }
            Self::MultiRoot { .. } => "BUNDLE_REJECTED_MULTI_ROOT",
            Self::InvalidCar(_) | Self::RootVersion => "BUNDLE_REJECTED_INVALID_CAR",
        }
    }
}
