//! What an application knows of proofs and owners, and what a wallet makes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uxf_codec::package::ProofToVerify;
use uxf_engine::wallet::{
    DispositionReason, OwnerPredicate, ProofVerifier, SpentOracle, TokenStatus, TxfToken,
    WalletOptions,
};

use crate::joins::bundles;
use crate::{FORGED, device, device_with, earlier, history, id, reproven, token, unproven_at};

struct Verdict(bool);

impl ProofVerifier for Verdict {
    fn is_proven(&self, proof: &ProofToVerify<'_>) -> bool {
        assert!(proof.json.starts_with(b"{"));
        self.0
    }
}

impl OwnerPredicate for Verdict {
    fn is_ours(&self, token: &TxfToken<'_>) -> bool {
        assert!(token.token_id().is_some());
        self.0
    }
}

impl SpentOracle for Verdict {
    fn is_spent(&self, _: &str, _: &str) -> Option<bool> {
        Some(self.0)
    }
}

/// Refuses proofs that have a text in them.
struct Refuses(&'static str);

impl ProofVerifier for Refuses {
    fn is_proven(&self, proof: &ProofToVerify<'_>) -> bool {
        let json = core::str::from_utf8(proof.json).unwrap();
        !json.contains(self.0)
    }
}

/// Counts how often it is asked.
#[derive(Default)]
struct Asked(AtomicU64);

impl ProofVerifier for Asked {
    fn is_proven(&self, _: &ProofToVerify<'_>) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }
}

#[test]
fn a_state_that_bundles_name_again_is_not_judged_again_and_goes_with_the_last_of_them() {
    let (known, other) = (token(0, 2), token(1, 0));
    let asked = Arc::new(Asked::default());
    let verifier: Arc<dyn ProofVerifier> = Arc::clone(&asked) as Arc<_>;
    let one = device_with("one", WalletOptions::new().proof_verifier(verifier));
    one.import(&known);
    assert_eq!(one.wallet.status().unwrap().unsaved, 1);
    let before = asked.0.load(Ordering::SeqCst);
    let maker = device("maker");
    let both = maker.bundle(&[&known, &other]);
    let both = (both.clone(), maker.car(&both));
    for (cid, car) in bundles(&[&known]).into_iter().chain([both]) {
        let taken = one.wallet.add_bundle_car(&cid, &car).unwrap();
        assert!(taken.is_new);
        let is_other = u64::from(taken.tokens == 2);
        assert_eq!(taken.counts.added, is_other);
        let proofs = is_other * (1 + history(&other) as u64);
        assert_eq!(asked.0.load(Ordering::SeqCst), before + proofs);
        assert_eq!(one.wallet.status().unwrap().unsaved, 0);
        one.is_sound();
    }
    let entry = one.wallet.get(&id(&known)).unwrap().unwrap();
    assert_eq!(entry.bundles.len(), 2);
}

#[test]
fn what_the_application_objects_to_is_invalid_and_says_why() {
    let token = token(0, 1);
    for good in [true, false] {
        let cases = [
            (
                WalletOptions::new().proof_verifier(Arc::new(Verdict(good))),
                DispositionReason::ProofInvalid,
            ),
            (
                WalletOptions::new().owner_predicate(Arc::new(Verdict(good))),
                DispositionReason::NotOurState,
            ),
        ];
        for (options, reason) in cases {
            let device = device_with("judge", options);
            device.import(&token);
            let entry = device.wallet.get(&id(&token)).unwrap().unwrap();
            assert_eq!(entry.reason, (!good).then_some(reason));
            assert_eq!(entry.status == TokenStatus::Invalid, !good);
        }
    }
}

#[test]
fn what_was_spent_elsewhere_is_invalid_until_a_newer_state_comes() {
    let newest = token(0, 2);
    let device = device("asker");
    device.import(&earlier(&newest, 1));
    let report = device.wallet.ask_oracle(&Verdict(true)).unwrap();
    assert_eq!((report.asked, report.spent, report.unknown), (1, 1, 0));
    let entry = device.tokens().pop().unwrap();
    assert_eq!(entry.reason, Some(DispositionReason::OffRecordSpend));
    let (cid, car) = bundles(&[&newest]).pop().unwrap();
    device.wallet.add_bundle_car(&cid, &car).unwrap();
    assert_eq!(device.tokens().pop().unwrap().status, TokenStatus::Valid);
}

/// A proof that is refused makes no token go away: whoever can write a bundle could otherwise hide one by forging a
/// longer history of it.
#[test]
fn a_forged_history_hides_no_good_one_however_long_it_is() {
    let newest = token(0, 2);
    let good = earlier(&newest, 1);
    for forgery in [reproven(&newest), reproven(&good)] {
        let states = bundles(&[&good, &forgery]);
        for order in [[0, 1], [1, 0]] {
            let options = WalletOptions::new().proof_verifier(Arc::new(Refuses(FORGED)));
            let device = device_with("judge", options);
            for at in order {
                let (cid, car) = &states[at];
                device.wallet.add_bundle_car(cid, car).unwrap();
            }
            let entry = device.tokens().pop().unwrap();
            assert_eq!((entry.status, entry.reason), (TokenStatus::Valid, None));
            let json = device.wallet.inventory().assemble(&id(&good)).unwrap();
            let json = String::from_utf8(json).unwrap();
            assert!(!json.contains(FORGED), "the forged history counts");
            device.is_sound();
        }
    }
}

/// Nobody has looked at either proof, so the one that stands back must still be there when somebody does.
#[test]
fn a_state_is_kept_when_only_one_with_other_proofs_covers_it() {
    let good = token(0, 1);
    let options = WalletOptions::new().inventory("tokens");
    let device = device_with("one", options);
    device.import(&good);
    let (cid, car) = bundles(&[&reproven(&good)]).pop().unwrap();
    device.wallet.add_bundle_car(&cid, &car).unwrap();
    let options = WalletOptions::new().inventory("tokens");
    let options = options.proof_verifier(Arc::new(Refuses(FORGED)));
    let judge = device
        .engine
        .wallet(&device.profile, device.wallet.address(), options);
    let judge = judge.unwrap();
    // Any change of the token has it joined again.
    judge.ask_oracle(&Verdict(true)).unwrap();
    let json = judge.inventory().assemble(&id(&good)).unwrap();
    assert!(!String::from_utf8(json).unwrap().contains(FORGED));
    device.is_sound();
}

#[test]
fn a_root_that_a_join_put_together_is_judged_as_any_other() {
    let newest = token(0, 2);
    // One lacks the proof of the first transfer, which the other has.
    let states = bundles(&[&unproven_at(&newest, 0), &earlier(&newest, 1)]);
    let status = |refused: &'static str| {
        let options = WalletOptions::new().proof_verifier(Arc::new(Refuses(refused)));
        let device = device_with("judge", options);
        for (cid, car) in &states {
            device.wallet.add_bundle_car(cid, car).unwrap();
        }
        device.is_sound();
        let root = device.wallet.inventory().assemble(&id(&newest)).unwrap();
        let root = crate::parse(core::str::from_utf8(&root).unwrap());
        assert!(!root["transactions"][0]["inclusionProof"].is_null());
        assert_eq!(
            root["transactions"].as_array().unwrap().len(),
            history(&newest)
        );
        let report = device.wallet.ask_oracle(&Verdict(false)).unwrap();
        assert_eq!(report.asked, 1);
        let before = device.tokens().pop().unwrap();
        device.wallet.ask_oracle(&Verdict(true)).unwrap();
        let spent = device.tokens().pop().unwrap();
        assert_eq!(spent.reason, Some(DispositionReason::OffRecordSpend));
        before.status
    };
    assert_eq!(status("no proof has this"), TokenStatus::Valid);
    let genesis = &crate::parse(&newest)["genesis"]["inclusionProof"]["authenticator"]["signature"];
    let genesis = genesis.as_str().unwrap().to_owned();
    assert_eq!(status(genesis.leak()), TokenStatus::Invalid);
}
