//! Inclusion proofs and their parts.

use super::Work;
use super::fields::{NoValue, any_value, hex_field, present};
use crate::canonical::Writer;
use crate::element::{ElementHash, ElementSink, ElementType, MemoryForm, NewElement};
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
    hash: Option<ElementHash>,
    /// Whether the token under way has put it.
    pub(super) is_put: bool,
}

impl Work {
    pub(super) fn proof(
        &mut self,
        proof: Node<'_>,
        sink: &mut impl ElementSink,
    ) -> Result<ElementHash, Error> {
        self.write_proof(proof, sink)
            .map_err(|fault| fault.within("inclusionProof"))
    }

    fn write_proof(
        &mut self,
        proof: Node<'_>,
        sink: &mut impl ElementSink,
    ) -> Result<ElementHash, Error> {
        let [authenticator, path, transaction_hash, certificate] = proof.fields([
            "authenticator",
            "merkleTreePath",
            "transactionHash",
            "unicityCertificate",
        ]);
        let authenticator = match present(authenticator) {
            Some(authenticator) => {
                Some(self.authenticator(ElementType::Authenticator, authenticator, sink)?)
            }
            None => None,
        };
        let path = self.path(path, sink)?;
        let certificate = self.certificate(certificate, sink)?;
        let encoder = self.encoder.begin(ElementType::InclusionProof);
        encoder.literal(b"\xa1\x6ftransactionHash");
        let no_hash = hex_field(
            &mut encoder.bytes,
            "transactionHash",
            transaction_hash,
            NoValue::StaysAsItIs,
        )?;
        encoder
            .literal(b"\x68children\xa3\x6dauthenticator")
            .child(authenticator.as_ref())
            .literal(b"\x6emerkleTreePath")
            .child(Some(&path))
            .literal(b"\x72unicityCertificate")
            .child(Some(&certificate))
            .finish(ElementType::InclusionProof, no_hash.into(), sink)
    }

    /// An authenticator of either type; both hold the same.
    pub(super) fn authenticator(
        &mut self,
        element_type: ElementType,
        authenticator: Node<'_>,
        sink: &mut impl ElementSink,
    ) -> Result<ElementHash, Error> {
        let empty_text = self
            .write_authenticator(element_type, authenticator)
            .map_err(|fault| fault.within("authenticator"))?;
        self.encoder
            .literal(b"\x68children\xa0")
            .finish(element_type, empty_text, sink)
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

    fn path(
        &mut self,
        path: Option<Node<'_>>,
        sink: &mut impl ElementSink,
    ) -> Result<ElementHash, Error> {
        smt_path::encode(&mut self.blob, &mut self.limbs, path)
            .map_err(|fault| fault.within("merkleTreePath"))?;
        let encoder = self.encoder.begin(ElementType::SmtPath);
        encoder.literal(b"\xa1\x64cbor");
        Writer::new(&mut encoder.bytes).bytes(&self.blob);
        encoder
            .literal(b"\x68children\xa0")
            .finish(ElementType::SmtPath, 0, sink)
    }

    fn certificate(
        &mut self,
        certificate: Option<Node<'_>>,
        sink: &mut impl ElementSink,
    ) -> Result<ElementHash, Error> {
        let text = certificate
            .and_then(|certificate| certificate.as_plain_text())
            .unwrap_or_default();
        let known = &mut self.certificate;
        if let Some(hash) = known
            .hash
            .filter(|_| known.text == text && !text.is_empty())
        {
            if !known.is_put {
                known.is_put = true;
                sink.put(NewElement {
                    hash,
                    element_type: ElementType::UnicityCertificate,
                    bytes: &known.bytes,
                    links: &[],
                    form: MemoryForm::ingested(0),
                })?;
            }
            return Ok(hash);
        }
        let encoder = self.encoder.begin(ElementType::UnicityCertificate);
        encoder.literal(b"\xa1\x63raw");
        let is_empty = hex_field(
            &mut encoder.bytes,
            "unicityCertificate",
            certificate,
            NoValue::IsEmptyText,
        )?;
        let hash = encoder.literal(b"\x68children\xa0").finish(
            ElementType::UnicityCertificate,
            is_empty.into(),
            sink,
        )?;
        known.text.clear();
        known.text.push_str(text);
        known.bytes.clone_from(&encoder.bytes);
        known.hash = Some(hash);
        known.is_put = true;
        Ok(hash)
    }
}
