use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// What the name of a file ends with that is not whole yet.
pub(super) const PARTIAL: &str = ".partial";

/// A file that takes its name only when it is whole, so that a failed export leaves the old one as it was.
pub(super) struct NewFile {
    name: PathBuf,
    partial: PathBuf,
    pub(super) out: BufWriter<File>,
}

impl NewFile {
    pub(super) fn begin(name: &Path) -> io::Result<Self> {
        Self::begin_with(name, |partial| File::create(partial))
    }

    /// The same, for what only its owner is to read.
    #[cfg(feature = "automerge")]
    pub(super) fn begin_private(name: &Path) -> io::Result<Self> {
        Self::begin_with(name, |partial| {
            // One that is there would keep its permissions.
            drop(fs::remove_file(partial));
            let mut options = File::options();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(partial)
        })
    }

    fn begin_with(name: &Path, open: impl FnOnce(&Path) -> io::Result<File>) -> io::Result<Self> {
        let mut partial = name.as_os_str().to_owned();
        partial.push(PARTIAL);
        let partial = PathBuf::from(partial);
        let out = BufWriter::new(open(&partial)?);
        Ok(Self {
            name: name.to_owned(),
            partial,
            out,
        })
    }

    /// Makes it durable and gives it its name.
    pub(super) fn keep(mut self) -> Result<PathBuf, Failure> {
        let kept = io::Write::flush(&mut self.out)
            .and_then(|()| self.out.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.partial, &self.name));
        kept.map_err(|error| Failure::new(error).about(self.name.display()))?;
        Ok(core::mem::take(&mut self.name))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After it was kept there is nothing under this name any more.
        drop(fs::remove_file(&self.partial));
    }
}
