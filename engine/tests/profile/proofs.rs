use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointProof, LoneOperation, ProofError, Stamp};
use uxf_engine::profile::Profile;

use super::{device, give};

const SET: &str = "DIRECT_0d5508_b1bbbf.invalidatedNametags";

/// What a proof says, and whether a checkpoint is signed for it, read with nothing but its bytes.
fn verified(proof: &[u8]) -> Result<(Stamp, String, bool), ProofError> {
    match (LoneOperation::decode(proof), CheckpointProof::decode(proof)) {
        (Ok(alone), Err(_)) => {
            let (stamp, operation) = alone.verify()?;
            Ok((stamp, operation.key.to_owned(), false))
        }
        (Err(_), Ok(alone)) => {
            let (stamp, operation) = alone.verify()?;
            Ok((stamp, operation.key.to_owned(), true))
        }
        // One of both kinds would be as bad.
        (Ok(_), Ok(_)) => Err(ProofError::Path),
        (Err(error), Err(_)) => Err(error),
    }
}

/// The one operation that counts of a key: who wrote it, and whether it deletes and is proven by a checkpoint.
fn proven(profile: &Profile, key: &str) -> (LogId, u64, bool, bool) {
    let mut proofs = profile.prove(key).unwrap();
    assert_eq!(proofs.len(), 1, "{key}");
    let (stamp, name, by_checkpoint) = verified(&proofs.remove(0)).unwrap();
    assert_eq!(name, key);
    if let Some(value) = profile.get(key).unwrap() {
        assert_eq!(value.time(), Some(stamp.time));
        assert_eq!(value.written_by(), Some((stamp.log, stamp.seq)));
    }
    (stamp.log, stamp.seq, stamp.is_delete, by_checkpoint)
}

/// A device that wrote a value, a long one, a dead one, a deleted one, and after a batch of 3,000 one more.
fn phone() -> Profile {
    let phone = device("phone");
    phone.put("app.k", b"dead").unwrap();
    phone.put("app.gone", b"v").unwrap();
    phone.put("app.k", b"v").unwrap();
    phone.delete("app.gone").unwrap();
    phone.put("app.long", &[7; 5_000]).unwrap();
    let mut batch = phone.engine().begin();
    for key in 0..3_000 {
        let value = [9; 60];
        batch
            .put_value(&phone, &format!("app.many.{key:04}"), &value)
            .unwrap();
    }
    batch.commit().unwrap();
    phone.put("app.last", b"v").unwrap();
    phone
}

/// Sequence numbers of what counts on that phone.
fn proves_all(profile: &Profile, log: LogId, by_checkpoint: bool) {
    let all = [
        ("app.k", 3, false),
        ("app.gone", 4, true),
        ("app.long", 5, false),
        ("app.many.0000", 6, false),
        ("app.many.1234", 1_240, false),
        ("app.many.2999", 3_005, false),
        ("app.last", 3_006, false),
    ];
    for (key, seq, is_delete) in all {
        assert_eq!(proven(profile, key), (log, seq, is_delete, by_checkpoint));
    }
}

#[test]
fn what_counts_is_proven_by_its_commit_and_after_compaction_by_the_checkpoint() {
    let phone = phone();
    proves_all(&phone, phone.log_id(), false);
    phone.compact().unwrap();
    phone.engine().sweep(u64::MAX).unwrap();
    // The many do not fit into one segment.
    proves_all(&phone, phone.log_id(), true);
    phone.put("app.k", b"after").unwrap();
    assert_eq!(
        proven(&phone, "app.k"),
        (phone.log_id(), 3_007, false, false)
    );
    assert!(phone.prove("app.never").unwrap().is_empty());
}

#[test]
fn what_another_device_wrote_is_proven_too_from_its_commits_and_its_checkpoint() {
    let phone = phone();
    let (early, late) = (device("early"), device("late"));
    give(&phone, &early);
    proves_all(&early, phone.log_id(), false);
    phone.compact().unwrap();
    give(&phone, &late);
    proves_all(&late, phone.log_id(), true);
    // What is passed on stays provable.
    let third = device("third");
    give(&late, &third);
    proves_all(&third, phone.log_id(), true);
    // A device that had the commits and then took the checkpoint.
    phone.put("app.more", b"dead").unwrap();
    phone.put("app.more", b"v").unwrap();
    phone.compact().unwrap();
    give(&phone, &early);
    early.engine().sweep(u64::MAX).unwrap();
    proves_all(&early, phone.log_id(), true);
}

#[test]
fn of_a_merged_key_every_device_that_counts_is_proven() {
    let (phone, laptop) = (device("phone"), device("laptop"));
    phone.put(SET, br#"["dead"]"#).unwrap();
    phone.delete(SET).unwrap();
    phone.put(SET, br#"["a"]"#).unwrap();
    // Later than the delete.
    for key in ["app.a", "app.b", SET] {
        laptop.put(key, br#"["b"]"#).unwrap();
    }
    phone.compact().unwrap();
    give(&phone, &laptop);
    let proofs = laptop.prove(SET).unwrap();
    let stamps: Vec<Stamp> = proofs
        .iter()
        .map(|proof| {
            let (stamp, key, _) = verified(proof).unwrap();
            assert_eq!(key, SET);
            stamp
        })
        .collect();
    assert!(stamps.is_sorted());
    let mut puts: Vec<LogId> = stamps
        .iter()
        .filter(|stamp| !stamp.is_delete)
        .map(|stamp| stamp.log)
        .collect();
    puts.sort_unstable();
    let mut logs = [phone.log_id(), laptop.log_id()];
    logs.sort_unstable();
    assert_eq!(puts, logs);
    assert!(stamps[0].is_delete, "{stamps:?}");
}

#[test]
fn a_proof_changed_in_any_byte_is_refused() {
    let phone = device("phone");
    phone.put("app.a", b"dead").unwrap();
    let mut batch = phone.engine().begin();
    for key in ["app.a", "app.b", "app.c"] {
        batch.put_value(&phone, key, b"v").unwrap();
    }
    batch.commit().unwrap();
    let lone = phone.prove("app.b").unwrap().remove(0);
    phone.compact().unwrap();
    let kept = phone.prove("app.b").unwrap().remove(0);
    assert!(!verified(&lone).unwrap().2);
    assert!(verified(&kept).unwrap().2);
    for proof in [lone, kept] {
        for at in 0..proof.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut changed = proof.clone();
                changed[at] ^= mask;
                assert!(verified(&changed).is_err(), "byte {at} ^ {mask}");
            }
            assert!(verified(&proof[..at]).is_err(), "cut at {at}");
        }
        assert!(verified(&[&proof[..], &[0]].concat()).is_err());
    }
}

#[test]
fn what_outlived_the_checkpoint_it_was_in_is_said_to_be_unproven() {
    // The laptop writes over what the phone wrote, and the phone drops its own write; the tablet has heard of the phone
    // alone.
    let (phone, laptop, tablet) = (device("phone"), device("laptop"), device("tablet"));
    phone.put("app.k", b"dead").unwrap();
    phone.put("app.k", b"phone").unwrap();
    phone.put("app.l", b"phone").unwrap();
    phone.compact().unwrap();
    give(&phone, &tablet);
    give(&phone, &laptop);
    assert!(proven(&tablet, "app.k").3);
    laptop.put("app.k", b"laptop").unwrap();
    give(&laptop, &phone);
    phone.put("app.m", b"phone").unwrap();
    phone.compact().unwrap();
    let mut delta = phone
        .delta_for(&tablet.version_vector().unwrap(), 1 << 20)
        .unwrap();
    delta.commits.clear();
    tablet.ingest(&delta).unwrap();
    let refused = tablet.prove("app.k").unwrap_err();
    assert_eq!(refused.code(), "UNPROVEN");
    assert!(proven(&tablet, "app.l").3);
    give(&laptop, &tablet);
    assert_eq!(proven(&tablet, "app.k").0, laptop.log_id());
}
