use thiserror::Error;

use super::TokenFile;
use crate::profile::keys::AddressId;
use crate::wallet::{HistoryKind, TxfToken};

/// Something that is no address, but the short name of one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{address_id} is the id of an address; the address itself is needed")]
pub struct NotAnAddress {
    /// The id.
    pub address_id: AddressId,
}

/// The wallet's own direct address.
///
/// The reference hands the id of the address to where the address is compared, so that most of what was received never
/// shows. An id is refused here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddress(String);

impl OwnAddress {
    /// Takes a direct address.
    ///
    /// # Errors
    /// [`NotAnAddress`] for the id of one.
    pub fn new(direct_address: &str) -> Result<Self, NotAnAddress> {
        match AddressId::parse(direct_address) {
            Ok(address_id) => Err(NotAnAddress { address_id }),
            Err(_) => Ok(Self(direct_address.to_owned())),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event that a token file implies. When it was, it does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedEvent {
    /// Sent or received.
    pub kind: HistoryKind,
    /// The key under which the event is kept once.
    pub dedup_key: String,
    /// Id of the record: its kind and its number among all.
    pub id: String,
    /// The token id.
    pub token_id: String,
    /// Amount of the first coin; `0` without one.
    pub amount: String,
    /// Id of the first coin, which is also its symbol; `UNKNOWN` without one.
    pub coin_id: String,
    /// Who it went to, if it went away and that is known.
    pub recipient: Option<String>,
}

/// What archived tokens say was sent and active ones say was received (profile notes, section 8).
///
/// A token that is held was received, unless it was minted for somebody else and never moved. Without an address of our
/// own nothing is taken for received. Events follow one another as the file has them, sent before received: all of them
/// get one time, that of deriving, so newest first is the order they have.
pub fn derive_history(file: &TokenFile<'_>, own: Option<&OwnAddress>) -> Vec<DerivedEvent> {
    let sent = file.archived().iter().filter_map(|(key, token)| {
        let recipient = token.last_recipient().or_else(|| token.first_recipient());
        event(HistoryKind::Sent, key, token, recipient.map(Into::into))
    });
    let received = own.into_iter().flat_map(|own| {
        let ours = move |token: &TxfToken<'_>| {
            let minted_for = token.first_recipient();
            token.last_transaction().is_some()
                || minted_for.is_none_or(|recipient| recipient == own.as_str())
        };
        let active = file.active().iter().filter(move |(_, token)| ours(token));
        active.filter_map(|(key, token)| event(HistoryKind::Received, key, token, None))
    });
    number(sent.chain(received))
}

/// Events with what was sent before what was received, and their numbers among all.
pub(super) fn number(events: impl IntoIterator<Item = DerivedEvent>) -> Vec<DerivedEvent> {
    let mut events: Vec<_> = events.into_iter().collect();
    events.sort_by_key(|event| event.kind != HistoryKind::Sent);
    for (number, event) in events.iter_mut().enumerate() {
        let name = match event.kind {
            HistoryKind::Sent => "derived-sent",
            _ => "derived-recv",
        };
        event.id = format!("{name}-{number}");
    }
    events
}

fn event(
    kind: HistoryKind,
    key: &str,
    token: &TxfToken<'_>,
    recipient: Option<String>,
) -> Option<DerivedEvent> {
    let token_id = token.token_id()?.into_owned();
    let (coin_id, amount) = token.first_coin().unwrap_or(("UNKNOWN".into(), "0".into()));
    Some(DerivedEvent {
        kind,
        dedup_key: format!("{}_derived_{key}", kind.as_str()),
        id: String::new(),
        token_id,
        amount: amount.into_owned(),
        coin_id: coin_id.into_owned(),
        recipient,
    })
}
