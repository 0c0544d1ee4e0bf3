//! Inclusion proofs and their parts.

use super::Work;
use super::encoder::{Encoder, Mark, Place};
use super::fields::{NoValue, any_value, hex_field, present};
use crate::canonical::Writer;
use crate::element::{ElementHash, ElementType};
use crate::error::Error;
use crate::json::Node;
use crate::token::smt_path;

/// The certificate met last. Tokens of one round share theirs, so that neighbours mostly need no second hash.
#[derive(Debug, Default)]
pub(super) struct LastCertificate {
    /// Its hex in JSON.
    text: String,
    /// Its canonical bytes.
    bytes: Vec<u8>,
    /// Its hash, once it has been calculated.
    hash: Option<ElementHash>,
    /// Where it stands among the elements that are not yet handed over.
    place: Option<Place>,
}

impl LastCertificate {
    /// Keeps what may serve again once all elements have been hashed and handed over.
    pub(super) fn keep_after_flush(&mut self, encoder: &Encoder) {
        if let Some(place) = self.place.take() {
            self.hash = Some(encoder.hash(place));
        }
    }

    /// Forgets a certificate that stood behind a mark which the elements have been cut back to.
    pub(super) fn truncate(&mut self, mark: Mark) {
        if self.place.is_some_and(|place| place.index() >= mark.drafts) {
            *self = Self::default();
        }
    }
}

impl Work {
    pub(super) fn proof(&mut self, proof: Node<'_>) -> Result<Place, Error> {
        self.write_proof(proof)
            .map_err(|fault| fault.within("inclusionProof"))
    }

    fn write_proof(&mut self, proof: Node<'_>) -> Result<Place, Error> {
        let [authenticator, path, transaction_hash, certificate] = proof.fields([
            "authenticator",
            "merkleTreePath",
            "transactionHash",
            "unicityCertificate",
        ]);
        let authenticator = match present(authenticator) {
            Some(authenticator) => {
                Some(self.authenticator(ElementType::Authenticator, authenticator)?)
            }
            None => None,
        };
        let path = self.path(path)?;
        let certificate = self.certificate(certificate)?;
        let encoder = self.encoder.begin(ElementType::InclusionProof);
        encoder.literal(b"\xa1\x6ftransactionHash");
        let no_hash = hex_field(
            &mut encoder.bytes,
            "transactionHash",
            transaction_hash,
            NoValue::StaysAsItIs,
        )?;
        Ok(encoder
            .literal(b"\x68children\xa3\x6dauthenticator")
            .child(authenticator)
            .literal(b"\x6emerkleTreePath")
            .child(Some(path))
            .literal(b"\x72unicityCertificate")
            .child(Some(certificate))
            .finish(ElementType::InclusionProof, no_hash.into()))
    }

    /// An authenticator of either type; both hold the same.
    pub(super) fn authenticator(
        &mut self,
        element_type: ElementType,
        authenticator: Node<'_>,
    ) -> Result<Place, Error> {
        let empty_text = self
            .write_authenticator(element_type, authenticator)
            .map_err(|fault| fault.within("authenticator"))?;
        Ok(self
            .encoder
            .literal(b"\x68children\xa0")
            .finish(element_type, empty_text))
    }

    fn write_authenticator(
        &mut self,
        element_type: ElementType,
        authenticator: Node<'_>,
    ) -> Result<u8, Error> {
        let [algorithm, public_key, signature, state_hash] =
            authenticator.fields(["algorithm", "publicKey", "signature", "stateHash"]);
        let encoder = self.encoder.begin(element_type);
        encoder.bytes.push(0xa3 + u8::from(algorithm.is_some()));
        if let Some(algorithm) = algorithm {
            encoder.literal(b"\x69algorithm");
            any_value(&mut encoder.bytes, algorithm).map_err(|fault| fault.within("algorithm"))?;
        }
        encoder.literal(b"\x69publicKey");
        let no_key = hex_field(
            &mut encoder.bytes,
            "publicKey",
            public_key,
            NoValue::IsEmptyText,
        )?;
        encoder.literal(b"\x69signature");
        let no_signature = hex_field(
            &mut encoder.bytes,
            "signature",
            signature,
            NoValue::IsEmptyText,
        )?;
        encoder.literal(b"\x69stateHash");
        let no_state = hex_field(
            &mut encoder.bytes,
            "stateHash",
            state_hash,
            NoValue::IsEmptyText,
        )?;
        Ok(u8::from(no_key) | u8::from(no_signature) << 1 | u8::from(no_state) << 2)
    }

    fn path(&mut self, path: Option<Node<'_>>) -> Result<Place, Error> {
        smt_path::encode(&mut self.blob, &mut self.limbs, path)
            .map_err(|fault| fault.within("merkleTreePath"))?;
        let encoder = self.encoder.begin(ElementType::SmtPath);
        encoder.literal(b"\xa1\x64cbor");
        Writer::new(&mut encoder.bytes).bytes(&self.blob);
        Ok(encoder
            .literal(b"\x68children\xa0")
            .finish(ElementType::SmtPath, 0))
    }

    fn certificate(&mut self, certificate: Option<Node<'_>>) -> Result<Place, Error> {
        let text = certificate
            .and_then(|certificate| certificate.as_plain_text())
            .unwrap_or_default();
        let known = &mut self.certificate;
        if known.text == text && !text.is_empty() {
            if let Some(place) = known.place {
                return Ok(place);
            }
            if let Some(hash) = known.hash {
                let place =
                    self.encoder
                        .add_known(ElementType::UnicityCertificate, &known.bytes, hash);
                known.place = Some(place);
                return Ok(place);
            }
        }
        let encoder = self.encoder.begin(ElementType::UnicityCertificate);
        encoder.literal(b"\xa1\x63raw");
        let is_empty = hex_field(
            &mut encoder.bytes,
            "unicityCertificate",
            certificate,
            NoValue::IsEmptyText,
        )?;
        let place = encoder
            .literal(b"\x68children\xa0")
            .finish(ElementType::UnicityCertificate, is_empty.into());
        known.text.clear();
        known.text.push_str(text);
        known.bytes.clear();
        known.bytes.extend_from_slice(encoder.element(place));
        known.hash = None;
        known.place = Some(place);
        Ok(place)
    }
}
