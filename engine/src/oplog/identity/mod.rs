//! Who may write: devices, their certificates and their end.
//!
//! A profile has one key, secp256k1, made of the wallet's secret ([`ProfileSigner`]). Every device has an Ed25519 key
//! of its own ([`DeviceKey`]) that signs its commits, and a [`Certificate`] by the profile's key. A device that holds
//! the wallet's secret certifies itself and waits for nobody. A [`Revocation`] ends a device's right to write after a
//! given sequence number; what it wrote before stays. A store that was restored or copied gets a new [`Epoch`], so that
//! the device continues in a log of its own instead of forking the old one. A [`MembershipProof`] shows a peer that this end of a
//! connection is a device of the profile.

mod certificate;
mod device;
mod membership;
mod profile_key;
mod revocation;

pub use certificate::{CERTIFICATE_BYTES_MAX, Certificate, DEVICE_NAME_BYTES_MAX};
pub use device::{DeviceId, DeviceIdError, DeviceKey, Epoch, LogId};
pub use membership::{MEMBERSHIP_BYTES_MAX, MembershipProof};
pub use profile_key::{IdentityError, ProfileSigner};
pub use revocation::{REVOCATION_BYTES_MAX, Revocation};
