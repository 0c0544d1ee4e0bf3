use cid::Cid;
use cid::multihash::Multihash;

use super::varint::read_varint;
use crate::element::{CID_PREFIX, ElementHash};
use crate::error::Error;

/// The CID in front of a block, borrowed from the archive.
///
/// Any CID that the framing allows; [`BlockCid::element_hash`] applies the rules for elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCid<'a> {
    version: u8,
    codec: u64,
    hash_code: u64,
    digest: &'a [u8],
}

/// Where the parts of a CID lie, for holders that cannot keep a borrow.
#[derive(Clone, Copy, Debug)]
pub(super) struct CidShape {
    version: u8,
    codec: u64,
    hash_code: u64,
    digest_start: usize,
    /// Length of the whole CID; the digest is its end.
    pub(super) len: usize,
}

const DAG_PB: u64 = 0x70;
const DAG_CBOR: u64 = 0x71;
const SHA2_256: u64 = 0x12;

impl CidShape {
    /// Reads the CID that `bytes` begin with.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        const ENDS: &str = "a CID that does not end within its section";
        if bytes.starts_with(&CID_PREFIX) && bytes.len() >= 36 {
            return Ok(Self {
                version: 1,
                codec: DAG_CBOR,
                hash_code: SHA2_256,
                digest_start: 4,
                len: 36,
            });
        }
        if bytes.starts_with(&[0x12, 0x20]) {
            return (bytes.len() >= 34)
                .then_some(Self {
                    version: 0,
                    codec: DAG_PB,
                    hash_code: SHA2_256,
                    digest_start: 2,
                    len: 34,
                })
                .ok_or(ENDS);
        }
        let mut at = 0;
        let mut next = || {
            let (value, len) = bytes.get(at..).and_then(read_varint)?;
            at += len;
            Some(value)
        };
        if next().ok_or(ENDS)? != 1 {
            return Err("an unknown CID version");
        }
        let codec = next().ok_or(ENDS)?;
        let hash_code = next().ok_or(ENDS)?;
        let digest_len = usize::try_from(next().ok_or(ENDS)?).map_err(|_| ENDS)?;
        let len = at.checked_add(digest_len).ok_or(ENDS)?;
        (len <= bytes.len())
            .then_some(Self {
                version: 1,
                codec,
                hash_code,
                digest_start: at,
                len,
            })
            .ok_or(ENDS)
    }

    /// The CID whose shape this is; `section` is what it was read from.
    pub(super) fn of(self, section: &[u8]) -> BlockCid<'_> {
        BlockCid {
            version: self.version,
            codec: self.codec,
            hash_code: self.hash_code,
            digest: section.get(self.digest_start..self.len).unwrap_or_default(),
        }
    }
}

impl<'a> BlockCid<'a> {
    /// The digest.
    pub const fn digest(&self) -> &'a [u8] {
        self.digest
    }

    /// The element this CID is the address of.
    ///
    /// # Errors
    /// [`Error::Serialization`] unless the codec is dag-cbor, the multihash sha2-256 and the digest 32 bytes long.
    pub fn element_hash(&self) -> Result<ElementHash, Error> {
        if let (DAG_CBOR, SHA2_256, Ok(digest)) = (
            self.codec,
            self.hash_code,
            <[u8; 32]>::try_from(self.digest),
        ) {
            return Ok(ElementHash::from_bytes(digest));
        }
        match self.to_cid() {
            Some(cid) => ElementHash::from_cid(&cid),
            None => Err(Error::Serialization {
                at: "CID of a block".to_owned(),
                reason: format!("a digest of {} bytes", self.digest.len()),
            }),
        }
    }

    /// Whether this is the given CID: same version, codec and multihash.
    pub fn is(&self, cid: &Cid) -> bool {
        self.digest == cid.hash().digest()
            && self.hash_code == cid.hash().code()
            && self.codec == cid.codec()
            && u64::from(self.version) == u64::from(cid.version())
    }

    /// The owned form; `None` if the digest is longer than any that is in use.
    pub fn to_cid(self) -> Option<Cid> {
        let multihash = Multihash::wrap(self.hash_code, self.digest).ok()?;
        match self.version {
            0 => Cid::new_v0(multihash).ok(),
            _ => Some(Cid::new_v1(self.codec, multihash)),
        }
    }
}

/// Whether bytes have the digest that a CID claims. Any codec will do.
pub(super) fn check_block_hash(bytes: &[u8], cid: &Cid, what: &'static str) -> Result<(), Error> {
    let refuse = |reason: String| {
        Err(Error::VerificationFailed {
            at: format!("{what} block {cid}"),
            reason,
        })
    };
    if cid.hash().code() != SHA2_256 {
        return refuse(format!(
            "expected a sha2-256 multihash 0x12, found {:#x}",
            cid.hash().code()
        ));
    }
    let found = ElementHash::of(bytes);
    if found.as_bytes() == cid.hash().digest() {
        Ok(())
    } else {
        refuse(format!("its bytes have the hash {found}"))
    }
}
