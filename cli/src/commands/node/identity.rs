//! The secret by which a node is known on the network. It opens nothing of a profile; it lets the address of a node stay the same.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use uxf_engine::{Entropy as _, SystemEntropy};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Its name in the store's directory.
const FILE: &str = "node-key";

/// The secret of the node of a store, drawn when it is asked for first.
pub(super) fn of(store: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let path = store.join(FILE);
    let secret = match File::open(&path) {
        Ok(file) => read(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => draw(&path),
        Err(error) => Err(error),
    };
    secret.map_err(|error| Failure::new(error).about(path.display()))
}

fn read(mut file: File) -> io::Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    file.read_exact(secret.as_mut_slice())?;
    Ok(secret)
}

fn draw(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    SystemEntropy.fill(secret.as_mut_slice())?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(secret.as_slice())?;
    file.sync_all()?;
    Ok(secret)
}
