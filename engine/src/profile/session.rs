use core::fmt;
use std::sync::Arc;

use super::sealed::{Aad, Nonces, Place, ProfileId, SealError, SealedValue, Sealer};
use crate::Entropy;
use crate::oplog::identity::{DeviceKey, LogId, ProfileSigner};

/// The keys of an open profile and who writes in it here. Every handle of a profile shares one.
pub(crate) struct Session {
    /// Number of the profile in the store.
    pub(crate) number: u32,
    pub(crate) id: ProfileId,
    /// The log this store appends to.
    pub(crate) log: LogId,
    pub(crate) sealer: Sealer,
    pub(crate) device: DeviceKey,
    pub(crate) signer: ProfileSigner,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Session {
    /// Seals a value for a place.
    pub(crate) fn seal(
        &self,
        key: &str,
        value: &[u8],
        place: Place,
        nonces: &mut Nonces,
    ) -> Result<SealedValue, SealError> {
        let aad = Aad {
            profile: &self.id,
            key,
            place,
        };
        let entropy = self.entropy.as_ref();
        self.sealer.seal_next(&aad, value, nonces, entropy)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
