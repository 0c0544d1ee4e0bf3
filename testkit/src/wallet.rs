//! The synthetic wallet that every figure about tokens is measured on.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

const SEED: &str = "w1";
/// Consecutive proofs that rest on one certificate, as a round of the aggregator serves many requests.
const PROOFS_PER_CERTIFICATE: u64 = 8;

/// The benchmark wallet of the format notes, section 22: a stream of token JSON texts, each a pure function of the
/// number of tokens and its place among them.
///
/// About 1.5 transfers and 6 KB of JSON a token, 16.5 distinct elements a token; every tenth token carries a
/// name-tag. The tokens are structurally valid, not cryptographically. No token is kept, so a wallet of millions
/// needs no memory. The wallet of 1,000 is the golden vector `bench-wallet-1000`.
///
/// ```
/// use uxf_testkit::Wallet;
///
/// let tokens: Vec<String> = Wallet::new(3).collect();
/// assert_eq!(tokens.len(), 3);
/// assert!(tokens[0].starts_with(r#"{"version":"2.0","state":"#));
/// assert_eq!(Wallet::new(3).collect::<Vec<_>>(), tokens);
/// ```
#[derive(Clone, Debug)]
pub struct Wallet {
    seed: String,
    tokens: u64,
    name_tags: u64,
    next: u64,
    /// How many proofs have been built, which decides on the certificate of the next.
    proofs: u64,
}

impl Wallet {
    /// The wallet of so many tokens.
    pub fn new(tokens: u64) -> Self {
        Self::with_seed(SEED, tokens)
    }

    /// Another wallet of the same shape; it shares nothing with those of other seeds.
    pub fn with_seed(seed: &str, tokens: u64) -> Self {
        let name_tags = (tokens / 50).max(1);
        Self {
            seed: seed.to_owned(),
            tokens,
            name_tags,
            next: 0,
            proofs: name_tags, // the name-tags come first and have one proof each
        }
    }

    /// Writes the tokens that are left as one compact JSON array.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_json(self, mut out: impl Write) -> io::Result<()> {
        out.write_all(b"[")?;
        for (index, token) in self.enumerate() {
            if index > 0 {
                out.write_all(b",")?;
            }
            out.write_all(token.as_bytes())?;
        }
        out.write_all(b"]")
    }
}

impl Iterator for Wallet {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let index = self.next;
        if index >= self.tokens {
            return None;
        }
        self.next += 1;
        let transfers = (7 * index + 3) % 4;
        let mut writer = TokenWriter {
            seed: &self.seed,
            proofs: self.proofs,
            out: String::with_capacity(4_096 + 4_096 * transfers as usize),
        };
        writer.token(&format!("t{index}"), transfers, true, |writer| {
            if index.is_multiple_of(10) {
                let name_tag = (index / 10) % self.name_tags;
                // Name-tag i had proof i, whichever token carries it now.
                let proofs = core::mem::replace(&mut writer.proofs, name_tag);
                writer.token(&format!("n{name_tag}"), 0, false, |_| {});
                writer.proofs = proofs;
            }
        });
        self.proofs = writer.proofs;
        Some(writer.out)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.tokens - self.next).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Wallet {}

/// Writes one token, fields in the order in which the reference implementation prints them.
struct TokenWriter<'a> {
    seed: &'a str,
    proofs: u64,
    out: String,
}

impl TokenWriter<'_> {
    fn token(
        &mut self,
        label: &str,
        transfers: u64,
        is_coin: bool,
        name_tags: impl FnOnce(&mut Self),
    ) {
        self.raw(r#"{"version":"2.0","state":"#);
        self.state(&format!("{label}/{transfers}"));
        self.raw(r#","genesis":{"data":{"coinData":"#);
        if is_coin {
            self.raw(r#"[[""#);
            self.hex(&format!("coin/{}", label.len() % 4), 32);
            self.raw(&format!(r#"","{}"]]"#, 1_000_000 + label.len()));
        } else {
            self.raw("null");
        }
        self.raw(r#","reason":null"#);
        self.recipient(&format!("rcp/{label}"));
        self.text_of_hash("salt", &format!("salt/{label}"), 32);
        if is_coin {
            self.raw(r#","tokenData":null"#);
        } else {
            self.text_of_hash("tokenData", &format!("nt/{label}"), 40);
        }
        self.text_of_hash("tokenId", &format!("id/{label}"), 32);
        let token_type = if is_coin { "type/coin" } else { "type/name" };
        self.text_of_hash("tokenType", token_type, 32);
        self.raw(r#"},"inclusionProof":"#);
        self.proof(&format!("{label}/g"));
        self.raw(r#"},"transactions":["#);
        for transfer in 0..transfers {
            if transfer > 0 {
                self.raw(",");
            }
            self.transfer(label, transfer);
        }
        self.raw(r#"],"nametags":["#);
        name_tags(self);
        self.raw("]}");
    }

    fn transfer(&mut self, label: &str, transfer: u64) {
        self.raw(r#"{"data":{"message":"#);
        if transfer % 3 == 2 {
            self.raw("\"");
            self.hex(&format!("msg/{label}/{transfer}"), 16);
            self.raw("\"");
        } else {
            self.raw("null");
        }
        self.raw(r#","nametags":[]"#);
        self.recipient(&format!("rcp/{label}/{transfer}"));
        self.text_of_hash("salt", &format!("salt/{label}/{transfer}"), 32);
        self.raw(r#","sourceState":"#);
        self.state(&format!("{label}/{transfer}"));
        self.raw(r#"},"inclusionProof":"#);
        self.proof(&format!("{label}/t{transfer}"));
        self.raw("}");
    }

    fn state(&mut self, label: &str) {
        self.raw(r#"{"data":null,"predicate":"830041005870"#);
        self.hex(&format!("pred/{label}"), 112);
        self.raw(r#""}"#);
    }

    fn recipient(&mut self, label: &str) {
        self.raw(r#","recipient":"DIRECT://0000"#);
        self.hex(label, 36);
        self.raw(r#"","recipientDataHash":null"#);
    }

    fn proof(&mut self, label: &str) {
        let round = self.proofs / PROOFS_PER_CERTIFICATE;
        self.proofs += 1;
        self.raw(r#"{"authenticator":{"algorithm":"secp256k1","publicKey":"02"#);
        self.hex(&format!("pub/{label}"), 32);
        self.raw("\"");
        self.text_of_hash("signature", &format!("sig/{label}"), 65);
        self.raw(r#","stateHash":"0000"#);
        self.hex(&format!("sh/{label}"), 32);
        self.raw(r#""},"merkleTreePath":{"root":"0000"#);
        self.hex(&format!("root/{round}"), 32);
        self.raw(r#"","steps":[{"data":"0000"#);
        self.hex(&format!("step/{label}/0"), 32);
        self.raw(r#"","path":""#);
        let mut path = [1; 34];
        if let Some(random) = path.last_chunk_mut::<33>() {
            self.stream(&format!("path/{label}"), random);
        }
        self.raw(&decimal(&path));
        self.raw(r#""}"#);
        for step in 1..=5 {
            self.raw(r#",{"data":""#);
            self.hex(&format!("step/{label}/{step}"), 32);
            let path = 2 + (label.len() + step - 1) % 2;
            self.raw(&format!(r#"","path":"{path}"}}"#));
        }
        self.raw(r#"]},"transactionHash":"0000"#);
        self.hex(&format!("txh/{label}"), 32);
        self.raw(r#"","unicityCertificate":"d903ef87"#);
        self.hex(&format!("cert/{round}"), 236);
        self.raw(r#""}"#);
    }

    fn text_of_hash(&mut self, key: &str, label: &str, len: usize) {
        self.raw(&format!(r#","{key}":""#));
        self.hex(label, len);
        self.raw("\"");
    }

    /// Appends `len` bytes of the label's stream as lower-case hex.
    fn hex(&mut self, label: &str, len: usize) {
        let mut bytes = vec![0; len];
        self.stream(label, &mut bytes);
        self.out.extend(bytes.iter().flat_map(|byte| {
            [byte >> 4, byte & 15]
                .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or_default())
        }));
    }

    /// The recipe's `H`: SHA-256 of "uxf-bench/seed/label/0", then of ".../1", and so on.
    fn stream(&self, label: &str, out: &mut [u8]) {
        for (block, chunk) in out.chunks_mut(32).enumerate() {
            let digest = Sha256::digest(format!("uxf-bench/{}/{label}/{block}", self.seed));
            chunk
                .iter_mut()
                .zip(digest)
                .for_each(|(byte, new)| *byte = new);
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }
}

/// A big-endian number in decimal digits.
fn decimal(bytes: &[u8]) -> String {
    const BASE: u64 = 1_000_000_000;
    let mut groups: Vec<u64> = Vec::new(); // nine digits each, least significant first
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for group in &mut groups {
            let value = *group * 256 + carry;
            *group = value % BASE;
            carry = value / BASE;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let mut digits = groups.iter().rev();
    let first = digits.next().copied().unwrap_or_default().to_string();
    digits.fold(first, |out, group| out + &format!("{group:09}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_wallet_of_1000_is_the_golden_vector_byte_for_byte() {
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/uxf");
        let packed = std::fs::read(format!("{vectors}/bench-wallet-1000.json.gz")).unwrap();
        let mut golden = Vec::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut golden)
            .unwrap();
        let mut ours = Vec::new();
        Wallet::new(1_000).write_json(&mut ours).unwrap();
        let differs = golden.iter().zip(&ours).position(|(a, b)| a != b);
        assert_eq!(differs, None, "first differing byte");
        assert_eq!(ours.len(), golden.len());

        let expect =
            std::fs::read_to_string(format!("{vectors}/bench-wallet-1000.expect.json")).unwrap();
        let digest = uxf_codec::ElementHash::of(&ours).to_string();
        assert!(
            expect.contains(&format!(r#""rawJsonSha256":"{digest}""#)),
            "{digest}"
        );
    }

    #[test]
    fn the_wallet_of_1000_has_the_roots_of_the_golden_vector() {
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/uxf");
        let text = std::fs::read(format!("{vectors}/bench-wallet-1000.expect.json")).unwrap();
        let mut tape = uxf_codec::json::Tape::new();
        let expect = tape.parse(&text).unwrap();
        let roots = expect.get("manifestRoots").unwrap();
        assert_eq!(roots.len(), 1_000);
        let mut batch = uxf_codec::ElementBatch::new();
        for (pair, json) in roots.items().zip(Wallet::new(1_000)) {
            let pair: Vec<_> = pair.items().map(|item| item.as_text().unwrap()).collect();
            let token = uxf_codec::token::deconstruct(json.as_bytes(), &mut batch).unwrap();
            assert_eq!(token.token_id.to_string(), pair[0]);
            assert_eq!(token.root.to_string(), pair[1]);
        }
        let distinct: std::collections::BTreeSet<_> =
            batch.iter().map(|element| element.hash).collect();
        assert_eq!(
            expect.get("elementCount").unwrap().raw(),
            distinct.len().to_string()
        );
    }

    #[test]
    fn an_empty_wallet_is_an_empty_array() {
        let mut out = Vec::new();
        Wallet::new(0).write_json(&mut out).unwrap();
        assert_eq!(out, b"[]");
    }

    #[test]
    fn seeds_share_nothing() {
        let a = Wallet::with_seed("a", 1).next().unwrap();
        let b = Wallet::with_seed("b", 1).next().unwrap();
        assert_eq!(a.len(), b.len());
        assert_ne!(a, b);
    }

    #[test]
    fn numbers_longer_than_a_word_are_written_in_decimal() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[0, 0]), "0");
        assert_eq!(decimal(&[1, 0]), "256");
        assert_eq!(decimal(&[0x3b, 0x9a, 0xca, 0x00]), "1000000000");
        assert_eq!(
            decimal(&[1, 0, 0, 0, 0, 0, 0, 0, 0]),
            "18446744073709551616"
        );
    }
}
