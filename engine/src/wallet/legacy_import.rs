use core::fmt;

use serde_json::{Value, json};
use uxf_codec::json::Node;

use super::views::TokenFile;
use super::{
    Holdings, ImportMode, IncomingToken, Verdict, VerdictClass, VerdictCode, VerdictTally,
    import_token,
};

/// Most rejections that a report lists; the others are counted.
pub const REJECTIONS_LISTED_MAX: usize = 100;

/// What moving the tokens of a legacy wallet in came to (profile notes, section 9.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegacyImportReport {
    /// Why the source could not be read; nothing was done then.
    pub error: Option<String>,
    /// Tokens that were offered: active and archived ones that have an id, a state and a genesis.
    pub found: u64,
    /// Forks, which are left where they are.
    pub forks_skipped: u64,
    /// What stands under the key of a token and was not offered, because it has no id, no state or no genesis. The
    /// reference does not count it, and so lets it be deleted with the rest.
    pub not_offered: u64,
    /// Verdicts by class and code.
    pub tally: VerdictTally,
    /// The first [`REJECTIONS_LISTED_MAX`] rejections.
    pub rejections: Vec<Verdict>,
    /// How long it took, in milliseconds. The caller's to fill in.
    pub duration_ms: u64,
}

impl LegacyImportReport {
    /// Whether the source could be read.
    pub const fn is_success(&self) -> bool {
        self.error.is_none()
    }

    /// Whether there were more rejections than are listed.
    pub fn is_truncated(&self) -> bool {
        self.tally.of_class(VerdictClass::Rejected) > self.rejections.len() as u64
    }

    /// Whether everything of the source that could be a token is in the wallet at that very state, or was spent, so that
    /// the source is not needed any more.
    pub fn is_complete(&self) -> bool {
        let settled = [
            VerdictCode::Added,
            VerdictCode::StateReplaced,
            VerdictCode::Duplicate,
            VerdictCode::Tombstoned,
        ];
        let settled: u64 = settled.map(|code| self.tally.of_code(code)).iter().sum();
        let left_behind = self.forks_skipped + self.not_offered;
        self.is_success() && left_behind == 0 && settled == self.found
    }

    /// The report in the shape of the reference.
    pub fn to_json(&self) -> Value {
        let skipped = [
            VerdictCode::Duplicate,
            VerdictCode::Tombstoned,
            VerdictCode::GenesisExists,
            VerdictCode::Unknown,
        ];
        let skipped =
            skipped.map(|code| (code.as_str().to_owned(), self.tally.of_code(code).into()));
        let rejections = self.rejections.iter().map(|verdict| {
            json!({ "genesisTokenId": verdict.token_id, "code": verdict.code.as_str(), "reason": verdict.note })
        });
        let mut all = json!({
            "success": self.is_success(),
            "tokensFound": self.found,
            "forksSkipped": self.forks_skipped,
            "tokensAdded": self.tally.of_class(VerdictClass::Added),
            "tokensSkipped": self.tally.of_class(VerdictClass::Skipped),
            "tokensRejected": self.tally.of_class(VerdictClass::Rejected),
            "rejections": rejections.collect::<Vec<_>>(),
            "rejectionsTruncated": self.is_truncated(),
            "skippedByCode": Value::Object(skipped.into_iter().collect()),
            "durationMs": self.duration_ms,
        });
        if let (Some(error), Some(all)) = (&self.error, all.as_object_mut()) {
            all.insert("error".to_owned(), error.as_str().into());
        }
        all
    }
}

/// What a legacy import does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegacyImportOptions {
    /// Only count what would be offered.
    pub dry_run: bool,
}

/// Moves the tokens of a legacy wallet in: the active ones, then the archived ones, always strictly. The source is only
/// read; forks are counted and stay; what is no token is not offered. What was spent, the wallet finds out anew.
///
/// ```
/// use uxf_codec::json::Tape;
/// use uxf_engine::wallet::{LegacyImportOptions, MemoryHoldings, import_legacy};
///
/// let file = br#"{"_t":{"genesis":{"data":{"tokenId":"t"}},"state":{}},"_forked_x":{},"_outbox":[]}"#;
/// let mut tape = Tape::new();
/// let file = tape.parse(file).unwrap();
/// let report = import_legacy(Ok::<_, &str>(file), &mut MemoryHoldings::default(), LegacyImportOptions::default());
/// assert_eq!((report.found, report.forks_skipped), (1, 1));
/// assert!(!report.is_complete(), "a fork is left behind");
/// ```
pub fn import_legacy<H: Holdings>(
    source: Result<Node<'_>, impl fmt::Display>,
    wallet: &mut H,
    options: LegacyImportOptions,
) -> LegacyImportReport {
    let mut report = LegacyImportReport::default();
    let file = match source {
        Ok(file) => TokenFile::new(file),
        Err(error) => {
            report.error = Some(error.to_string());
            return report;
        }
    };
    report.forks_skipped = file.forks() as u64;
    report.not_offered = file.unreadable() as u64;
    for (_, token) in file.active().iter().chain(file.archived()) {
        if IncomingToken::new(*token).is_none() {
            report.not_offered += 1;
            continue;
        }
        report.found += 1;
        if options.dry_run {
            continue;
        }
        let verdict = import_token(token.node(), wallet, ImportMode::Strict);
        report.tally.count(verdict.code);
        let is_rejected = verdict.code.class() == VerdictClass::Rejected;
        if is_rejected && report.rejections.len() < REJECTIONS_LISTED_MAX {
            report.rejections.push(verdict);
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::{HeldToken, MemoryHoldings, Taken};
    use uxf_codec::json::Tape;

    fn file(tokens: usize) -> String {
        let token = |n| {
            format!(
                r#""_t{n}":{{"genesis":{{"data":{{"tokenId":"t{n}"}}}},"state":{{}},"transactions":[]}}"#
            )
        };
        let tokens: Vec<_> = (0..tokens).map(token).collect();
        format!("{{{}}}", tokens.join(","))
    }

    /// A store that can take nothing apart.
    struct Picky;

    impl Holdings for Picky {
        type Error = core::convert::Infallible;

        fn held(&self, _: &str) -> Result<Option<HeldToken>, Self::Error> {
            Ok(None)
        }

        fn is_spent(&self, _: &str, _: &str) -> Result<bool, Self::Error> {
            Ok(false)
        }

        fn take(&mut self, _: &IncomingToken<'_>) -> Result<Taken, Self::Error> {
            Ok(Taken::Unreadable)
        }
    }

    #[test]
    fn the_hundred_and_first_rejection_is_counted_and_not_listed() {
        for (tokens, is_truncated) in [(100, false), (101, true)] {
            let text = file(tokens);
            let mut tape = Tape::new();
            let node = tape.parse(text.as_bytes());
            let report = import_legacy(node, &mut Picky, LegacyImportOptions::default());
            assert_eq!(report.rejections.len(), 100);
            assert_eq!(report.is_truncated(), is_truncated);
            assert!(!report.is_complete());
        }
    }

    #[test]
    fn importing_again_finds_everything_there() {
        let text = file(3);
        let mut tape = Tape::new();
        let node = tape.parse(text.as_bytes()).unwrap();
        let mut wallet = MemoryHoldings::default();
        let mut run = |options| import_legacy(Ok::<_, &str>(node), &mut wallet, options);
        let dry = run(LegacyImportOptions { dry_run: true });
        assert_eq!((dry.found, dry.tally), (3, VerdictTally::default()));
        let first = run(LegacyImportOptions::default());
        assert_eq!(first.tally.of_code(VerdictCode::Added), 3);
        let second = run(LegacyImportOptions::default());
        assert_eq!(second.tally.of_code(VerdictCode::Duplicate), 3);
        assert!(second.is_complete());
    }

    #[test]
    fn a_source_with_something_that_was_not_offered_is_still_needed() {
        for odd in [r#"{"_t":null}"#, r#"{"archived-t":{"genesis":{}}}"#] {
            let mut tape = Tape::new();
            let node = tape.parse(odd.as_bytes());
            let mut wallet = MemoryHoldings::default();
            let report = import_legacy(node, &mut wallet, LegacyImportOptions::default());
            assert_eq!((report.found, report.not_offered), (0, 1));
            assert!(report.is_success() && !report.is_complete());
        }
    }

    #[test]
    fn a_source_with_another_state_of_a_token_that_is_held_is_still_needed() {
        let text = file(1);
        let mut tape = Tape::new();
        let node = tape.parse(text.as_bytes()).unwrap();
        let mut wallet = MemoryHoldings::default();
        let mut other = Tape::new();
        let minted = br#"{"genesis":{"data":{"tokenId":"t0"}},"state":{},"transactions":[{"newStateHash":"s"}]}"#;
        import_token(
            other.parse(minted).unwrap(),
            &mut wallet,
            ImportMode::Strict,
        );
        let report = import_legacy(
            Ok::<_, &str>(node),
            &mut wallet,
            LegacyImportOptions::default(),
        );
        assert_eq!(report.tally.of_code(VerdictCode::GenesisExists), 1);
        assert!(!report.is_complete());
    }

    #[test]
    fn a_source_that_cannot_be_read_is_told_and_nothing_else() {
        let mut wallet = MemoryHoldings::default();
        let report = import_legacy(
            Err("disk error"),
            &mut wallet,
            LegacyImportOptions::default(),
        );
        assert!(!report.is_success() && !report.is_complete());
        assert_eq!(report.to_json()["error"], "disk error");
    }
}
