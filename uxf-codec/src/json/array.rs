use crate::error::Error;

/// Splits the text of a JSON array into the texts of its items, without parsing them.
///
/// For files of many tokens: each item is parsed on its own, so a bad one is told by its place and does not spoil the
/// others, and the work can be shared among threads. What an item holds is not looked at beyond strings and
/// brackets; parsing it is what checks it.
///
/// ```
/// use uxf_codec::json::ArrayItems;
///
/// let items: Result<Vec<_>, _> = ArrayItems::new(br#" [ {"a": "]"} , 7 ] "#).collect();
/// assert_eq!(items.unwrap(), [&br#"{"a": "]"}"#[..], b"7"]);
///
/// let mut cut_off = ArrayItems::new(br#"[1, {"a": "#);
/// assert_eq!(cut_off.next().unwrap().unwrap(), b"1");
/// assert!(cut_off.next().unwrap().is_err());
/// assert!(cut_off.next().is_none());
/// ```
#[derive(Clone, Debug)]
pub struct ArrayItems<'a> {
    text: &'a [u8],
    at: usize,
    expects: Expects,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Open,
    FirstItem,
    Item,
    Nothing,
}

impl<'a> ArrayItems<'a> {
    /// Begins at the start of a text, which may have white space around the array.
    pub const fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            expects: Expects::Open,
        }
    }

    /// How many bytes of the text have been dealt with.
    pub const fn offset(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    const fn refuse(&self, reason: &'static str) -> Error {
        Error::MalformedJson {
            offset: self.at,
            reason,
        }
    }

    fn item(&mut self) -> Result<Option<&'a [u8]>, Error> {
        self.skip_space();
        if self.expects == Expects::Open {
            if !self.take(b'[') {
                return Err(self.refuse("expected an array"));
            }
            self.expects = Expects::FirstItem;
            self.skip_space();
        }
        if self.expects == Expects::FirstItem && self.take(b']') {
            return self.end();
        }
        let item = self.span()?;
        self.skip_space();
        if self.take(b',') {
            self.expects = Expects::Item;
        } else if self.peek() == Some(b']') {
            self.expects = Expects::Nothing;
        } else {
            return Err(self.refuse("expected a comma or the end of the array"));
        }
        Ok(Some(item))
    }

    fn end(&mut self) -> Result<Option<&'a [u8]>, Error> {
        self.expects = Expects::Nothing;
        self.skip_space();
        if self.at == self.text.len() {
            Ok(None)
        } else {
            Err(self.refuse("text after the array"))
        }
    }

    /// From here to the comma or bracket behind the item.
    fn span(&mut self) -> Result<&'a [u8], Error> {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.skip_string()?,
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b',' | b']' if depth == 0 => {
                    let item = self
                        .text
                        .get(start..self.at)
                        .unwrap_or_default()
                        .trim_ascii_end();
                    return if item.is_empty() {
                        Err(self.refuse("expected a value"))
                    } else {
                        Ok(item)
                    };
                }
                b'}' => return Err(self.refuse("a brace that was never opened")),
                _ => {}
            }
            self.at += 1;
        }
        Err(self.refuse("the text ends inside the array"))
    }

    /// From the opening quote onto the closing one.
    fn skip_string(&mut self) -> Result<(), Error> {
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', rest) {
                Some(ahead) => self.at += ahead,
                None => return Err(self.refuse("the text ends inside a string")),
            }
            if self.peek() == Some(b'"') {
                return Ok(());
            }
            self.at += 2;
        }
    }
}

impl<'a> Iterator for ArrayItems<'a> {
    type Item = Result<&'a [u8], Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.expects == Expects::Nothing {
            // The closing bracket is left for now, so that the last item comes before what may be wrong behind it.
            return if self.take(b']') {
                self.end().transpose()
            } else {
                None
            };
        }
        let item = self.item().transpose();
        if matches!(item, Some(Err(_))) {
            self.expects = Expects::Nothing;
            self.at = self.text.len();
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (Vec<&str>, bool) {
        let mut items = Vec::new();
        for item in ArrayItems::new(text.as_bytes()) {
            match item {
                Ok(item) => items.push(core::str::from_utf8(item).unwrap()),
                Err(_) => return (items, false),
            }
        }
        (items, true)
    }

    #[test]
    fn items_are_split_at_the_commas_of_the_array_alone() {
        assert_eq!(split("[]"), (vec![], true));
        assert_eq!(split(" [ ] "), (vec![], true));
        assert_eq!(
            split(r#"["a,\"]", [1,[2]], {"b":[,]}]"#),
            (vec![r#""a,\"]""#, "[1,[2]]", r#"{"b":[,]}"#], true)
        );
    }

    #[test]
    fn what_comes_before_a_fault_is_still_given() {
        assert_eq!(split("[1,2"), (vec!["1"], false));
        assert_eq!(split("[1,2] x"), (vec!["1", "2"], false));
        assert_eq!(split("[1,]"), (vec!["1"], false));
        assert_eq!(split("[1 \"2\"]"), (vec!["1 \"2\""], true));
        assert_eq!(split("[,1]"), (vec![], false));
        assert_eq!(split("[1}"), (vec![], false));
        assert_eq!(split("{}"), (vec![], false));
        assert_eq!(split(""), (vec![], false));
    }
}
