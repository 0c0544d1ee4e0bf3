use super::ElementView;
use crate::element::ElementHash;
use crate::error::Error;

/// An element that has been read and hashed. Only this crate makes one, so whoever holds it need do neither again.
///
/// ```
/// use uxf_codec::ElementHash;
/// use uxf_codec::canonical::VerifiedElement;
///
/// let bytes = b"\xa4\x64type\x06\x66header\x84\x01\x01\x67default\xf6\x67content\xa0\x68children\xa0";
/// let element = VerifiedElement::read(bytes).unwrap();
/// assert_eq!(element.hash(), ElementHash::of(bytes));
/// assert!(VerifiedElement::read(&bytes[1..]).is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct VerifiedElement<'a> {
    hash: ElementHash,
    view: ElementView<'a>,
    bytes: &'a [u8],
}

impl<'a> VerifiedElement<'a> {
    /// Reads and hashes canonical bytes.
    ///
    /// # Errors
    /// Those of [`ElementView::parse`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let view = ElementView::parse(bytes)?;
        Ok(Self {
            hash: ElementHash::of(bytes),
            view,
            bytes,
        })
    }

    /// Reads and hashes many, which takes less time than one after the other.
    ///
    /// ```
    /// use uxf_codec::canonical::VerifiedElement;
    ///
    /// let bytes = b"\xa4\x64type\x06\x66header\x84\x01\x01\x67default\xf6\x67content\xa0\x68children\xa0";
    /// let all = VerifiedElement::read_each(&[bytes, bytes]).unwrap();
    /// assert_eq!(all[1].hash(), VerifiedElement::read(bytes).unwrap().hash());
    /// assert!(VerifiedElement::read_each(&[bytes, b"no element"]).is_err());
    /// ```
    ///
    /// # Errors
    /// Those of [`ElementView::parse`], for the first that is no element.
    pub fn read_each(all: &[&'a [u8]]) -> Result<Vec<Self>, Error> {
        let mut hashes = Vec::with_capacity(all.len());
        ElementHash::of_each(all, &mut hashes);
        let read = all.iter().zip(hashes).map(|(&bytes, hash)| {
            let view = ElementView::parse(bytes)?;
            Ok(Self { hash, view, bytes })
        });
        read.collect()
    }

    /// Reads bytes that must have a hash known beforehand.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] if they have another; those of [`ElementView::parse`].
    pub fn expect(bytes: &'a [u8], hash: ElementHash) -> Result<Self, Error> {
        Self::read(bytes)?.claimed(hash)
    }

    /// The same for bytes that have been hashed already and have the hash `found`.
    pub(crate) fn expect_found(
        bytes: &'a [u8],
        hash: ElementHash,
        found: ElementHash,
    ) -> Result<Self, Error> {
        let view = ElementView::parse(bytes)?;
        Self {
            hash: found,
            view,
            bytes,
        }
        .claimed(hash)
    }

    fn claimed(self, hash: ElementHash) -> Result<Self, Error> {
        if self.hash == hash {
            return Ok(self);
        }
        Err(Error::VerificationFailed {
            at: format!("element {hash}"),
            reason: format!("its bytes have the hash {}", self.hash),
        })
    }

    /// Its address.
    pub const fn hash(&self) -> ElementHash {
        self.hash
    }

    /// What it says.
    pub const fn view(&self) -> &ElementView<'a> {
        &self.view
    }

    /// Its canonical bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}
