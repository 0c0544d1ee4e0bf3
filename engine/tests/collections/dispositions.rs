//! Tokens that do not count, and how they come to.

use uxf_engine::profile::merge::ManifestEntry;
use uxf_engine::wallet::collections::CollectionError;
use uxf_engine::wallet::{ContentHash, DispositionReason, PromotionStep};

use super::{Device, refusal, refused, token};

fn hash(byte: &str) -> ContentHash {
    ContentHash::parse(&byte.repeat(32)).unwrap()
}

const NOT_OURS: DispositionReason = DispositionReason::NotOurState;
const PROOF: DispositionReason = DispositionReason::ProofInvalid;

#[test]
fn two_observations_of_a_token_are_two_records_and_one_again_adds_its_bundle() {
    let phone = Device::new("phone");
    let all = phone.collections();
    all.audit()
        .observe("T1", &hash("aa"), NOT_OURS, "b2")
        .unwrap();
    phone.clock.set(super::NOW + 5);
    let again = all.audit().observe("t1", &hash("aa"), PROOF, "b1").unwrap();
    all.audit().observe("t1", &hash("bb"), PROOF, "b1").unwrap();
    assert_eq!(all.audit().of_token("t1").unwrap().entries.len(), 2);
    let json = again.to_json();
    assert_eq!(json["reason"], NOT_OURS.as_str());
    assert_eq!(json["recordedAt"], super::NOW);
    assert_eq!(json["bundleCidsObserved"], serde_json::json!(["b1", "b2"]));
}

#[test]
fn what_cannot_count_is_recorded_once_and_what_has_no_id_apart() {
    let phone = Device::new("phone");
    let all = phone.collections();
    assert!(all.invalid().record("t1", &hash("aa"), PROOF).unwrap());
    assert!(!all.invalid().record("t1", &hash("aa"), NOT_OURS).unwrap());
    assert!(all.invalid().record("", &hash("aa"), NOT_OURS).unwrap());
    let of_token = all.invalid().of_token("T1").unwrap().entries;
    assert_eq!(of_token.len(), 1);
    assert_eq!(of_token[0]["reason"], PROOF.as_str());
    assert_eq!(all.invalid().all().unwrap().entries.len(), 2);
    assert!(all.invalid().delete("t1", &hash("aa")).unwrap());
    assert_eq!(all.invalid().all().unwrap().entries.len(), 1);
    assert!(!all.invalid().record("t1", &hash("aa"), PROOF).unwrap());
}

#[test]
fn a_promotion_cut_off_after_any_step_is_finished_when_the_wallet_is_opened_again() {
    for steps in 0..=3 {
        let place = tempfile::tempdir().unwrap();
        let token_id;
        {
            let disk = Device::on_disk(place.path());
            token_id = disk.import(&token(0));
            let root = disk.wallet.get(&token_id).unwrap().unwrap().root;
            let all = disk.collections();
            all.audit()
                .observe(&token_id, &hash("aa"), NOT_OURS, "b1")
                .unwrap();
            let expected = [
                PromotionStep::Mark,
                PromotionStep::AddBackReference,
                PromotionStep::Finish,
            ];
            for step in expected.into_iter().take(steps) {
                let taken = all.audit().promote_one_step(&token_id, &hash("aa"), &root);
                assert_eq!(taken.unwrap(), step);
            }
        }
        let disk = Device::on_disk(place.path());
        let all = disk.collections();
        // Without the first step nothing was begun, after the last one nothing is left to do.
        assert_eq!(
            all.recovered().promotions,
            u64::from((1..3).contains(&steps))
        );
        let record = all.audit().get(&token_id, &hash("aa")).unwrap().unwrap();
        assert_eq!(record.is_promoted(), steps > 0, "after {steps} steps");
        let line = all.manifest_line(&token_id).unwrap();
        let from = line.iter().flat_map(ManifestEntry::promoted_from);
        assert_eq!(from.count(), usize::from(steps > 0));
    }
}

#[test]
fn a_token_is_promoted_only_at_the_root_that_counts() {
    let phone = Device::new("phone");
    let all = phone.collections();
    all.audit()
        .observe("ab", &hash("aa"), NOT_OURS, "b1")
        .unwrap();
    let token_id = phone.import(&token(0));
    let other = phone.import(&token(1));
    let root = phone.wallet.get(&token_id).unwrap().unwrap().root;
    let other_root = phone.wallet.get(&other).unwrap().unwrap().root;
    assert_eq!(
        refused(all.audit().promote("ab", &hash("aa"), &root)),
        "TOKEN_NOT_HELD"
    );
    assert_eq!(phone.collections().recovered().promotions_waiting, 1);
    all.audit()
        .observe(&token_id, &hash("aa"), NOT_OURS, "b1")
        .unwrap();
    let wrong = refusal(all.audit().promote(&token_id, &hash("aa"), &other_root));
    assert!(matches!(wrong, CollectionError::RootChanged { .. }));
    let promoted = all.audit().promote(&token_id, &hash("aa"), &root).unwrap();
    assert!(promoted.is_promoted());
    assert_eq!(
        promoted.to_json()["promotedToManifestRef"],
        root.to_string()
    );
    assert_eq!(
        refused(all.audit().promote("cd", &hash("aa"), &root)),
        "ENTRY_NOT_FOUND"
    );
}

#[test]
fn two_devices_that_promote_a_token_at_once_have_it_promoted_once() {
    let (phone, laptop) = (Device::new("phone"), Device::new("laptop"));
    let (ours, theirs) = (phone.collections(), laptop.collections());
    let token_id = phone.import(&token(0));
    laptop.import(&token(0));
    let root = phone.wallet.get(&token_id).unwrap().unwrap().root;
    ours.audit()
        .observe(&token_id, &hash("aa"), NOT_OURS, "b1")
        .unwrap();
    phone.meet(&laptop);
    ours.audit()
        .promote_one_step(&token_id, &hash("aa"), &root)
        .unwrap();
    theirs
        .audit()
        .promote(&token_id, &hash("aa"), &root)
        .unwrap();
    // An observation that knows nothing of it takes nothing back.
    ours.audit()
        .observe(&token_id, &hash("aa"), PROOF, "b3")
        .unwrap();
    phone.meet(&laptop);
    ours.audit().promote(&token_id, &hash("aa"), &root).unwrap();
    phone.meet(&laptop);
    assert_eq!(phone.rows(), laptop.rows());
    for all in [&ours, &theirs] {
        let record = all.audit().get(&token_id, &hash("aa")).unwrap().unwrap();
        assert!(record.is_promoted() && !record.is_promotion_pending());
        let line = all.manifest_line(&token_id).unwrap().unwrap();
        assert_eq!(line.promoted_from().count(), 1);
    }
    assert_eq!(
        (ours.recovered(), phone.collections().recovered().promotions),
        (&uxf_engine::wallet::collections::Recovered::default(), 0)
    );
}

#[test]
fn a_token_that_falls_takes_those_with_it_that_were_split_from_it() {
    let phone = Device::new("phone");
    let all = phone.collections();
    let ids: Vec<_> = (0..3).map(|n| phone.import(&token(n))).collect();
    all.note_split(&ids[1], "DEAD").unwrap();
    all.note_split(&ids[2], &ids[1]).unwrap();
    assert_eq!(refused(all.note_split("nobody", "dead")), "TOKEN_NOT_HELD");
    let fallen = all
        .invalid()
        .record_with_splits("dead", &hash("aa"), PROOF)
        .unwrap();
    assert_eq!(fallen, [ids[1].clone(), ids[2].clone()]);
    let reasons = |id: &str| {
        let found = all.invalid().of_token(id).unwrap().entries.into_iter();
        let reasons = found.map(|record| record["reason"].as_str().unwrap().to_owned());
        reasons.collect::<Vec<_>>()
    };
    assert_eq!(reasons("dead"), ["proof-invalid"]);
    assert_eq!(reasons(&ids[2]), ["parent-rejected"]);
    assert!(reasons(&ids[0]).is_empty());
}
