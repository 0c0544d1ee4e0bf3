use serde::{Deserialize, Serialize};

/// Everything that is derived from the tokens of a wallet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WalletViews {
    /// States that are spent because their tokens were sent away from them.
    pub tombstones: Vec<SpentState>,
    /// What was sent away.
    pub sent: Vec<SentToken>,
    /// What happened, newest first: what an application recorded, and what the tokens imply beside it.
    pub history: Vec<HistoryEntry>,
    /// What there is of each coin, in the order of their ids.
    pub balances: Vec<Balance>,
    /// The names of the address that still count, in order.
    pub nametags: Vec<String>,
    /// The invoices that are known of, in the order of their ids.
    pub invoices: Vec<InvoiceEntry>,
    /// Tokens of which nothing could be derived.
    pub unreadable: u64,
}

/// A spent state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpentState {
    /// The token.
    pub token_id: String,
    /// Hash of the state.
    pub state_hash: String,
    /// When that was first known here, in milliseconds since 1970.
    pub timestamp: u64,
}

/// A token that was sent away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentToken {
    /// The token.
    pub token_id: String,
    /// Who it went to; `unknown` if that is not known.
    pub recipient: String,
    /// Hash of the transfer; empty if it has no proof.
    pub tx_hash: String,
    /// When that was first known here, in milliseconds since 1970.
    pub sent_at: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// The key under which it is kept once.
    pub dedup_key: String,
    /// Its id.
    pub id: String,
    /// SENT, RECEIVED, SPLIT or MINT.
    #[serde(rename = "type")]
    pub kind: String,
    /// How much.
    pub amount: String,
    /// Of which coin.
    pub coin_id: String,
    /// What people call the coin.
    pub symbol: String,
    /// When, in milliseconds since 1970. Of what is derived, when it was first known here.
    pub timestamp: u64,
    /// The token, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Who it went to, if it went away and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_address: Option<String>,
    /// Whether it was derived from a token, and not recorded when it happened.
    #[serde(default)]
    pub is_derived: bool,
}

/// What there is of a coin. Sums are decimal digits of any length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// The coin.
    pub coin_id: String,
    /// In tokens that count.
    pub confirmed: String,
    /// In tokens whose last transfer has no proof yet.
    pub pending: String,
    /// In tokens of which several states contradict each other.
    pub conflicting: String,
    /// Tokens that hold it.
    pub tokens: u64,
    /// Amounts that are no decimal digits and are in no sum.
    pub unreadable: u64,
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceEntry {
    /// Its id.
    pub invoice_id: String,
    /// Where it stands.
    pub state: InvoiceState,
}

/// Where an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvoiceState {
    /// It can be paid.
    Open,
    /// It was closed.
    Closed,
    /// It was cancelled.
    Cancelled,
}

/// The row: all views at once, so that they are never torn, and what they were made from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredViews {
    pub(super) stamp: String,
    #[serde(flatten)]
    pub(super) views: WalletViews,
}

/// The sum of two numbers in decimal digits; `None` if one of them is none.
pub(super) fn add_digits(a: &str, b: &str) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(a) || !is_number(b) {
        return None;
    }
    let mut digits = Vec::with_capacity(a.len().max(b.len()) + 1);
    let (mut a, mut b) = (a.bytes().rev(), b.bytes().rev());
    let mut carry = 0;
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() && carry == 0 {
            break;
        }
        let digit = |byte: Option<u8>| byte.map_or(0, |byte| byte - b'0');
        let sum = digit(x) + digit(y) + carry;
        digits.push(b'0' + sum % 10);
        carry = sum / 10;
    }
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
    digits.reverse();
    String::from_utf8(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_however_long_the_numbers_are() {
        let add = |a, b| add_digits(a, b);
        assert_eq!(add("0", "0").as_deref(), Some("0"));
        assert_eq!(add("999", "1").as_deref(), Some("1000"));
        assert_eq!(add("007", "03").as_deref(), Some("10"));
        let nines = "9".repeat(80);
        let sum = format!("1{}", "0".repeat(80));
        assert_eq!(add(&nines, "1").as_deref(), Some(sum.as_str()));
        for wrong in ["", "-1", "1.5", "0x1", "１"] {
            assert_eq!(add(wrong, "1"), None, "{wrong}");
        }
    }
}
