use super::{Wallet, default_inventory};
use crate::bundles::BundleRefs;
use crate::error::Error;
use crate::profile::Profile;
use crate::profile::keys::AddressId;

/// The profile, in hex, and the address of the wallet whose tokens an inventory has, if its name was made for one.
pub fn wallet_of_inventory(name: &str) -> Option<(&str, AddressId)> {
    let (profile, address) = name.strip_prefix("wallet/")?.split_once('/')?;
    Some((profile, AddressId::parse(address).ok()?))
}

impl Profile {
    /// The addresses of which the store has wallets of this profile, in order; those whose inventories were given other
    /// names are not among them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn wallet_addresses(&self) -> Result<Vec<AddressId>, Error> {
        let names = self.engine().inventories()?;
        let addresses = names.iter().filter_map(|name| {
            let (_, address) = wallet_of_inventory(name)?;
            (*name == default_inventory(self, &address)).then_some(address)
        });
        Ok(addresses.collect())
    }

    /// The bundles that the profile names, whatever became of them, and the references that cannot be read.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn bundles(&self) -> Result<BundleRefs, Error> {
        let snapshot = self.engine().snapshot()?;
        Wallet::bundle_refs(&snapshot.profile(self))
    }
}

impl Wallet {
    /// The bundles that the profile names, whatever became of them, and the references that cannot be read. Bundles are the
    /// profile's: all its wallets have the same.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn bundles(&self) -> Result<BundleRefs, Error> {
        self.profile.bundles()
    }
}
