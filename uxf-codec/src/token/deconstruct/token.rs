//! Whole tokens: root, genesis, name-tags.

use super::Work;
use super::encoder::Place;
use super::fields::{NoValue, any_value, hex_field, malformed, present, required};
use super::gate::invalid_package;
use super::transaction::{KnownStates, StateAt};
use crate::canonical::Writer;
use crate::element::ElementType;
use crate::error::Error;
use crate::json::{Kind, Node};
use crate::limits::NAMETAG_DEPTH_MAX;
use crate::token::reason;

impl Work {
    pub(super) fn outer_token(&mut self, token: Node<'_>) -> Result<Place, Error> {
        self.token_root(token, NAMETAG_DEPTH_MAX)
    }

    /// A token or a name-tag within one; `budget` is how many levels of tokens there may still be.
    fn token_root(&mut self, token: Node<'_>, budget: usize) -> Result<Place, Error> {
        if budget == 0 {
            return Err(invalid_package(
                "name-tags are nested more than 100 tokens deep",
            ));
        }
        let [version, current, genesis, transactions, nametags] =
            token.fields(["version", "state", "genesis", "transactions", "nametags"]);
        let transactions = transaction_list(transactions)?;
        let data = genesis_data(genesis)?;
        let current = StateAt::current(current);
        let mut known = KnownStates::default();
        let start = self.hashes.len();

        let genesis = self.genesis(genesis, current, transactions, &mut known)?;
        self.transactions(transactions, current, budget, &mut known)?;
        let transactions_end = self.hashes.len();
        let state = self.state(current, &mut known)?;
        self.nametags(nametags, budget)?;

        let (transactions, nametags) = self
            .hashes
            .get(start..)
            .and_then(|own| own.split_at_checked(transactions_end - start))
            .unwrap_or_default();
        let encoder = &mut self.encoder;
        encoder
            .begin(ElementType::TokenRoot)
            .literal(b"\xa2\x67tokenId");
        let no_id = hex_field(
            &mut encoder.bytes,
            "tokenId",
            data.get("tokenId"),
            NoValue::IsEmptyText,
        )
        .map_err(|fault| fault.within("genesis.data"))?;
        encoder.literal(b"\x67version");
        match present(version) {
            None => Writer::new(&mut encoder.bytes).text("2.0"),
            Some(version) => {
                any_value(&mut encoder.bytes, version).map_err(|fault| fault.within("version"))?;
            }
        }
        encoder
            .literal(b"\x68children\xa4\x65state")
            .child(Some(state))
            .literal(b"\x67genesis")
            .child(Some(genesis))
            .literal(b"\x68nametags")
            .children(nametags)
            .literal(b"\x6ctransactions")
            .children(transactions);
        let root = encoder.finish(ElementType::TokenRoot, no_id.into());
        self.hashes.truncate(start);
        Ok(root)
    }

    fn genesis(
        &mut self,
        genesis: Option<Node<'_>>,
        current: StateAt<'_>,
        transactions: Node<'_>,
        known: &mut KnownStates,
    ) -> Result<Place, Error> {
        let [data, proof] = match genesis {
            Some(genesis) => genesis.fields(["data", "inclusionProof"]),
            None => [None; 2],
        };
        let within = |fault: Error| fault.within("genesis");
        let data = self.genesis_data(data).map_err(within)?;
        let proof = match present(proof) {
            Some(proof) => Some(self.proof(proof).map_err(within)?),
            None => None,
        };
        let destination = StateAt::source_of(transactions.items().next(), 0).unwrap_or(current);
        let destination = self.state(destination, known)?;
        Ok(self
            .encoder
            .begin(ElementType::Genesis)
            .literal(b"\xa0\x68children\xa3\x64data")
            .child(Some(data))
            .literal(b"\x6einclusionProof")
            .child(proof)
            .literal(b"\x70destinationState")
            .child(Some(destination))
            .finish(ElementType::Genesis, 0))
    }

    fn genesis_data(&mut self, data: Option<Node<'_>>) -> Result<Place, Error> {
        let empty_text = self
            .write_genesis_data(required("data", data)?)
            .map_err(|fault| fault.within("data"))?;
        Ok(self
            .encoder
            .literal(b"\x68children\xa0")
            .finish(ElementType::GenesisData, empty_text))
    }

    fn write_genesis_data(&mut self, data: Node<'_>) -> Result<u8, Error> {
        let [
            id,
            token_type,
            coins,
            token_data,
            salt,
            recipient,
            data_hash,
            reason,
        ] = data.fields([
            "tokenId",
            "tokenType",
            "coinData",
            "tokenData",
            "salt",
            "recipient",
            "recipientDataHash",
            "reason",
        ]);
        let encoder = self.encoder.begin(ElementType::GenesisData);
        encoder.bytes.push(0xa7 + u8::from(recipient.is_some()));
        encoder.literal(b"\x64salt");
        let no_salt = hex_field(&mut encoder.bytes, "salt", salt, NoValue::IsEmptyText)?;
        encoder.literal(b"\x66reason");
        reason::encode(&mut encoder.bytes, &mut self.blob, reason)?;
        encoder.literal(b"\x67tokenId");
        let no_id = hex_field(&mut encoder.bytes, "tokenId", id, NoValue::IsEmptyText)?;
        encoder.literal(b"\x68coinData");
        let coins = write_coins(&mut encoder.bytes, coins);
        if let Some(recipient) = recipient {
            encoder.literal(b"\x69recipient");
            any_value(&mut encoder.bytes, recipient).map_err(|fault| fault.within("recipient"))?;
        }
        encoder.literal(b"\x69tokenData");
        let no_data = hex_field(
            &mut encoder.bytes,
            "tokenData",
            token_data,
            NoValue::IsEmptyText,
        )?;
        encoder.literal(b"\x69tokenType");
        let no_type = hex_field(
            &mut encoder.bytes,
            "tokenType",
            token_type,
            NoValue::IsEmptyText,
        )?;
        encoder.literal(b"\x71recipientDataHash");
        let no_hash = hex_field(
            &mut encoder.bytes,
            "recipientDataHash",
            data_hash,
            NoValue::StaysAsItIs,
        )?;
        // Hex is what the reference looks at first.
        coins?;
        Ok([no_id, no_type, no_salt, no_data, no_hash]
            .into_iter()
            .enumerate()
            .fold(0, |mask, (bit, is_empty)| {
                mask | (u8::from(is_empty) << bit)
            }))
    }

    /// Takes apart the name-tags of a list and leaves their roots on top of [`Work::hashes`].
    ///
    /// Only objects with a genesis count; texts and anything else vanish as they do in the reference.
    pub(super) fn nametags(
        &mut self,
        nametags: Option<Node<'_>>,
        budget: usize,
    ) -> Result<(), Error> {
        let Some(nametags) = nametags else {
            return Ok(());
        };
        for (place, nametag) in nametags.items().enumerate() {
            if nametag.get("genesis").is_some() {
                let root = self
                    .token_root(nametag, budget - 1)
                    .map_err(|fault| fault.within(&format!("nametags[{place}]")))?;
                self.hashes.push(root);
            }
        }
        Ok(())
    }
}

/// The transactions, none of which may be null. The reference looks at them before all else.
fn transaction_list(transactions: Option<Node<'_>>) -> Result<Node<'_>, Error> {
    let list = match transactions {
        Some(list) if list.kind() == Kind::Array => list,
        _ => return Err(malformed("transactions", "must be an array")),
    };
    match list.items().position(|transaction| transaction.is_null()) {
        None => Ok(list),
        Some(place) => Err(malformed(
            &format!("transactions[{place}]"),
            "must not be null",
        )),
    }
}

fn genesis_data(genesis: Option<Node<'_>>) -> Result<Node<'_>, Error> {
    required("genesis.data", required("genesis", genesis)?.get("data"))
}

/// Encodes coins: pairs of an id and an amount, both as they are.
fn write_coins(out: &mut Vec<u8>, coins: Option<Node<'_>>) -> Result<(), Error> {
    let Some(coins) = present(coins) else {
        Writer::new(out).array(0);
        return Ok(());
    };
    if coins.kind() != Kind::Array {
        return Err(malformed("coinData", "must be an array of pairs or null"));
    }
    Writer::new(out).array(coins.items().count());
    for (place, coin) in coins.items().enumerate() {
        let within = |fault: Error| fault.within(&format!("coinData[{place}]"));
        let mut parts = coin.items();
        let (Some(id), Some(amount)) = (parts.next(), parts.next()) else {
            return Err(within(malformed(
                "",
                "must be a pair of coin id and amount",
            )));
        };
        Writer::new(out).array(2);
        any_value(out, id).map_err(within)?;
        any_value(out, amount).map_err(within)?;
    }
    Ok(())
}
