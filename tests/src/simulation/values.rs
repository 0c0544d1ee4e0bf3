//! The keys that devices write and values that their classes can read.

use uxf_engine::profile::keys::{Class, classify};
use uxf_engine::profile::merge::Merger;
use uxf_testkit::Rng;

/// Keys of every merged class and some whose last write counts: few, so that devices meet on them.
pub(crate) const KEYS: [&str; 17] = [
    "app.a",
    "app.b",
    "app.c",
    "app.d",
    "addresses.tracked",
    "DIRECT_0d5508_b1bbbf.messages",
    "DIRECT_0d5508_b1bbbf.invalidatedNametags",
    "DIRECT_0d5508_b1bbbf.accounting.closedInvoices",
    "DIRECT_0d5508_b1bbbf.tombstones",
    "DIRECT_0d5508_b1bbbf.accounting.autoReturnLedger",
    "DIRECT_0d5508_b1bbbf.outbox.o1",
    "DIRECT_0d5508_b1bbbf.outbox.o2",
    "DIRECT_0d5508_b1bbbf.sent.s1",
    "DIRECT_0d5508_b1bbbf.audit.a1",
    "DIRECT_0d5508_b1bbbf.manifest.m1",
    "tokens.bundle.b1",
    "tokens.bundle.b2",
];

/// The rule of a key. The keys here are all replicated.
pub(crate) fn merger(key: &str) -> Merger {
    match classify(key) {
        Class::Synced(merger) => merger,
        _ => Merger::LastWriter,
    }
}

/// A value for a key that the rule of its class can read. Nearly every one is told apart by `unique`.
pub(crate) fn value(rng: &mut Rng, key: &str, unique: u64) -> Vec<u8> {
    let text = match merger(key) {
        Merger::LastWriter => return plain(rng, unique),
        Merger::TextSet => format!(r#"["t{unique}","common"]"#),
        Merger::SpentSet => format!(
            r#"[{{"tokenId":"t{}","stateHash":"s{unique}","timestamp":{}}}]"#,
            rng.below(4),
            rng.below(1_000)
        ),
        Merger::Ledger => format!(
            r#"{{"e{unique}":{{"amount":"{}"}},"shared":{}}}"#,
            rng.below(100),
            rng.below(9)
        ),
        Merger::Slot if rng.percent(20) => tombstone(rng, unique),
        Merger::Slot => format!(r#"{{"lamport":{},"recipient":"r{unique}"}}"#, rng.below(50)),
        Merger::Outbox if rng.percent(10) => tombstone(rng, unique),
        Merger::Outbox => outbox(rng, key, unique),
        Merger::Audit => audit(rng, unique),
        Merger::BundleRef => bundle_reference(rng, unique),
        Merger::Manifest => format!(
            r#"{{"rootHash":"r{}","status":"{}","audit_promoted_from":["a{unique}"]}}"#,
            rng.below(4),
            if rng.percent(50) { "valid" } else { "pending" }
        ),
    };
    text.into_bytes()
}

fn plain(rng: &mut Rng, unique: u64) -> Vec<u8> {
    let mut bytes = unique.to_be_bytes().to_vec();
    // Now and then a long one, which lies in a block of its own.
    let len = if rng.percent(8) {
        1_100 + rng.index(3_000)
    } else {
        rng.index(120)
    };
    bytes.resize(8 + len, 0);
    if let Some(rest) = bytes.get_mut(8..) {
        rng.fill(rest);
    }
    bytes
}

fn tombstone(rng: &mut Rng, unique: u64) -> String {
    format!(
        r#"{{"deletedAt":{unique},"lamport":{},"tombstoned":true}}"#,
        rng.below(50)
    )
}

fn outbox(rng: &mut Rng, key: &str, unique: u64) -> String {
    let id = key.rsplit_once('.').map_or(key, |(_, id)| id);
    let statuses = [
        "packaging",
        "sending",
        "delivered",
        "finalizing",
        "finalized",
        "failed-transient",
        "failed-permanent",
    ];
    let status = rng.pick(&statuses).copied().unwrap_or_default();
    let (lamport, retries, errors) = (rng.below(50), rng.below(3), rng.below(3));
    format!(
        concat!(
            r#"{{"_schemaVersion":"uxf-1","bundleCid":"c","createdAt":1,"deliveryMethod":"car-over-nostr","#,
            r#""id":"{id}","lamport":{lamport},"memo":"m{unique}","mode":"instant","overrideApplied":false,"#,
            r#""proofErrorCount":{errors},"recipient":"r","recipientTransportPubkey":"k","status":"{status}","#,
            r#""submitRetryCount":{retries},"tokenIds":["t"],"updatedAt":{unique}}}"#
        ),
        id = id,
        lamport = lamport,
        unique = unique,
        errors = errors,
        status = status,
        retries = retries
    )
}

fn audit(rng: &mut Rng, unique: u64) -> String {
    if rng.percent(10) {
        return tombstone(rng, unique);
    }
    let status = if rng.percent(20) {
        "audit-promoted"
    } else {
        "audit-not-our-state"
    };
    format!(
        r#"{{"auditStatus":"{status}","bundleCidsObserved":["c{}"],"reason":"x{unique}","recordedAt":{}}}"#,
        rng.below(40),
        rng.below(1_000)
    )
}

fn bundle_reference(rng: &mut Rng, unique: u64) -> String {
    let statuses = ["unverified", "active", "superseded"];
    let status = rng.pick(&statuses).copied().unwrap_or_default();
    format!(
        r#"{{"createdAt":{unique},"status":"{status}","removeFromProfileAfter":{}}}"#,
        rng.below(1_000)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_keys_is_there_and_reads_what_is_made_for_it() {
        let mut rng = Rng::new(1);
        for merger_wanted in Merger::ALL {
            assert!(
                KEYS.iter().any(|key| merger(key) == merger_wanted),
                "{merger_wanted:?}"
            );
        }
        for unique in 0..500 {
            for key in KEYS {
                let value = value(&mut rng, key, unique);
                if let Ok(text) = core::str::from_utf8(&value) {
                    assert!(merger(key).reads(key, text), "{key}: {text}");
                } else {
                    assert_eq!(merger(key), Merger::LastWriter);
                }
            }
        }
    }
}
