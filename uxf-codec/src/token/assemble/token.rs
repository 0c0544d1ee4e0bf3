//! Whole tokens: root, genesis, states, name-tags.

use super::fetch::open;
use super::fields::{
    Object, children, content, no_child, one, one_or_null, write_coins, write_raw,
};
use super::{Run, StateIndex, UNSETTLED_BYTES_MAX};
use crate::canonical::{ChildList, ChildView, RawValue};
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;
use crate::token::reason;

impl<S: ElementSource> Run<'_, S> {
    /// A token or a name-tag within one; `budget` is how many levels of tokens there may still be.
    pub(super) fn token(
        &mut self,
        root: &ElementHash,
        wanted_by: &'static str,
        budget: usize,
        state: StateIndex,
    ) -> Result<(), Error> {
        if budget == 0 {
            return Err(Error::InvalidPackage {
                reason: "name-tags are nested more than 100 tokens deep".to_owned(),
            });
        }
        let state_index = state.checked()?;
        let (hash, bytes) = self.fetch.get(root, wanted_by)?;
        let view = open(bytes.as_ref(), &hash, ElementType::TokenRoot)?;
        let [state, genesis, nametags, transactions] =
            children(&view, ["state", "genesis", "nametags", "transactions"]);
        let Some(ChildView::Many(transactions)) = transactions else {
            return Err(no_child("token-root.transactions", "must be an array"));
        };
        let wanted = wanted_transactions(state_index, transactions)?;

        self.out.extend_from_slice(b"{\"version\":");
        let [version] = content(&view, ["version"]);
        match version.filter(is_truthy) {
            Some(version) => write_raw(self.out, version),
            None => self.out.extend_from_slice(b"\"2.0\""),
        }
        self.out.extend_from_slice(b",\"genesis\":");
        let minted = self.genesis(&one("token-root.genesis", genesis)?)?;
        self.out.extend_from_slice(b",\"transactions\":[");
        let mut last = minted;
        for (place, transaction) in transactions.iter().take(wanted).enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            last = self.transaction(&transaction, budget)?;
            self.check_len()?;
        }
        let (state, role) = match state_index {
            StateIndex::Latest => (state, "token-root.state"),
            StateIndex::At(_) => (last.map(ChildView::One), "destinationState"),
        };
        self.out.extend_from_slice(b"],\"state\":");
        self.state(&one(role, state)?, role)?;
        self.out.extend_from_slice(b",\"nametags\":[");
        match nametags {
            Some(ChildView::Many(list)) => self.nametags(list.iter(), budget)?,
            Some(ChildView::Absent) | None => {}
            Some(ChildView::One(_)) => {
                return Err(no_child("token-root.nametags", "must be an array"));
            }
        }
        self.out.extend_from_slice(b"]}");
        self.check_len()
    }

    /// Name-tags in full, whatever state the token is assembled at.
    pub(super) fn nametags(
        &mut self,
        roots: impl Iterator<Item = ElementHash>,
        budget: usize,
    ) -> Result<(), Error> {
        for (place, root) in roots.enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            self.token(&root, "nametags", budget - 1, StateIndex::Latest)?;
        }
        Ok(())
    }

    fn check_len(&mut self) -> Result<(), Error> {
        if self.out.len() - self.settled_len > UNSETTLED_BYTES_MAX {
            self.settled_len = self.out.len();
            self.fetch.settle()?;
        }
        if self.out.len() <= self.len_max {
            return Ok(());
        }
        Err(Error::LimitExceeded {
            what: "bytes of an assembled token",
            limit: self.len_max as u64,
            found: self.out.len() as u64,
        })
    }

    /// Appends the genesis; its destination state.
    fn genesis(&mut self, genesis: &ElementHash) -> Result<Option<ElementHash>, Error> {
        let (hash, bytes) = self.fetch.get(genesis, "token-root.genesis")?;
        let view = open(bytes.as_ref(), &hash, ElementType::Genesis)?;
        let [data, proof, destination] =
            children(&view, ["data", "inclusionProof", "destinationState"]);
        self.out.extend_from_slice(b"{\"data\":");
        self.genesis_data(&one("genesis.data", data)?)?;
        self.out.extend_from_slice(b",\"inclusionProof\":");
        match one_or_null("genesis.inclusionProof", proof)? {
            Some(proof) => self.proof(&proof, "genesis.inclusionProof")?,
            None => self.out.extend_from_slice(b"null"),
        }
        self.out.push(b'}');
        Ok(match destination {
            Some(ChildView::One(state)) => Some(state),
            _ => None,
        })
    }

    fn genesis_data(&mut self, data: &ElementHash) -> Result<(), Error> {
        let (hash, bytes) = self.fetch.get(data, "genesis.data")?;
        let view = open(bytes.as_ref(), &hash, ElementType::GenesisData)?;
        let [
            salt,
            reason,
            id,
            coins,
            recipient,
            token_data,
            token_type,
            data_hash,
        ] = content(
            &view,
            [
                "salt",
                "reason",
                "tokenId",
                "coinData",
                "recipient",
                "tokenData",
                "tokenType",
                "recipientDataHash",
            ],
        );
        let mut object = Object::new(self.out);
        object
            .field("\"tokenId\":", id)
            .field("\"tokenType\":", token_type);
        write_coins(object.key("\"coinData\":"), coins)?;
        object
            .field("\"tokenData\":", token_data)
            .field("\"salt\":", salt)
            .field("\"recipient\":", recipient)
            .field("\"recipientDataHash\":", data_hash.or(Some(RawValue::Null)));
        reason::write(object.key("\"reason\":"), reason);
        object.end();
        Ok(())
    }

    pub(super) fn state(
        &mut self,
        state: &ElementHash,
        wanted_by: &'static str,
    ) -> Result<(), Error> {
        let (hash, bytes) = self.fetch.get(state, wanted_by)?;
        let view = open(bytes.as_ref(), &hash, ElementType::TokenState)?;
        let [data, predicate] = content(&view, ["data", "predicate"]);
        Object::new(self.out)
            .field("\"predicate\":", predicate)
            .field("\"data\":", data)
            .end();
        Ok(())
    }
}

/// How many transactions a state needs.
fn wanted_transactions(state: StateIndex, transactions: ChildList<'_>) -> Result<usize, Error> {
    let count = transactions.len();
    match state {
        StateIndex::Latest => Ok(count),
        StateIndex::At(index) => match usize::try_from(index) {
            Ok(wanted) if wanted <= count => Ok(wanted),
            _ => Err(Error::StateIndexOutOfRange {
                index,
                transactions: count as u64,
            }),
        },
    }
}

/// What is not false, null, 0 or an empty text in the reference's language.
fn is_truthy(value: &RawValue<'_>) -> bool {
    !matches!(
        value,
        RawValue::Null | RawValue::Bool(false) | RawValue::Int(0) | RawValue::Text("")
    )
}
