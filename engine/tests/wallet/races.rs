//! Changes that meet. What happens in between is done by the owner predicate, which is asked while a change is worked out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use uxf_engine::wallet::{OwnerPredicate, TokenStatus, TxfToken, WalletOptions};

use crate::joins::bundles;
use crate::{Device, device, device_with, earlier, forked, id, seen, token};

type Deed = Box<dyn FnOnce() + Send>;

/// Does something the next time it is asked, and counts how often that is.
#[derive(Default)]
struct Meanwhile {
    deed: Mutex<Option<Deed>>,
    asked: AtomicUsize,
}

impl OwnerPredicate for Meanwhile {
    fn is_ours(&self, _: &TxfToken<'_>) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let deed = self.deed.lock().unwrap().take();
        if let Some(deed) = deed {
            deed();
        }
        true
    }
}

impl Meanwhile {
    fn set(&self, deed: impl FnOnce() + Send + 'static) {
        *self.deed.lock().unwrap() = Some(Box::new(deed));
    }
}

fn device_that_is_interrupted() -> (Device, Arc<Meanwhile>) {
    let meanwhile = Arc::new(Meanwhile::default());
    let options = WalletOptions::new().owner_predicate(Arc::clone(&meanwhile) as _);
    (device_with("one", options), meanwhile)
}

#[test]
fn a_state_that_comes_while_another_is_joined_is_joined_with_it() {
    let newest = token(0, 2);
    let states = bundles(&[&newest, &forked(&newest)]);
    let (device, meanwhile) = device_that_is_interrupted();
    let wallet = device.wallet.clone();
    let (cid, car) = states[1].clone();
    meanwhile.set(move || {
        wallet.add_bundle_car(&cid, &car).unwrap();
    });
    let (cid, car) = &states[0];
    device.wallet.add_bundle_car(cid, car).unwrap();
    assert_eq!(seen(&device)[0].2, "conflicting");
    assert_eq!(device.wallet.status().unwrap().bundles, 2);
    device.is_sound();
}

#[test]
fn a_state_that_is_spent_elsewhere_while_it_is_joined_is_not_shown() {
    let newest = token(0, 2);
    let other = device("two");
    other.import(&newest);
    other.wallet.spend(&id(&newest)).unwrap();
    let (device, meanwhile) = device_that_is_interrupted();
    let vector = device.profile.version_vector().unwrap();
    let delta = other.profile.delta_for(&vector, 1 << 24).unwrap();
    let profile = device.profile.clone();
    meanwhile.set(move || {
        profile.ingest(&delta).unwrap();
    });
    let (cid, car) = bundles(&[&newest]).pop().unwrap();
    device.wallet.add_bundle_car(&cid, &car).unwrap();
    assert!(device.tokens().is_empty());
    let entry = device.wallet.get(&id(&newest)).unwrap().unwrap();
    assert_eq!(entry.status, TokenStatus::Spent);
    device.is_sound();
}

#[test]
fn a_token_that_is_spent_meanwhile_holds_up_no_other_one() {
    let (brought, spent) = (token(0, 2), token(1, 2));
    let (device, meanwhile) = device_that_is_interrupted();
    device.import(&spent);
    let before = meanwhile.asked.load(Ordering::SeqCst);
    let (wallet, gone) = (device.wallet.clone(), id(&spent));
    meanwhile.set(move || {
        assert!(wallet.spend(&gone).unwrap());
    });
    let (cid, car) = bundles(&[&brought]).pop().unwrap();
    device.wallet.add_bundle_car(&cid, &car).unwrap();
    let asked = meanwhile.asked.load(Ordering::SeqCst) - before;
    assert_eq!(asked, 1, "worked out once");
    assert_eq!(seen(&device).len(), 1);
    device.is_sound();
}

#[test]
fn what_is_imported_while_a_bundle_of_it_comes_is_there_once() {
    let newest = token(0, 2);
    let older = earlier(&newest, 1);
    let (device, meanwhile) = device_that_is_interrupted();
    let wallet = device.wallet.clone();
    let (cid, car) = bundles(&[&newest]).pop().unwrap();
    meanwhile.set(move || {
        wallet.add_bundle_car(&cid, &car).unwrap();
    });
    let report = device.import(&older);
    assert_eq!(report.verdicts[0].code.as_str(), "genesis-exists");
    assert_eq!(seen(&device).len(), 1);
    assert!(
        device.wallet.save().unwrap().is_empty(),
        "the bundle has it"
    );
    device.is_sound();
}

#[test]
fn a_bundle_that_is_taken_in_twice_at_once_is_there_once() {
    let (device, meanwhile) = device_that_is_interrupted();
    let (cid, car) = bundles(&[&token(0, 1)]).pop().unwrap();
    let (wallet, same) = (device.wallet.clone(), (cid.clone(), car.clone()));
    meanwhile.set(move || {
        assert!(wallet.add_bundle_car(&same.0, &same.1).unwrap().is_new);
    });
    assert!(!device.wallet.add_bundle_car(&cid, &car).unwrap().is_new);
    assert_eq!(device.wallet.status().unwrap().bundles, 1);
    device.is_sound();
}
