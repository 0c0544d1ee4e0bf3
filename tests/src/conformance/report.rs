use core::fmt::{self, Display};
use std::collections::BTreeMap;

use serde_json::Value;

/// Failures told in full; the others are only counted.
const TOLD_IN_FULL: usize = 20;
/// Longest text of an expected or found value that is told, in characters.
const VALUE_CHARS_MAX: usize = 400;

/// What a run found: checks passed and failed by folder and kind of file, and what it could not judge.
#[derive(Debug, Default)]
pub struct Report {
    groups: BTreeMap<Group, Tally>,
    failures: Vec<Failure>,
    not_covered: Vec<String>,
}

/// Folder and kind of file, as `uxf/expect` and `NAME.json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The folder.
    pub folder: String,
    /// The kind of file in it.
    pub kind: String,
}

/// Checks of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files looked at.
    pub files: usize,
    /// Checks that held.
    pub passed: usize,
    /// Checks that did not.
    pub failed: usize,
}

/// A check that did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The vector file.
    pub file: String,
    /// The case or field in it.
    pub case: String,
    /// What the vector says.
    pub expected: String,
    /// What this implementation says.
    pub found: String,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the checks of one file.
    pub fn file<'r>(&'r mut self, folder: &str, kind: &str, file: &str) -> Scope<'r> {
        let group = Group {
            folder: folder.to_owned(),
            kind: kind.to_owned(),
        };
        self.groups.entry(group.clone()).or_default().files += 1;
        Scope {
            report: self,
            group,
            file: file.to_owned(),
        }
    }

    /// Notes something that no check exists for.
    pub fn not_covered(&mut self, what: impl Into<String>) {
        self.not_covered.push(what.into());
    }

    /// Checks that held.
    pub fn passed(&self) -> usize {
        self.groups.values().map(|tally| tally.passed).sum()
    }

    /// Checks that did not hold.
    pub fn failed(&self) -> usize {
        self.groups.values().map(|tally| tally.failed).sum()
    }

    /// Things that no check exists for.
    pub fn uncovered(&self) -> &[String] {
        &self.not_covered
    }

    /// Whether something was checked and everything held.
    pub fn is_success(&self) -> bool {
        self.failed() == 0 && self.passed() > 0
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (group, tally) in &self.groups {
            writeln!(
                f,
                "{:<16} {:<24} {:>4} files {:>7} passed {:>6} failed",
                group.folder, group.kind, tally.files, tally.passed, tally.failed
            )?;
        }
        for failure in self.failures.iter().take(TOLD_IN_FULL) {
            writeln!(f, "\nFAILED {} : {}", failure.file, failure.case)?;
            writeln!(f, "  expected {}", failure.expected)?;
            writeln!(f, "  found    {}", failure.found)?;
        }
        if let Some(rest) = self
            .failures
            .get(TOLD_IN_FULL..)
            .filter(|rest| !rest.is_empty())
        {
            let mut by_file = BTreeMap::<&str, usize>::new();
            for failure in rest {
                *by_file.entry(&failure.file).or_default() += 1;
            }
            writeln!(f, "\nand {} more:", rest.len())?;
            for (file, count) in by_file {
                writeln!(f, "  {count:>5} in {file}")?;
            }
        }
        for what in &self.not_covered {
            writeln!(f, "not covered yet: {what}")?;
        }
        write!(
            f,
            "{} passed, {} failed, {} not covered yet",
            self.passed(),
            self.failed(),
            self.not_covered.len()
        )
    }
}

/// The checks of one file.
#[derive(Debug)]
pub struct Scope<'r> {
    report: &'r mut Report,
    group: Group,
    file: String,
}

impl Scope<'_> {
    fn tally(&mut self) -> &mut Tally {
        self.report.groups.entry(self.group.clone()).or_default()
    }

    /// Counts a check that held.
    pub fn pass(&mut self) {
        self.tally().passed += 1;
    }

    /// Counts and keeps a check that did not hold.
    pub fn fail(&mut self, case: impl Into<String>, expected: impl Display, found: impl Display) {
        self.tally().failed += 1;
        let failure = Failure {
            file: self.file.clone(),
            case: case.into(),
            expected: shorten(&expected.to_string()),
            found: shorten(&found.to_string()),
        };
        self.report.failures.push(failure);
    }

    /// Checks that two values show the same.
    pub fn equal(&mut self, case: &str, expected: impl Display, found: impl Display) {
        let (expected, found) = (expected.to_string(), found.to_string());
        if expected == found {
            self.pass();
        } else {
            let (expected, found) = from_difference(&expected, &found);
            self.fail(case, expected, found);
        }
    }

    /// Checks bytes, telling where they part.
    pub fn same_bytes(&mut self, case: &str, expected: &[u8], found: &[u8]) {
        if expected == found {
            self.pass();
            return;
        }
        let at = expected
            .iter()
            .zip(found)
            .take_while(|(a, b)| a == b)
            .count();
        let tell = |bytes: &[u8]| {
            let rest = bytes.get(at..).unwrap_or_default();
            let rest = rest.get(..40).unwrap_or(rest);
            format!(
                "{} bytes, from {at} on: {}",
                bytes.len(),
                const_hex::encode(rest)
            )
        };
        self.fail(case, tell(expected), tell(found));
    }

    /// Checks a field of the expectation if it has it. Order of keys does not matter.
    pub fn field(&mut self, expected: &Value, name: &str, found: impl Into<Value>) {
        if let Some(expected) = expected.get(name) {
            let found = super::json::sorted_text(&found.into());
            self.equal(name, super::json::sorted_text(expected), found);
        }
    }

    /// Checks a result that should have been a value.
    pub fn value<T>(&mut self, case: &str, result: Result<T, impl Display>) -> Option<T> {
        match result {
            Ok(value) => {
                self.pass();
                Some(value)
            }
            Err(error) => {
                self.fail(case, "a value", format!("error: {error}"));
                None
            }
        }
    }

    /// Notes top-level fields that are neither checked nor known to be mere information.
    pub fn known_fields(&mut self, expected: &Value, known: &[&str]) {
        let fields = expected.as_object().into_iter().flatten();
        for (name, _) in fields.filter(|(name, _)| !known.contains(&name.as_str())) {
            let what = format!("{} field {name}", self.file);
            self.report.not_covered(what);
        }
    }

    /// Notes a part of this file that no check exists for.
    pub fn not_covered(&mut self, what: &str) {
        let what = format!("{} {what}", self.file);
        self.report.not_covered(what);
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The parts of two long texts from a little before where they part.
fn from_difference(a: &str, b: &str) -> (String, String) {
    const BEFORE: usize = 60;
    let at = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    if at <= BEFORE {
        return (a.to_owned(), b.to_owned());
    }
    let tail = |text: &str| {
        let rest: String = text.chars().skip(at - BEFORE).collect();
        format!("(from character {}) …{rest}", at - BEFORE)
    };
    (tail(a), tail(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_ends_with_its_three_counts_and_fails_if_one_check_failed() {
        let mut report = Report::new();
        assert!(!report.is_success(), "nothing was checked");
        let mut scope = report.file("uxf/x", "NAME.json", "uxf/x/a.json");
        scope.equal("same", 1, 1);
        assert!(report.is_success());
        let mut scope = report.file("uxf/x", "NAME.json", "uxf/x/b.json");
        scope.equal("differs", 1, 2);
        scope.not_covered("the rest");
        assert!(!report.is_success());
        let text = report.to_string();
        assert!(
            text.ends_with("\n1 passed, 1 failed, 1 not covered yet"),
            "{text}"
        );
        assert!(text.contains("FAILED uxf/x/b.json : differs"), "{text}");
    }

    #[test]
    fn failures_beyond_the_first_are_counted_by_file() {
        let mut report = Report::new();
        let mut scope = report.file("f", "k", "f/many.json");
        for number in 0..30 {
            scope.fail(format!("case {number}"), "x", "y");
        }
        let text = report.to_string();
        assert_eq!(text.matches("FAILED").count(), TOLD_IN_FULL);
        assert!(text.contains("10 in f/many.json"), "{text}");
    }
}
