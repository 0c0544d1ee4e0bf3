//! Inclusion proofs and their parts.

use super::Run;
use super::fetch::open;
use super::fields::{
    Object, children, content, one, one_or_null, write_field, write_field_or_null,
};
use crate::canonical::RawValue;
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;
use crate::token::smt_path;

impl<S: ElementSource> Run<'_, S> {
    pub(super) fn proof(
        &mut self,
        proof: &ElementHash,
        wanted_by: &'static str,
    ) -> Result<(), Error> {
        let (hash, bytes) = self.fetch.get(proof, wanted_by)?;
        let view = open(bytes.as_ref(), &hash, ElementType::InclusionProof)?;
        let [authenticator, path, certificate] = children(
            &view,
            ["authenticator", "merkleTreePath", "unicityCertificate"],
        );
        let [transaction_hash] = content(&view, ["transactionHash"]);
        self.out.extend_from_slice(b"{\"authenticator\":");
        match one_or_null("inclusion-proof.authenticator", authenticator)? {
            Some(authenticator) => self.authenticator(
                &authenticator,
                ElementType::Authenticator,
                "inclusion-proof.authenticator",
            )?,
            None => self.out.extend_from_slice(b"null"),
        }
        self.out.extend_from_slice(b",\"merkleTreePath\":");
        self.path(&one("inclusion-proof.merkleTreePath", path)?)?;
        let certificate = one("inclusion-proof.unicityCertificate", certificate)?;
        write_field_or_null(self.out, ",\"transactionHash\":", transaction_hash);
        self.certificate(&certificate)?;
        self.out.push(b'}');
        Ok(())
    }

    /// An authenticator of either type; both hold the same.
    pub(super) fn authenticator(
        &mut self,
        authenticator: &ElementHash,
        element_type: ElementType,
        wanted_by: &'static str,
    ) -> Result<(), Error> {
        let (hash, bytes) = self.fetch.get(authenticator, wanted_by)?;
        let view = open(bytes.as_ref(), &hash, element_type)?;
        let [algorithm, public_key, signature, state_hash] =
            content(&view, ["algorithm", "publicKey", "signature", "stateHash"]);
        Object::new(self.out)
            .field("\"algorithm\":", algorithm)
            .field("\"publicKey\":", public_key)
            .field("\"signature\":", signature)
            .field("\"stateHash\":", state_hash)
            .end();
        Ok(())
    }

    fn path(&mut self, path: &ElementHash) -> Result<(), Error> {
        let (hash, bytes) = self.fetch.get(path, "inclusion-proof.merkleTreePath")?;
        let view = open(bytes.as_ref(), &hash, ElementType::SmtPath)?;
        match content(&view, ["cbor"]) {
            [Some(RawValue::Bytes(blob))] => smt_path::write(self.out, self.digits, blob),
            _ => Err(Error::InvalidPackage {
                reason: format!("the Merkle path {hash} is empty"),
            }),
        }
    }

    fn certificate(&mut self, certificate: &ElementHash) -> Result<(), Error> {
        let role = "inclusion-proof.unicityCertificate";
        let (hash, bytes) = self.fetch.get(certificate, role)?;
        let view = open(bytes.as_ref(), &hash, ElementType::UnicityCertificate)?;
        let [raw] = content(&view, ["raw"]);
        write_field(self.out, ",\"unicityCertificate\":", raw);
        Ok(())
    }
}
