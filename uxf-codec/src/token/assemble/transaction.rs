//! Transactions and what was signed in them.

use super::Run;
use super::fetch::open;
use super::fields::{children, content, one, one_or_null, write_field, write_field_or_null};
use crate::canonical::{ChildView, RawValue};
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;

impl<S: ElementSource> Run<'_, S> {
    /// Appends a transaction; its destination state.
    pub(super) fn transaction(
        &mut self,
        transaction: &ElementHash,
        budget: usize,
    ) -> Result<Option<ElementHash>, Error> {
        let (hash, bytes) = self.fetch.get(transaction, "token-root.transactions")?;
        let view = open(bytes.as_ref(), &hash, ElementType::Transaction)?;
        let [data, source, proof, destination, pending] = children(
            &view,
            [
                "data",
                "sourceState",
                "inclusionProof",
                "destinationState",
                "pendingAuthenticator",
            ],
        );
        self.out.extend_from_slice(b"{\"data\":{\"sourceState\":");
        let source = one("transaction.sourceState", source)?;
        self.state(&source, "transaction.sourceState")?;
        match one_or_null("transaction.data", data)? {
            Some(data) => self.transaction_data(&data, budget)?,
            None => self.out.extend_from_slice(
                b",\"recipient\":\"\",\"salt\":\"\",\"recipientDataHash\":null,\"message\":null,\"nametags\":[]",
            ),
        }
        self.out.extend_from_slice(b"},\"inclusionProof\":");
        match one_or_null("transaction.inclusionProof", proof)? {
            Some(proof) => self.proof(&proof, "transaction.inclusionProof")?,
            None => self.out.extend_from_slice(b"null"),
        }
        if let Some(ChildView::One(pending)) = pending {
            self.out
                .extend_from_slice(b",\"_wallet\":{\"authenticator\":");
            self.authenticator(
                &pending,
                ElementType::PendingAuthenticator,
                "transaction.pendingAuthenticator",
            )?;
            self.out.push(b'}');
        }
        self.out.push(b'}');
        Ok(match destination {
            Some(ChildView::One(state)) => Some(state),
            _ => None,
        })
    }

    /// Appends the fields behind the source state.
    fn transaction_data(&mut self, data: &ElementHash, budget: usize) -> Result<(), Error> {
        let (hash, bytes) = self.fetch.get(data, "transaction.data")?;
        let view = open(bytes.as_ref(), &hash, ElementType::TransactionData)?;
        let [salt, message, recipient, references, data_hash] = content(
            &view,
            [
                "salt",
                "message",
                "recipient",
                "nametagRefs",
                "recipientDataHash",
            ],
        );
        write_field(self.out, ",\"recipient\":", recipient);
        write_field(self.out, ",\"salt\":", salt);
        write_field_or_null(self.out, ",\"recipientDataHash\":", data_hash);
        write_field_or_null(self.out, ",\"message\":", message);
        self.out.extend_from_slice(b",\"nametags\":[");
        if matches!(references, Some(RawValue::List(list)) if list != [0x80]) {
            self.nametags(view.nametag_refs(), budget)?;
        }
        self.out.push(b']');
        Ok(())
    }
}
