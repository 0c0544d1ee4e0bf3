use serde_json::{Map, Value};

use crate::bundles::UnixSeconds;
use crate::profile::merge::{RowError, canonical_text, parse_object, whole_number};

/// The key of the lock.
pub const LOCK_KEY: &str = "consolidation.pending";
/// A lock is fresh for so many seconds; then whoever wrote it is taken to be gone.
pub const LOCK_TTL_S: u64 = 300;
/// Seconds between writing the lock and reading it back, in which another device's lock may arrive.
pub const SETTLE_S: u64 = 30;
/// Most bundles that one run merges.
pub const LOCK_SOURCES_MAX: usize = 1024;

/// Says who merges which bundles since when, and once there is one, what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsolidationLock {
    /// The bundles to merge.
    pub source_cids: Vec<String>,
    /// When the run began.
    pub started_at: UnixSeconds,
    /// A name drawn for the run: eight hex digits.
    pub device: String,
    /// The merged bundle, and which of the sources are in it. The reference does not write it.
    pub result: Option<LockResult>,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockResult {
    /// Id of the merged bundle.
    pub cid: String,
    /// Ids of further ones, where one that every reader can read has no room for all.
    pub more_cids: Vec<String>,
    /// The sources that are in it.
    pub merged_cids: Vec<String>,
}

impl LockResult {
    /// Ids of the merged bundles.
    pub fn cids(&self) -> impl Iterator<Item = &str> {
        core::iter::once(&self.cid)
            .chain(&self.more_cids)
            .map(String::as_str)
    }
}

impl ConsolidationLock {
    /// Reads the text of a row.
    ///
    /// # Errors
    /// [`RowError`]. More than [`LOCK_SOURCES_MAX`] bundles are no list of them.
    pub fn parse(text: &str) -> Result<Self, RowError> {
        let all = parse_object(text)?;
        let started_at = all.get("startedAt").and_then(whole_number);
        let result = match all.get("resultCid") {
            None => None,
            Some(_) => Some(LockResult {
                cid: read_text(&all, "resultCid")?,
                more_cids: match all.get("moreResultCids") {
                    None => Vec::new(),
                    Some(_) => read_texts(&all, "moreResultCids")?,
                },
                merged_cids: read_texts(&all, "mergedCids")?,
            }),
        };
        Ok(Self {
            source_cids: read_texts(&all, "sourceCids")?,
            started_at: UnixSeconds(started_at.ok_or(RowError::Field { field: "startedAt" })?),
            device: read_text(&all, "device")?,
            result,
        })
    }

    /// The text of the row in canonical JSON. The fields of the reference, and `resultCid`, `mergedCids` and, if there are
    /// any, `moreResultCids` once there is a result.
    pub fn format(&self) -> String {
        let mut all = Map::new();
        let mut set = |name: &str, value: Value| all.insert(name.to_owned(), value);
        set("sourceCids", self.source_cids.as_slice().into());
        set("startedAt", self.started_at.0.into());
        set("device", self.device.as_str().into());
        if let Some(result) = &self.result {
            set("resultCid", result.cid.as_str().into());
            set("mergedCids", result.merged_cids.as_slice().into());
            if !result.more_cids.is_empty() {
                set("moreResultCids", result.more_cids.as_slice().into());
            }
        }
        canonical_text(&Value::Object(all))
    }

    /// Whether the run may still be going on. A lock from the future is as fresh as one as far in the past, so that one
    /// wrong clock cannot stop consolidation for years.
    pub const fn is_fresh(&self, now: UnixSeconds) -> bool {
        self.started_at.0.abs_diff(now.0) < LOCK_TTL_S
    }

    /// Whether this is the lock of the same run, perhaps further on.
    pub fn is_same_run(&self, other: &Self) -> bool {
        (self.started_at, &self.device) == (other.started_at, &other.device)
    }

    /// The lock with the name of the merged bundle. It is written **before** the bundle is registered, so that recovery
    /// never has to guess. Of `merged_cids` only the sources count.
    #[must_use]
    pub fn with_result(self, cid: &str, merged_cids: &[&str]) -> Self {
        let is_merged = |source: &&String| merged_cids.contains(&source.as_str());
        let merged_cids = self.source_cids.iter().filter(is_merged).cloned().collect();
        Self {
            result: Some(LockResult {
                cid: cid.to_owned(),
                more_cids: Vec::new(),
                merged_cids,
            }),
            ..self
        }
    }

    /// The lock with the names of further merged bundles. A lock without a result stays so.
    #[must_use]
    pub fn with_more_results(mut self, cids: &[&str]) -> Self {
        if let Some(result) = &mut self.result {
            result.more_cids = cids.iter().map(|cid| (*cid).to_owned()).collect();
        }
        self
    }
}

fn read_text(all: &Map<String, Value>, field: &'static str) -> Result<String, RowError> {
    let text = all
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(RowError::Field { field })
}

fn read_texts(all: &Map<String, Value>, field: &'static str) -> Result<Vec<String>, RowError> {
    let items = all.get(field).and_then(Value::as_array);
    let items = items.filter(|items| items.len() <= LOCK_SOURCES_MAX);
    let texts = items.and_then(|items| {
        let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
        texts.collect::<Option<_>>()
    });
    texts.ok_or(RowError::Field { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> ConsolidationLock {
        ConsolidationLock {
            source_cids: vec!["a".to_owned(), "b".to_owned()],
            started_at: UnixSeconds(1000),
            device: "0a1b2c3d".to_owned(),
            result: None,
        }
    }

    #[test]
    fn a_lock_reads_back_with_and_without_a_result() {
        let lock = lock();
        assert_eq!(ConsolidationLock::parse(&lock.format()), Ok(lock.clone()));
        let named = lock.with_result("r", &["b", "elsewhere"]);
        assert_eq!(named.result.as_ref().unwrap().merged_cids, ["b"]);
        assert_eq!(ConsolidationLock::parse(&named.format()), Ok(named.clone()));
        let more = named.with_more_results(&["s"]);
        assert_eq!(ConsolidationLock::parse(&more.format()), Ok(more));
    }

    #[test]
    fn a_lock_is_fresh_for_less_than_300_seconds_in_either_direction() {
        for (now, is_fresh) in [
            (1000, true),
            (1299, true),
            (1300, false),
            (701, true),
            (700, false),
        ] {
            assert_eq!(lock().is_fresh(UnixSeconds(now)), is_fresh, "{now}");
        }
    }

    #[test]
    fn a_row_that_is_no_lock_is_refused() {
        let text = lock().format();
        for (from, to) in [
            ("\"a\"", "1"),
            ("1000", "-1"),
            ("\"0a1b2c3d\"", "\"\""),
            ("sourceCids", "sources"),
        ] {
            assert!(
                ConsolidationLock::parse(&text.replace(from, to)).is_err(),
                "{from}"
            );
        }
        let many = vec!["a".to_owned(); LOCK_SOURCES_MAX + 1];
        let long = ConsolidationLock {
            source_cids: many,
            ..lock()
        };
        assert_eq!(
            ConsolidationLock::parse(&long.format()),
            Err(RowError::Field {
                field: "sourceCids"
            })
        );
    }
}
