//! What the reference assembles from memory instead of from canonical bytes: texts that are empty where the canonical
//! form has null. Some vectors give hashes of that form alone.

use serde_json::Value;
use uxf_codec::canonical::ElementView;
use uxf_codec::instance_chain::Strategy;
use uxf_codec::package::Package;
use uxf_codec::{ElementHash, MemoryForm};

/// A package whose elements remember their form, and the instances that were assembled from it.
pub(super) struct Fresh<'p> {
    pub(super) package: &'p Package,
    pub(super) strategy: &'p Strategy,
}

impl<'p> Fresh<'p> {
    /// Puts the empty texts back into a token that was assembled from the package.
    pub(super) fn restore(&self, root: &ElementHash, token: &mut Value) -> Option<()> {
        let (root, _) = self.element(root)?;
        let (genesis, _) = self.element(&root.one("genesis")?)?;
        let (data, form) = self.element(&genesis.one("data")?)?;
        put_back(&data, form, token.pointer_mut("/genesis/data")?);
        self.proof(
            genesis.one("inclusionProof"),
            token.pointer_mut("/genesis/inclusionProof"),
        );
        let mut state = genesis.one("destinationState");
        let transactions = token.get_mut("transactions").and_then(Value::as_array_mut);
        for (hash, json) in root
            .many("transactions")
            .zip(transactions.into_iter().flatten())
        {
            state = self.element(&hash)?.0.one("destinationState");
            self.transaction(&hash, json)?;
        }
        // At an earlier state there are fewer transactions, and the state is the one the last of them leads to.
        let shown = token
            .get("transactions")
            .and_then(Value::as_array)
            .map(Vec::len);
        if shown == Some(root.many("transactions").count()) {
            state = root.one("state");
        }
        self.fields(state, token.get_mut("state"));
        let nametags = token.get_mut("nametags").and_then(Value::as_array_mut);
        for (hash, nametag) in root.many("nametags").zip(nametags.into_iter().flatten()) {
            self.restore(&hash, nametag)?;
        }
        Some(())
    }

    fn transaction(&self, hash: &ElementHash, json: &mut Value) -> Option<()> {
        let (transaction, _) = self.element(hash)?;
        self.fields(
            transaction.one("sourceState"),
            json.pointer_mut("/data/sourceState"),
        );
        if let Some((data, form)) = transaction.one("data").and_then(|data| self.element(&data)) {
            put_back(&data, form, json.get_mut("data")?);
            let nametags = json
                .pointer_mut("/data/nametags")
                .and_then(Value::as_array_mut);
            for (hash, nametag) in data.nametag_refs().zip(nametags.into_iter().flatten()) {
                self.restore(&hash, nametag)?;
            }
        }
        self.proof(
            transaction.one("inclusionProof"),
            json.get_mut("inclusionProof"),
        );
        let pending = json.pointer_mut("/_wallet/authenticator");
        self.fields(transaction.one("pendingAuthenticator"), pending);
        Some(())
    }

    fn proof(&self, hash: Option<ElementHash>, json: Option<&mut Value>) -> Option<()> {
        let (proof, form) = self.element(&hash?)?;
        let json = json?;
        put_back(&proof, form, json);
        self.fields(proof.one("authenticator"), json.get_mut("authenticator"));
        let (_, certificate) = self.element(&proof.one("unicityCertificate")?)?;
        if let Some(raw @ Value::Null) = json.get_mut("unicityCertificate")
            && certificate.is_empty_text(0)
        {
            *raw = Value::from("");
        }
        Some(())
    }

    /// Restores an object that shows the fields of one element.
    fn fields(&self, hash: Option<ElementHash>, json: Option<&mut Value>) -> Option<()> {
        let (element, form) = self.element(&hash?)?;
        put_back(&element, form, json?);
        Some(())
    }

    /// The instance that stands for an element.
    fn element(&self, hash: &ElementHash) -> Option<(ElementView<'p>, MemoryForm)> {
        let pool = self.package.pool();
        let hash = self
            .package
            .chains()
            .select(pool, hash, self.strategy)
            .ok()?;
        let element = pool.get(&hash)?;
        Some((ElementView::parse(element.bytes()).ok()?, element.form()))
    }
}

fn put_back(element: &ElementView<'_>, form: MemoryForm, json: &mut Value) {
    for (index, name) in element.element_type().byte_fields().iter().enumerate() {
        if let Some(value @ Value::Null) = json.get_mut(*name)
            && form.is_empty_text(index)
        {
            *value = Value::from("");
        }
    }
}
