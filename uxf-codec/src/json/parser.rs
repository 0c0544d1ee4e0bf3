use memchr::memchr2;

use super::node::Kind;
use super::number;
use super::tape::Entry;
use crate::error::Error;
use crate::limits::NESTING_MAX;

/// One pass over a text, the open arrays and objects on a stack of their own.
pub(super) struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether any byte is below 0x20. In a compact text none is, and then no string needs to be searched for one.
    has_control: bool,
    entries: &'a mut Vec<Entry>,
    open: &'a mut Vec<u32>,
}

type Result<T> = core::result::Result<T, Error>;

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, entries: &'a mut Vec<Entry>, open: &'a mut Vec<u32>) -> Self {
        let text = text.as_bytes();
        Self {
            text,
            at: 0,
            has_control: text.iter().copied().fold(0xff, u8::min) < 0x20,
            entries,
            open,
        }
    }

    pub(super) fn run(mut self) -> Result<()> {
        loop {
            self.begin_value()?;
            if !self.is_value_expected()? {
                break;
            }
        }
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.refuse("text after the end"))
        }
    }

    #[cold]
    fn refuse(&self, reason: &'static str) -> Error {
        Error::MalformedJson {
            offset: self.at,
            reason,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, escaped: bool) {
        let next = to_u32(self.entries.len()) + 1;
        self.entries.push(Entry {
            start: to_u32(start),
            end: to_u32(end),
            next,
            kind,
            escaped,
        });
    }

    /// Reads a scalar whole, or the beginning of an array or object up to its first value.
    fn begin_value(&mut self) -> Result<()> {
        loop {
            self.skip_space();
            match self.peek() {
                Some(b'"') => return self.string(),
                Some(b'{') => {
                    self.begin(Kind::Object)?;
                    self.skip_space();
                    if self.peek() == Some(b'}') {
                        self.close();
                        return Ok(());
                    }
                    self.key()?;
                }
                Some(b'[') => {
                    self.begin(Kind::Array)?;
                    self.skip_space();
                    if self.peek() == Some(b']') {
                        self.close();
                        return Ok(());
                    }
                }
                Some(b'-' | b'0'..=b'9') => return self.number(),
                Some(b't') => return self.word(b"true", Kind::Bool),
                Some(b'f') => return self.word(b"false", Kind::Bool),
                Some(b'n') => return self.word(b"null", Kind::Null),
                Some(_) => return Err(self.refuse("expected a value")),
                None => return Err(self.refuse("the text ends too early")),
            }
        }
    }

    /// Behind a value: closes what ends here. Whether another value follows.
    fn is_value_expected(&mut self) -> Result<bool> {
        while let Some(&container) = self.open.last() {
            let is_object = self
                .entries
                .get(container as usize)
                .is_some_and(|entry| entry.kind == Kind::Object);
            self.skip_space();
            match (self.peek(), is_object) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.skip_space();
                    self.key()?;
                    return Ok(true);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                (None, _) => return Err(self.refuse("the text ends too early")),
                (_, true) => return Err(self.refuse("expected , or }")),
                (_, false) => return Err(self.refuse("expected , or ]")),
            }
        }
        Ok(false)
    }

    fn begin(&mut self, kind: Kind) -> Result<()> {
        if self.open.len() >= NESTING_MAX {
            return Err(self.refuse("nested too deeply"));
        }
        self.open.push(to_u32(self.entries.len()));
        self.push(kind, self.at, self.at, false);
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        let next = to_u32(self.entries.len());
        if let Some(entry) = self
            .open
            .pop()
            .and_then(|open| self.entries.get_mut(open as usize))
        {
            entry.end = to_u32(self.at);
            entry.next = next;
        }
    }

    fn key(&mut self) -> Result<()> {
        if self.peek() != Some(b'"') {
            return Err(self.refuse("expected a key in quotes"));
        }
        self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.refuse("expected : behind a key"));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<()> {
        if !self.rest().starts_with(word) {
            return Err(self.refuse("expected a value"));
        }
        self.push(kind, self.at, self.at + word.len(), false);
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        match number::length(self.rest()) {
            Some(len) => {
                self.push(Kind::Number, self.at, self.at + len, false);
                self.at += len;
                Ok(())
            }
            None => Err(self.refuse("not a JSON number")),
        }
    }

    /// Reads a string from its opening quote.
    fn string(&mut self) -> Result<()> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let Some(len) = plain_len(self.rest()) else {
                self.at = self.text.len();
                return Err(self.refuse("the text ends within a string"));
            };
            self.at += len;
            if self.peek() == Some(b'"') {
                break;
            }
            escaped = true;
            self.escape()?;
        }
        if self.has_control {
            self.refuse_control(start)?;
        }
        self.push(Kind::Text, start, self.at, escaped);
        self.at += 1;
        Ok(())
    }

    fn refuse_control(&mut self, start: usize) -> Result<()> {
        let content = self.text.get(start..self.at).unwrap_or_default();
        match content.iter().position(|byte| *byte < 0x20) {
            None => Ok(()),
            Some(offset) => {
                self.at = start + offset;
                Err(self.refuse("a control character within a string"))
            }
        }
    }

    fn escape(&mut self) -> Result<()> {
        let len = match self.rest() {
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => 2,
            [b'\\', b'u', a, b, c, d, ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                6
            }
            _ => return Err(self.refuse("an escape that does not exist")),
        };
        self.at += len;
        Ok(())
    }
}

/// Bytes in front of the next quote or backslash.
///
/// Keys and short values end within two words; only what is longer pays for the call of a vector search.
fn plain_len(rest: &[u8]) -> Option<usize> {
    let (words, _) = rest.as_chunks::<8>();
    for (index, word) in words.iter().take(2).enumerate() {
        let found = quotes_in(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let skipped = 8 * words.len().min(2);
    memchr2(b'"', b'\\', rest.get(skipped..)?).map(|at| skipped + at)
}

/// The high bit of the first byte of a word that is a quote or a backslash; bits above it may be wrong.
const fn quotes_in(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (LOW * b'"' as u64);
    let backslash = word ^ (LOW * b'\\' as u64);
    ((quote.wrapping_sub(LOW) & !quote) | (backslash.wrapping_sub(LOW) & !backslash)) & HIGH
}

/// Offsets and counts of a text that is shorter than 4 GiB.
fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
