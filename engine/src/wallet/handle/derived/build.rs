use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};
use uxf_codec::json::{Node, Tape, write_text};
use uxf_codec::token::{AssembleOptions, Assembler};

use super::values::{
    Balance, HistoryEntry, InvoiceEntry, InvoiceState, SentToken, SpentState, WalletViews,
    add_digits,
};
use crate::error::Error;
use crate::profile::keys::AddressId;
use crate::profile::merge::{TextSet, whole_number};
use crate::profile::{ProfileError, ProfileView};
use crate::snapshot::Snapshot;
use crate::tables::schema::WalletRowKind;
use crate::tables::wallet_rows::JoinedRow;
use crate::wallet::handle::Wallet;
use crate::wallet::spent::entry_prefix;
use crate::wallet::views::{DerivedViews, OwnAddress, TokenFile};
use crate::wallet::{TokenStatus, TxfToken};

/// JSON of tokens that is looked at together, in bytes.
const PART_BYTES: usize = 4 << 20;
/// Changes with what is derived from the same wallet.
const REVISION: u8 = 1;

/// Tells every state of a wallet apart from which other views follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp(String);

impl Stamp {
    pub(super) fn of(
        wallet: &Wallet,
        snapshot: &Snapshot,
        own: Option<&OwnAddress>,
    ) -> Result<Self, Error> {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(&[REVISION]);
        part(own.map(OwnAddress::as_str).unwrap_or_default().as_bytes());
        let view = snapshot.profile(&wallet.profile);
        for key in sources(wallet) {
            match view.version(&key)? {
                Some(version) => part(version.as_bytes()),
                None => part(b""),
            }
        }
        for entry in view.keys(&entry_prefix(&wallet.address))? {
            let entry = entry?;
            part(entry.key.as_bytes());
            part(entry.version.as_bytes());
        }
        for row in wallet.rows(snapshot, WalletRowKind::Token)? {
            let (token_id, row) = row?;
            let row = JoinedRow::decode(&token_id, &row)?;
            part(token_id.as_bytes());
            part(row.root.as_bytes());
            part(&[row.status as u8]);
        }
        let hash = hasher.finalize();
        let short = hash.as_bytes().first_chunk::<16>();
        Ok(Self(const_hex::encode(short.copied().unwrap_or_default())))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keys that views are made from beside the tokens and the entries of spent states.
fn sources(wallet: &Wallet) -> [String; 7] {
    let key = |name: &str| format!("{}.{name}", wallet.address);
    [
        key("tombstones"),
        key("transactionHistory"),
        key("invalidatedNametags"),
        key("accounting.invLedgerIndex"),
        key("accounting.cancelledInvoices"),
        key("accounting.closedInvoices"),
        "addresses.nametags".to_owned(),
    ]
}

/// Makes the views. What the ones before knew of times stays.
pub(super) fn build(
    wallet: &Wallet,
    snapshot: &Snapshot,
    own: Option<&OwnAddress>,
    earlier: &WalletViews,
) -> Result<WalletViews, Error> {
    let span = tracing::info_span!("wallet_views");
    let _entered = span.enter();
    let mut tokens = Walk::new(wallet, own.cloned());
    tokens.walk(snapshot)?;
    if tokens.is_own_late {
        // Tokens before the one that told our address were looked at without it.
        tokens = Walk::new(wallet, tokens.own);
        tokens.walk(snapshot)?;
    }
    let now = wallet.engine().shared().options.clock.unix_millis();
    let view = snapshot.profile(&wallet.profile);
    let derived = DerivedViews::joined(tokens.parts);
    let spent = wallet.read_spent(&view)?;
    let sent_at: HashMap<_, _> = (earlier.sent.iter())
        .map(|sent| (sent.token_id.as_str(), sent.sent_at))
        .collect();
    let mut tombstones: Vec<_> = (spent.iter())
        .map(|(token_id, state_hash, timestamp)| SpentState {
            token_id: token_id.to_owned(),
            state_hash: state_hash.to_owned(),
            timestamp,
        })
        .collect();
    let unlisted = derived.tombstones.into_iter();
    let unlisted = unlisted.filter(|state| !spent.contains(&state.token_id, &state.state_hash));
    tombstones.extend(unlisted.map(|state| SpentState {
        token_id: state.token_id,
        state_hash: state.state_hash,
        timestamp: now,
    }));
    let sent = derived.sent.into_iter().map(|sent| SentToken {
        sent_at: sent_at.get(sent.token_id.as_str()).copied().unwrap_or(now),
        token_id: sent.token_id,
        recipient: sent.recipient,
        tx_hash: sent.transaction_hash,
    });
    Ok(WalletViews {
        tombstones,
        sent: sent.collect(),
        history: history(wallet, &view, derived.history, earlier, now)?,
        balances: tokens.balances.into_values().collect(),
        nametags: nametags(wallet, &view)?,
        invoices: invoices(wallet, &view)?,
        unreadable: tokens.unreadable,
    })
}

/// A walk over the tokens of a wallet, some megabytes at a time.
struct Walk<'w> {
    wallet: &'w Wallet,
    own: Option<OwnAddress>,
    /// Our address was told by a token after others had been looked at.
    is_own_late: bool,
    parts: Vec<DerivedViews>,
    balances: BTreeMap<String, Balance>,
    unreadable: u64,
}

impl<'w> Walk<'w> {
    const fn new(wallet: &'w Wallet, own: Option<OwnAddress>) -> Self {
        Self {
            wallet,
            own,
            is_own_late: false,
            parts: Vec::new(),
            balances: BTreeMap::new(),
            unreadable: 0,
        }
    }

    fn walk(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let mut assembler = Assembler::new();
        let mut json = Vec::new();
        let mut statuses = Vec::new();
        for row in self.wallet.rows(snapshot, WalletRowKind::Token)? {
            let (token_id, row) = row?;
            let row = JoinedRow::decode(&token_id, &row)?;
            let prefix = match row.status {
                TokenStatus::Spent => "archived-",
                _ => "_",
            };
            let start = json.len();
            json.push(if json.is_empty() { b'{' } else { b',' });
            write_text(&mut json, &format!("{prefix}{token_id}"));
            json.push(b':');
            let options = AssembleOptions::default();
            let assembled = assembler.assemble(snapshot, &row.root, &options, &mut json);
            if assembled.is_ok() {
                statuses.push(row.status);
            } else {
                // One token that cannot be put together hides no other.
                json.truncate(start);
                self.unreadable += 1;
            }
            if json.len() >= PART_BYTES {
                self.look(&mut json, &mut statuses)?;
            }
        }
        self.look(&mut json, &mut statuses)
    }

    fn look(&mut self, json: &mut Vec<u8>, statuses: &mut Vec<TokenStatus>) -> Result<(), Error> {
        if json.is_empty() {
            return Ok(());
        }
        json.push(b'}');
        let mut tape = Tape::new();
        let root = tape.parse(json)?;
        self.find_own(root);
        self.parts
            .push(DerivedViews::of(&TokenFile::new(root), self.own.as_ref()));
        for ((_, token), status) in root.entries().zip(statuses.iter()) {
            if let Some(token) = TxfToken::new(token) {
                self.add_balances(&token, *status);
            }
        }
        json.clear();
        statuses.clear();
        Ok(())
    }

    /// Looks for our address among those that tokens name.
    fn find_own(&mut self, file: Node<'_>) {
        if self.own.is_some() {
            return;
        }
        let is_ours = |address: &Cow<'_, str>| {
            AddressId::of_direct_address(address).is_ok_and(|id| id == self.wallet.address)
        };
        let tokens = file.entries().filter_map(|(_, token)| TxfToken::new(token));
        let mut named = tokens.flat_map(|token| {
            let named = [token.last_recipient(), token.first_recipient()];
            named.into_iter().flatten()
        });
        let own = named.find(is_ours);
        self.own = own.and_then(|own| OwnAddress::new(&own).ok());
        self.is_own_late = self.own.is_some() && !self.parts.is_empty();
    }

    fn add_balances(&mut self, token: &TxfToken<'_>, status: TokenStatus) {
        if matches!(status, TokenStatus::Spent | TokenStatus::Invalid) {
            return;
        }
        let mut coins = BTreeSet::new();
        for (coin_id, amount) in token.coins() {
            let new = || Balance {
                coin_id: coin_id.to_string(),
                confirmed: "0".to_owned(),
                pending: "0".to_owned(),
                conflicting: "0".to_owned(),
                tokens: 0,
                unreadable: 0,
            };
            let balance = self.balances.entry(coin_id.to_string()).or_insert_with(new);
            balance.tokens += u64::from(coins.insert(coin_id.to_string()));
            let sum = match status {
                TokenStatus::Pending => &mut balance.pending,
                TokenStatus::Conflicting => &mut balance.conflicting,
                _ => &mut balance.confirmed,
            };
            match add_digits(sum, &amount) {
                Some(added) => *sum = added,
                None => balance.unreadable += 1,
            }
        }
    }
}

/// What was recorded, and of what is derived that which was not.
fn history(
    wallet: &Wallet,
    view: &ProfileView<'_>,
    derived: Vec<crate::wallet::views::DerivedEvent>,
    earlier: &WalletViews,
    now: u64,
) -> Result<Vec<HistoryEntry>, Error> {
    let recorded = read(view, &format!("{}.transactionHistory", wallet.address))?;
    let recorded = recorded.as_ref().and_then(Value::as_array);
    let mut all: Vec<_> = (recorded.into_iter().flatten())
        .filter_map(Value::as_object)
        .map(recorded_entry)
        .collect();
    let known: BTreeSet<_> = (all.iter())
        .filter_map(|entry| Some((entry.kind.clone(), entry.token_id.clone()?)))
        .collect();
    let times: HashMap<_, _> = (earlier.history.iter().filter(|entry| entry.is_derived))
        .map(|entry| (entry.dedup_key.as_str(), entry.timestamp))
        .collect();
    for event in derived {
        let kind = event.kind.as_str().to_owned();
        if known.contains(&(kind.clone(), event.token_id.clone())) {
            continue;
        }
        all.push(HistoryEntry {
            timestamp: (times.get(event.dedup_key.as_str()).copied()).unwrap_or(now),
            dedup_key: event.dedup_key,
            id: event.id,
            kind,
            amount: event.amount,
            symbol: event.coin_id.clone(),
            coin_id: event.coin_id,
            token_id: Some(event.token_id),
            recipient_address: event.recipient,
            is_derived: true,
        });
    }
    all.sort_by_key(|entry| core::cmp::Reverse(entry.timestamp));
    Ok(all)
}

fn recorded_entry(all: &Map<String, Value>) -> HistoryEntry {
    let text = |name: &str| all.get(name).and_then(Value::as_str).map(str::to_owned);
    let or_empty = |name: &str| text(name).unwrap_or_default();
    HistoryEntry {
        dedup_key: or_empty("dedupKey"),
        id: or_empty("id"),
        kind: or_empty("type"),
        amount: text("amount").unwrap_or_else(|| "0".to_owned()),
        coin_id: text("coinId").unwrap_or_else(|| "UNKNOWN".to_owned()),
        symbol: text("symbol").unwrap_or_else(|| "UNKNOWN".to_owned()),
        timestamp: all.get("timestamp").and_then(whole_number).unwrap_or(0),
        token_id: text("tokenId"),
        recipient_address: text("recipientAddress"),
        is_derived: false,
    }
}

fn nametags(wallet: &Wallet, view: &ProfileView<'_>) -> Result<Vec<String>, Error> {
    let all = read(view, "addresses.nametags")?;
    let ours = all
        .as_ref()
        .and_then(|all| all.get(wallet.address.as_str()));
    let gone = texts(view, &format!("{}.invalidatedNametags", wallet.address))?;
    let names: BTreeSet<_> = (ours.and_then(Value::as_object).into_iter().flatten())
        .filter_map(|(_, name)| name.as_str().map(str::to_owned))
        .filter(|name| !gone.contains(name))
        .collect();
    Ok(names.into_iter().collect())
}

fn invoices(wallet: &Wallet, view: &ProfileView<'_>) -> Result<Vec<InvoiceEntry>, Error> {
    let key = |name: &str| format!("{}.accounting.{name}", wallet.address);
    let index = read(view, &key("invLedgerIndex"))?;
    let indexed = index.as_ref().and_then(Value::as_object);
    let closed = texts(view, &key("closedInvoices"))?;
    let cancelled = texts(view, &key("cancelledInvoices"))?;
    let ids: BTreeSet<&str> = (indexed.into_iter().flat_map(Map::keys))
        .chain(&closed)
        .chain(&cancelled)
        .map(String::as_str)
        .collect();
    let entries = ids.into_iter().map(|id| InvoiceEntry {
        state: if cancelled.contains(id) {
            InvoiceState::Cancelled
        } else if closed.contains(id) {
            InvoiceState::Closed
        } else {
            InvoiceState::Open
        },
        invoice_id: id.to_owned(),
    });
    Ok(entries.collect())
}

fn texts(view: &ProfileView<'_>, key: &str) -> Result<BTreeSet<String>, Error> {
    let value = read(view, key)?;
    let set = value
        .as_ref()
        .and_then(|value| TextSet::from_json(value).ok());
    Ok(set.unwrap_or_default().iter().map(str::to_owned).collect())
}

/// A value as JSON. What cannot be read is not there: a view can do without.
fn read(view: &ProfileView<'_>, key: &str) -> Result<Option<Value>, Error> {
    match view.get(key) {
        Ok(value) => Ok(value.and_then(|value| serde_json::from_slice(value.as_bytes()).ok())),
        Err(Error::Profile(ProfileError::Open { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}
