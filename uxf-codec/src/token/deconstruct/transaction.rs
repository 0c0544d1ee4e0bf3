//! Transactions and the states between them.

use super::Work;
use super::encoder::Place;
use super::fields::{NoValue, any_value, hex_field, present, required};
use crate::canonical::Writer;
use crate::element::ElementType;
use crate::error::Error;
use crate::json::Node;

/// A state and where it stands. JSON holds no destination states: they are the sources of the next transactions, the
/// last one the state of the token. Format notes, section 5.2.
#[derive(Clone, Copy)]
pub(super) struct StateAt<'t> {
    node: Option<Node<'t>>,
    /// The transaction it is the source of; `None` for the state of the token.
    transaction: Option<usize>,
}

impl<'t> StateAt<'t> {
    pub(super) const fn current(node: Option<Node<'t>>) -> Self {
        Self {
            node,
            transaction: None,
        }
    }

    /// The source state that a transaction tells, if it tells one.
    pub(super) fn source_of(transaction: Option<Node<'t>>, place: usize) -> Option<Self> {
        let data = present(transaction?.get("data"))?;
        Self::source_in(Some(data), place)
    }

    fn source_in(data: Option<Node<'t>>, place: usize) -> Option<Self> {
        Some(Self {
            node: Some(present(data?.get("sourceState"))?),
            transaction: Some(place),
        })
    }

    #[cold]
    fn path(&self) -> String {
        match self.transaction {
            Some(place) => format!("transactions[{place}].data.sourceState"),
            None => "state".to_owned(),
        }
    }
}

/// The states of one token that have been put: that of the token, and the last other one.
#[derive(Clone, Copy, Default)]
pub(super) struct KnownStates {
    current: Option<Place>,
    last: Option<(u32, Place)>,
}

/// A transaction with its fields at hand.
#[derive(Clone, Copy)]
struct Transfer<'t> {
    place: usize,
    data: Option<Node<'t>>,
    proof: Option<Node<'t>>,
    wallet: Option<Node<'t>>,
}

impl<'t> Transfer<'t> {
    fn read((place, node): (usize, Node<'t>)) -> Self {
        let [data, proof, wallet] = node.fields(["data", "inclusionProof", "_wallet"]);
        Self {
            place,
            data: present(data),
            proof: present(proof),
            wallet,
        }
    }
}

impl Work {
    /// Takes apart the transactions and leaves their hashes on top of [`Work::hashes`].
    pub(super) fn transactions(
        &mut self,
        transactions: Node<'_>,
        current: StateAt<'_>,
        budget: usize,
        known: &mut KnownStates,
    ) -> Result<(), Error> {
        let mut rest = transactions.items().enumerate().map(Transfer::read);
        let mut next = rest.next();
        let mut source = match &next {
            Some(first) => StateAt::source_in(first.data, 0).unwrap_or(current),
            None => return Ok(()),
        };
        while let Some(transfer) = next {
            next = rest.next();
            let destination = match &next {
                Some(next) => StateAt::source_in(next.data, next.place).unwrap_or(current),
                None => current,
            };
            // Errors of a state tell their own place, which may lie in another transaction.
            let states = [self.state(source, known)?, self.state(destination, known)?];
            let hash = self
                .transaction(&transfer, states, budget)
                .map_err(|fault| fault.within(&format!("transactions[{}]", transfer.place)))?;
            self.hashes.push(hash);
            source = destination;
        }
        Ok(())
    }

    fn transaction(
        &mut self,
        transfer: &Transfer<'_>,
        [source, destination]: [Place; 2],
        budget: usize,
    ) -> Result<Place, Error> {
        let data = match transfer.data {
            Some(data) => Some(
                self.transaction_data(data, budget)
                    .map_err(|fault| fault.within("data"))?,
            ),
            None => None,
        };
        let proof = match transfer.proof {
            Some(proof) => Some(self.proof(proof)?),
            None => None,
        };
        let pending = present(
            transfer
                .wallet
                .and_then(|wallet| wallet.get("authenticator")),
        );
        let pending = match pending {
            Some(pending) => Some(
                self.authenticator(ElementType::PendingAuthenticator, pending)
                    .map_err(|fault| fault.within("_wallet"))?,
            ),
            None => None,
        };
        let encoder = self.encoder.begin(ElementType::Transaction);
        encoder
            .literal(if pending.is_some() {
                b"\xa0\x68children\xa5\x64data"
            } else {
                b"\xa0\x68children\xa4\x64data"
            })
            .child(data)
            .literal(b"\x6bsourceState")
            .child(Some(source))
            .literal(b"\x6einclusionProof")
            .child(proof)
            .literal(b"\x70destinationState")
            .child(Some(destination));
        if pending.is_some() {
            encoder.literal(b"\x74pendingAuthenticator").child(pending);
        }
        Ok(encoder.finish(ElementType::Transaction, 0))
    }

    fn transaction_data(&mut self, data: Node<'_>, budget: usize) -> Result<Place, Error> {
        let [recipient, salt, data_hash, message, nametags] = data.fields([
            "recipient",
            "salt",
            "recipientDataHash",
            "message",
            "nametags",
        ]);
        let start = self.hashes.len();
        self.nametags(nametags, budget)?;
        let encoder = self.encoder.begin(ElementType::TransactionData);
        encoder.bytes.push(0xa4 + u8::from(recipient.is_some()));
        encoder.literal(b"\x64salt");
        let no_salt = hex_field(&mut encoder.bytes, "salt", salt, NoValue::IsEmptyText)?;
        encoder.literal(b"\x67message");
        match message {
            Some(message) => {
                any_value(&mut encoder.bytes, message).map_err(|fault| fault.within("message"))?;
            }
            None => Writer::new(&mut encoder.bytes).null(),
        }
        if let Some(recipient) = recipient {
            encoder.literal(b"\x69recipient");
            any_value(&mut encoder.bytes, recipient).map_err(|fault| fault.within("recipient"))?;
        }
        encoder
            .literal(b"\x6bnametagRefs")
            .references(self.hashes.get(start..).unwrap_or_default())
            .literal(b"\x71recipientDataHash");
        let no_hash = hex_field(
            &mut encoder.bytes,
            "recipientDataHash",
            data_hash,
            NoValue::StaysAsItIs,
        )?;
        self.hashes.truncate(start);
        Ok(self.encoder.literal(b"\x68children\xa0").finish(
            ElementType::TransactionData,
            u8::from(no_salt) | u8::from(no_hash) << 1,
        ))
    }

    /// Puts a state unless this token has just put the very same one.
    pub(super) fn state(
        &mut self,
        state: StateAt<'_>,
        known: &mut KnownStates,
    ) -> Result<Place, Error> {
        let position = state.node.map(|node| node.position());
        match (state.transaction, known.current, known.last, position) {
            (None, Some(hash), _, _) => return Ok(hash),
            (Some(_), _, Some((last, hash)), Some(position)) if last == position => {
                return Ok(hash);
            }
            _ => {}
        }
        let hash = self
            .put_state(state.node)
            .map_err(|fault| fault.within(&state.path()))?;
        match (state.transaction, position) {
            (Some(_), Some(position)) => known.last = Some((position, hash)),
            _ => known.current = Some(hash),
        }
        Ok(hash)
    }

    fn put_state(&mut self, state: Option<Node<'_>>) -> Result<Place, Error> {
        let [predicate, data] = required("", state)?.fields(["predicate", "data"]);
        let encoder = self.encoder.begin(ElementType::TokenState);
        encoder.literal(b"\xa2\x64data");
        let no_data = hex_field(&mut encoder.bytes, "data", data, NoValue::StaysAsItIs)?;
        encoder.literal(b"\x69predicate");
        let no_predicate = hex_field(
            &mut encoder.bytes,
            "predicate",
            predicate,
            NoValue::IsEmptyText,
        )?;
        Ok(encoder.literal(b"\x68children\xa0").finish(
            ElementType::TokenState,
            u8::from(no_data) | u8::from(no_predicate) << 1,
        ))
    }
}
