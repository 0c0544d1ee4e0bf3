use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file that takes its name only when it is whole, so that a failed export leaves the old one as it was.
pub(super) struct NewFile {
    name: PathBuf,
    partial: PathBuf,
    pub(super) out: BufWriter<File>,
}

impl NewFile {
    pub(super) fn begin(name: &Path) -> io::Result<Self> {
        let mut partial = name.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let out = BufWriter::new(File::create(&partial)?);
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
