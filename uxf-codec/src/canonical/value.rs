use crate::element::ElementHash;

/// Any DAG-CBOR value, owned. For the cold paths: envelopes, `reason`, UXF JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer, -2^64 to 2^64-1.
    Int(i128),
    /// A finite number that is no integer within ±(2^53-1).
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An array.
    List(Vec<Self>),
    /// A map with text keys; order is the holder's, encoding sorts.
    Map(Vec<(String, Self)>),
    /// A link, as the bytes of its CID.
    Link(Vec<u8>),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The link's element, if it is a link to one.
    pub fn as_element(&self) -> Option<ElementHash> {
        match self {
            Self::Link(cid) => {
                let (prefix, digest) = cid.split_first_chunk::<4>()?;
                let digest = <[u8; 32]>::try_from(digest).ok()?;
                (*prefix == crate::element::CID_PREFIX).then(|| ElementHash::from_bytes(digest))
            }
            _ => None,
        }
    }

    /// The value under a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, v)| v),
            _ => None,
        }
    }
}
