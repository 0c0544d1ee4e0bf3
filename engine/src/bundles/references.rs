use super::reference::BundleRef;

/// Most keys of unreadable rows that are listed; the others are counted.
pub const UNREADABLE_LISTED_MAX: usize = 100;

/// The references of a wallet, and the rows among them that are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleRefs {
    /// The references, in the order of their keys.
    pub refs: Vec<BundleRef>,
    /// Keys of the first [`UNREADABLE_LISTED_MAX`] rows that cannot be read.
    pub unreadable: Vec<String>,
    /// How many there are.
    pub unreadable_count: usize,
}

impl BundleRefs {
    /// Reads rows. One that cannot be read hides no other, and is told: it may be the only way to some tokens.
    pub fn read<'r>(rows: impl IntoIterator<Item = (&'r str, &'r str)>) -> Self {
        let mut all = Self::default();
        for (key, text) in rows {
            if let Ok(found) = BundleRef::parse_row(key, text) {
                all.refs.push(found);
                continue;
            }
            all.unreadable_count += 1;
            if all.unreadable.len() < UNREADABLE_LISTED_MAX {
                all.unreadable.push(key.to_owned());
            }
        }
        all
    }

    /// Those that count.
    pub fn active(&self) -> impl Iterator<Item = &BundleRef> {
        self.refs.iter().filter(|bundle| bundle.is_active())
    }
}

#[cfg(test)]
mod tests {
    use super::super::UnixSeconds;
    use super::*;

    #[test]
    fn a_row_that_cannot_be_read_hides_no_other_and_is_told() {
        let good = BundleRef::active("a", UnixSeconds(5));
        let (key, text) = (good.key(), good.format());
        let rows = [
            (key.as_str(), text.as_str()),
            ("tokens.bundle.b", text.as_str()),
            ("tokens.bundle.c", "{"),
        ];
        let read = BundleRefs::read(rows);
        assert_eq!(read.refs, [good]);
        assert_eq!(read.unreadable, ["tokens.bundle.b", "tokens.bundle.c"]);
        let many = BundleRefs::read(core::iter::repeat_n(("tokens.bundle.c", "{"), 101));
        assert_eq!((many.unreadable.len(), many.unreadable_count), (100, 101));
    }
}
