use crate::error::Error;

/// The runs of the hash index, a row of `meta-1`.
///
/// A run holds one row per segment that has entries in it. Runs of one level are merged into one of the next, segment
/// by segment, over several checkpoints; a merge that is under way is part of the directory, so a crash in between
/// loses nothing: a segment's entries are in the inputs before it is merged and in the output after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunDirectory {
    pub(crate) next_run: u32,
    pub(crate) runs: Vec<Run>,
    pub(crate) merges: Vec<Merge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) id: u32,
    /// Entries when it was written; of a merge's output so far.
    pub(crate) entries: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    /// Also in the list of runs, as the inputs are.
    pub(crate) output: u32,
    pub(crate) inputs: Vec<u32>,
    /// Segments below it are merged.
    pub(crate) next_segment: u16,
}

/// Runs of one level that make a merge.
pub(crate) const FAN_IN: usize = 8;

/// Most runs a directory may list: more than merging ever leaves.
const RUNS_MAX: usize = 65_536;

impl RunDirectory {
    /// Gives out a number for a new run, above all others.
    pub(crate) fn allocate(&mut self, entries: u64) -> Result<u32, Error> {
        let id = self.next_run;
        self.next_run = id.checked_add(1).ok_or(Error::LimitExceeded {
            what: "index runs ever written",
            limit: u32::MAX.into(),
            found: 1 << 32,
        })?;
        self.runs.push(Run { id, entries });
        Ok(id)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let word = |out: &mut Vec<u8>, word: u64| out.extend_from_slice(&word.to_be_bytes());
        word(&mut out, self.next_run.into());
        word(&mut out, self.runs.len() as u64);
        for run in &self.runs {
            word(&mut out, run.id.into());
            word(&mut out, run.entries);
        }
        word(&mut out, self.merges.len() as u64);
        for merge in &self.merges {
            word(&mut out, merge.output.into());
            word(&mut out, merge.next_segment.into());
            word(&mut out, merge.inputs.len() as u64);
            for input in &merge.inputs {
                word(&mut out, (*input).into());
            }
        }
        out
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, Error> {
        Self::read(row)
            .ok_or_else(|| Error::corrupted("meta-1", "runs", "a list of runs that cannot be read"))
    }

    fn read(row: &[u8]) -> Option<Self> {
        let (chunks, tail) = row.as_chunks::<8>();
        if !tail.is_empty() {
            return None;
        }
        let mut words = chunks.iter().map(|chunk| u64::from_be_bytes(*chunk));
        let next_run = u32::try_from(words.next()?).ok()?;
        let mut directory = Self {
            next_run,
            ..Self::default()
        };
        let length = |word: u64| usize::try_from(word).ok().filter(|len| *len <= RUNS_MAX);
        let id = |word: u64| u32::try_from(word).ok().filter(|id| *id < next_run);
        for _ in 0..length(words.next()?)? {
            directory.runs.push(Run {
                id: id(words.next()?)?,
                entries: words.next()?,
            });
        }
        for _ in 0..length(words.next()?)? {
            let output = id(words.next()?)?;
            let next_segment = u16::try_from(words.next()?).ok()?;
            let mut inputs = Vec::new();
            for _ in 0..length(words.next()?)? {
                inputs.push(id(words.next()?)?);
            }
            directory.merges.push(Merge {
                output,
                inputs,
                next_segment,
            });
        }
        words.next().is_none().then_some(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_comes_back_and_truncation_is_noticed() {
        let mut directory = RunDirectory::default();
        let first = directory.allocate(10).unwrap();
        let second = directory.allocate(20).unwrap();
        directory.merges.push(Merge {
            output: second,
            inputs: vec![first],
            next_segment: 4_095,
        });
        let row = directory.encode();
        assert_eq!(RunDirectory::decode(&row).unwrap(), directory);
        for short in 0..row.len() {
            assert!(RunDirectory::decode(&row[..short]).is_err());
        }
        assert!(RunDirectory::decode(&[0xff; 64]).is_err());
    }
}
