//! Reads a fuzzer's bytes as decisions. Bytes that ran out are zeros, so every input is some recipe.

use uxf_codec::canonical::Value;
use uxf_codec::{Child, Element, ElementHash, ElementType, Header, InstanceKind};

#[derive(Debug)]
pub(super) struct Recipe<'a> {
    rest: &'a [u8],
}

impl<'a> Recipe<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.rest.split_off_first().copied().unwrap_or(0)
    }

    pub(super) fn number(&mut self) -> usize {
        usize::from(self.byte()) | usize::from(self.byte()) << 8
    }

    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// One of several things; `None` if there are none.
    pub(super) fn one_of<T: Copy>(&mut self, things: &[T]) -> Option<T> {
        let at = self.number().checked_rem(things.len())?;
        things.get(at).copied()
    }

    /// An element whose children are some of those known already. It need make no sense as a token.
    pub(super) fn element(&mut self, known: &[ElementHash]) -> Element {
        let element_type = self
            .one_of(&ElementType::ALL)
            .unwrap_or(ElementType::TokenRoot);
        let flags = self.byte();
        let predecessor = (flags & 1 != 0).then(|| self.one_of(known)).flatten();
        let content = element_type.content_order().iter().filter_map(|name| {
            let value = self.content(element_type, name, known)?;
            Some(((*name).to_owned(), value))
        });
        let content = content.collect();
        let children = element_type.child_order().iter().filter_map(|role| {
            let child = self.child(role, known)?;
            Some(((*role).to_owned(), child))
        });
        Element {
            children: children.collect(),
            header: Header {
                representation: 1,
                semantics: 1,
                kind: InstanceKind::default(),
                predecessor,
            },
            element_type,
            content,
        }
    }

    fn content(
        &mut self,
        element_type: ElementType,
        name: &str,
        known: &[ElementHash],
    ) -> Option<Value> {
        let how = self.byte();
        if how & 0x0f == 0x0f {
            return None;
        }
        let len = usize::from(how >> 4);
        Some(match name {
            "nametagRefs" => {
                let refs = (0..len).filter_map(|_| self.one_of(known));
                Value::List(refs.map(|hash| Value::Text(hash.to_string())).collect())
            }
            "coinData" | "entries" => Value::List(vec![Value::List(vec![
                Value::Text(const_hex::encode(self.take(len))),
                Value::Text(len.to_string()),
            ])]),
            "cbor" if how & 1 == 0 => Value::Text("8241008181420140".to_owned()),
            "reason" => Value::Bytes(self.take(len).to_vec()),
            "tokenId" => Value::Text(const_hex::encode([how; 32])),
            _ if element_type.byte_fields().contains(&name) => match how & 0x0e {
                0 => Value::Null,
                _ => Value::Text(const_hex::encode(self.take(len))),
            },
            _ if how & 1 == 0 => Value::Text(String::from_utf8_lossy(self.take(len)).into_owned()),
            _ => Value::Int(i128::from(how)),
        })
    }

    fn child(&mut self, role: &str, known: &[ElementHash]) -> Option<Child> {
        let how = self.byte();
        let is_many = matches!(role, "transactions" | "nametags");
        Some(match how & 0x07 {
            7 => return None,
            6 => Child::Absent,
            // Now and then a list where one belongs, and the other way round.
            5 => Child::Many((0..how >> 4).filter_map(|_| self.one_of(known)).collect()),
            4 => self.one_of(known).map_or(Child::Absent, Child::One),
            _ if is_many => Child::Many((0..how >> 4).filter_map(|_| self.one_of(known)).collect()),
            _ => self.one_of(known).map_or(Child::Absent, Child::One),
        })
    }
}
