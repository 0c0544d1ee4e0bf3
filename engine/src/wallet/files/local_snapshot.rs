use core::fmt;

use sha2::{Digest as _, Sha256};
use uxf_codec::json::{Kind, Node, Tape, write_text, write_value};

use crate::profile::keys::AddressId;

/// Largest local snapshot that is read, in bytes of its text: 256 MiB.
pub const LOCAL_SNAPSHOT_BYTES_MAX: usize = 256 << 20;
const HASH: &str = "contentHash";
/// The fields that are hashed, in the order in which they are.
const FIELDS: [&str; 9] = [
    "version",
    "walletId",
    "addressId",
    "network",
    "ts",
    "epoch",
    "pointer",
    "bundleCids",
    "data",
];

/// The key of the snapshot of an address.
pub fn local_snapshot_key(address: &AddressId) -> String {
    format!("profile_snapshot_blob_{address}")
}

/// The key under which it is written first. It is removed once the snapshot stands under its own.
pub fn local_snapshot_pending_key(address: &AddressId) -> String {
    format!("{}_pending", local_snapshot_key(address))
}

/// What a wallet writes to start from the next time, before the network is asked (profile notes, section 12).
#[derive(Clone, Copy, Debug)]
pub struct LocalSnapshot<'a> {
    /// The wallet's public key.
    pub wallet_id: &'a str,
    /// Id of the address.
    pub address_id: &'a str,
    /// The network it is on.
    pub network: &'a str,
    /// When it was written, in milliseconds since 1970.
    pub written_at_ms: u64,
    /// The epoch of the history.
    pub epoch: Option<u64>,
    /// What was last published, as JSON.
    pub pointer: Option<Node<'a>>,
    /// The bundles it is made of.
    pub bundle_cids: &'a [&'a str],
    /// The token file.
    pub data: Node<'a>,
}

/// Why a snapshot is not started from. It is deleted then, and the start is a slow one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotFault {
    /// Not JSON.
    Parse,
    /// Not the fields it must have.
    Shape,
    /// Of another version.
    Schema,
    /// Of another wallet.
    OtherWallet,
    /// Changed since it was written.
    ContentHash,
}

impl SnapshotFault {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse-error",
            Self::Shape => "shape-invalid",
            Self::Schema => "schema-mismatch",
            Self::OtherWallet => "walletId-mismatch",
            Self::ContentHash => "contentHash-mismatch",
        }
    }
}

impl fmt::Display for SnapshotFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A snapshot that can be started from.
#[derive(Clone, Copy, Debug)]
pub struct ReadSnapshot<'t> {
    node: Node<'t>,
    /// How long ago it was written, in milliseconds; 0 if the clock has gone back since.
    pub age_ms: u64,
}

impl<'t> ReadSnapshot<'t> {
    /// The token file in it.
    pub fn data(&self) -> Option<Node<'t>> {
        self.node.get("data")
    }

    /// The bundles it was made of.
    pub fn bundle_cids(&self) -> impl Iterator<Item = String> + use<'t> {
        let list = self.node.get("bundleCids");
        list.into_iter()
            .flat_map(|list| list.items())
            .filter_map(|item| item.as_text().map(Into::into))
    }

    /// The epoch of its history.
    pub fn epoch(&self) -> Option<u64> {
        whole(self.node.get("epoch")?)
    }

    /// What was last published when it was written.
    pub fn pointer(&self) -> Option<Node<'t>> {
        self.node
            .get("pointer")
            .filter(|pointer| !pointer.is_null())
    }
}

impl LocalSnapshot<'_> {
    /// The text to write, its hash at the end.
    ///
    /// ```
    /// use uxf_codec::json::Tape;
    /// use uxf_engine::wallet::files::{LocalSnapshot, read_local_snapshot};
    ///
    /// let mut data = Tape::new();
    /// let text = LocalSnapshot {
    ///     wallet_id: "02ab",
    ///     address_id: "DIRECT_0d5508_b1bbbf",
    ///     network: "testnet",
    ///     written_at_ms: 1_000,
    ///     epoch: None,
    ///     pointer: None,
    ///     bundle_cids: &["bafy"],
    ///     data: data.parse(b"{}").unwrap(),
    /// }
    /// .format();
    /// let mut tape = Tape::new();
    /// let read = read_local_snapshot(&mut tape, Some(&text), "02ab", 1_500).unwrap().unwrap();
    /// assert_eq!(read.age_ms, 500);
    /// ```
    pub fn format(&self) -> String {
        let mut out = b"{\"version\":1".to_vec();
        for (name, text) in [
            ("walletId", self.wallet_id),
            ("addressId", self.address_id),
            ("network", self.network),
        ] {
            key(&mut out, name);
            write_text(&mut out, text);
        }
        key(&mut out, "ts");
        number(&mut out, self.written_at_ms);
        key(&mut out, "epoch");
        match self.epoch {
            Some(epoch) => number(&mut out, epoch),
            None => out.extend_from_slice(b"null"),
        }
        key(&mut out, "pointer");
        match self.pointer {
            Some(pointer) => node(&mut out, pointer),
            None => out.extend_from_slice(b"null"),
        }
        key(&mut out, "bundleCids");
        for (place, cid) in self.bundle_cids.iter().enumerate() {
            out.push(if place == 0 { b'[' } else { b',' });
            write_text(&mut out, cid);
        }
        out.extend_from_slice(if self.bundle_cids.is_empty() {
            b"[]"
        } else {
            b"]"
        });
        key(&mut out, "data");
        node(&mut out, self.data);
        // The hash is of the object without it.
        out.push(b'}');
        let hash = const_hex::encode(Sha256::digest(&out));
        out.pop();
        key(&mut out, HASH);
        write_text(&mut out, &hash);
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Reads what is stored under [`local_snapshot_key`]; `None` if nothing is.
///
/// # Errors
/// [`SnapshotFault`] if it is of no use.
pub fn read_local_snapshot<'t>(
    tape: &'t mut Tape,
    text: Option<&'t str>,
    wallet_id: &str,
    now_ms: u64,
) -> Result<Option<ReadSnapshot<'t>>, SnapshotFault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > LOCAL_SNAPSHOT_BYTES_MAX {
        return Err(SnapshotFault::Shape);
    }
    let node = tape
        .parse(text.as_bytes())
        .map_err(|_| SnapshotFault::Parse)?;
    let field = |name: &str| node.get(name).ok_or(SnapshotFault::Shape);
    if field("version")?.as_number() != Some(1.0) {
        return Err(match field("version")?.kind() {
            Kind::Number => SnapshotFault::Schema,
            _ => SnapshotFault::Shape,
        });
    }
    check_shape(node)?;
    if field("walletId")?.as_text().as_deref() != Some(wallet_id) {
        return Err(SnapshotFault::OtherWallet);
    }
    if field(HASH)?.as_text() != Some(content_hash(node).into()) {
        return Err(SnapshotFault::ContentHash);
    }
    let written_at = whole(field("ts")?).ok_or(SnapshotFault::Shape)?;
    let age_ms = now_ms.saturating_sub(written_at);
    Ok(Some(ReadSnapshot { node, age_ms }))
}

fn check_shape(node: Node<'_>) -> Result<(), SnapshotFault> {
    let is = |name: &str, is: fn(Node<'_>) -> bool| match node.get(name) {
        Some(value) if is(value) => Ok(()),
        _ => Err(SnapshotFault::Shape),
    };
    let is_text = |value: Node<'_>| value.kind() == Kind::Text;
    for name in ["walletId", "addressId", "network", HASH] {
        is(name, is_text)?;
    }
    is("ts", |value| whole(value).is_some())?;
    is("epoch", |value| value.is_null() || whole(value).is_some())?;
    is("pointer", |value| {
        matches!(value.kind(), Kind::Null | Kind::Object)
    })?;
    is("bundleCids", |value| {
        value.kind() == Kind::Array && value.items().all(|item| item.kind() == Kind::Text)
    })?;
    is("data", |value| value.kind() == Kind::Object)
}

fn content_hash(snapshot: Node<'_>) -> String {
    let mut out = Vec::new();
    for name in FIELDS {
        if let Some(value) = snapshot.get(name) {
            key(&mut out, name);
            node(&mut out, value);
        }
    }
    out.push(b'}');
    // Every key comes with a comma in front of it; in front of the first the object opens.
    if let Some(first) = out.first_mut() {
        *first = b'{';
    }
    const_hex::encode(Sha256::digest(&out))
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.push(b',');
    write_text(out, name);
    out.push(b':');
}

fn node(out: &mut Vec<u8>, node: Node<'_>) {
    match node.to_value() {
        Ok(value) => write_value(out, &value),
        // A number beyond all floats, which the reference reads as infinite and writes as null.
        Err(_) => out.extend_from_slice(b"null"),
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// A whole number from 0 to 2^53-1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range was checked"
)]
fn whole(node: Node<'_>) -> Option<u64> {
    const MAX: f64 = 9_007_199_254_740_991.0;
    let number = node.as_number()?;
    (number.fract() == 0.0 && (0.0..=MAX).contains(&number)).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data: &str, epoch: Option<u64>, bundle_cids: &[&str]) -> String {
        let (mut tape, mut pointer) = (Tape::new(), Tape::new());
        let snapshot = LocalSnapshot {
            wallet_id: "w",
            address_id: "a",
            network: "n",
            written_at_ms: 1000,
            epoch,
            pointer: Some(pointer.parse(br#"{"b":1,"a":2}"#).unwrap()),
            bundle_cids,
            data: tape.parse(data.as_bytes()).unwrap(),
        };
        snapshot.format()
    }

    fn read(text: &str, wallet_id: &str, now_ms: u64) -> Result<Option<u64>, SnapshotFault> {
        let mut tape = Tape::new();
        let read = read_local_snapshot(&mut tape, Some(text), wallet_id, now_ms)?;
        Ok(read.map(|read| read.age_ms))
    }

    #[test]
    fn what_is_written_reads_back_whatever_the_data() {
        for data in [
            "{}",
            r#"{"z":1.50,"a":[1e21,-0.0,"é\u0001"],"7":null,"3":{}}"#,
        ] {
            for (epoch, cids) in [(None, &[][..]), (Some(3), &["x", "y"][..])] {
                assert_eq!(
                    read(&text(data, epoch, cids), "w", 1500),
                    Ok(Some(500)),
                    "{data}"
                );
            }
        }
    }

    #[test]
    fn every_change_of_a_field_is_found() {
        let good = text(r#"{"t":1}"#, Some(3), &["x"]);
        for (from, to) in [
            (r#""addressId":"a""#, r#""addressId":"b""#),
            (r#""network":"n""#, r#""network":"m""#),
            (r#""ts":1000"#, r#""ts":1001"#),
            (r#""epoch":3"#, r#""epoch":null"#),
            (r#""b":1"#, r#""b":2"#),
            (r#"["x"]"#, "[]"),
            (r#""t":1"#, r#""t":2"#),
        ] {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            assert_eq!(
                read(&changed, "w", 0),
                Err(SnapshotFault::ContentHash),
                "{from}"
            );
        }
    }

    #[test]
    fn a_clock_that_went_back_makes_no_negative_age() {
        let good = text("{}", None, &[]);
        assert_eq!(read(&good, "w", 5), Ok(Some(0)));
        assert_eq!(read(&good, "other", 5), Err(SnapshotFault::OtherWallet));
        assert_eq!(read("", "w", 5), Ok(None));
        assert_eq!(read(r#"{"version":2}"#, "w", 5), Err(SnapshotFault::Schema));
        assert_eq!(read(r#"{"version":1}"#, "w", 5), Err(SnapshotFault::Shape));
        assert_eq!(
            read(r#"{"version":"1"}"#, "w", 5),
            Err(SnapshotFault::Shape)
        );
    }
}
