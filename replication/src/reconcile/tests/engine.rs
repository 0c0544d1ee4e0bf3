//! Operations that real profiles prove.

use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::{ProfileId, WalletSecret};
use uxf_engine::{Engine, EngineOptions};

use super::super::*;
use crate::wire::{Bound, Message};
use crate::{Misbehaviour, Peer, Timestamp};

fn profile(wallet: u8, device: &str) -> Profile {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let secret = WalletSecret::take(&mut [wallet; 32]);
    engine.profile(&secret, device).unwrap()
}

fn live(profile: &Profile, keys: &[String]) -> LiveSet {
    let set = LiveSet::new(*profile.id());
    for key in keys {
        let proofs = profile.prove(key).unwrap().into_iter();
        let verified = proofs.map(|proof| LiveOperation::verify(proof, profile.id()).unwrap());
        set.apply(verified.collect(), Vec::new()).unwrap();
    }
    set
}

#[test]
fn operations_of_commits_and_of_checkpoints_prove_themselves_and_reconcile() {
    let (one, other) = (profile(1, "phone"), profile(1, "laptop"));
    let keys: Vec<String> = (0..60).map(|number| format!("app.{number}")).collect();
    for key in &keys[..40] {
        one.put(key, b"first").unwrap();
    }
    one.compact().unwrap();
    for key in &keys[30..50] {
        one.put(key, b"second").unwrap();
    }
    one.delete(&keys[0]).unwrap();
    for key in &keys[45..] {
        other.put(key, b"third").unwrap();
    }
    let sets = [live(&one, &keys), live(&other, &keys)];
    let now = Timestamp::default();
    let mut machines = [(); 2].map(|()| Reconciler::new(ReconcileConfig::default()));
    for (side, machine) in machines.iter_mut().enumerate() {
        machine.handle(Event::Connected(Peer::new(1 - side as u64)), now);
    }
    let mut events = vec![(1, Event::Begin(Peer::new(0)))];
    while !events.is_empty() {
        let (side, event) = events.remove(0);
        machines[side].handle(event, now);
        while let Some(output) = machines[side].poll_output() {
            match output {
                Output::Send(peer, message) => {
                    events.push((side, Event::Sent(peer)));
                    let from = Peer::new(side as u64);
                    events.push((1 - side, Event::Message(from, message)));
                }
                Output::Store(request) => {
                    events.push((side, Event::Store(request.run(&sets[side]))));
                }
                Output::Done(_, sum) => assert!(sum.new > 0, "{side}: {sum:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
    let sums = [0, 1].map(|side| sets[side].sum(&Bound::START, &Bound::End).unwrap());
    assert_eq!(sums[0], sums[1]);
    assert_eq!(sums[0].count(), 60);
    // And it is what the engines make of it when they have exchanged everything.
    let delta = one
        .delta_for(&other.version_vector().unwrap(), 1 << 30)
        .unwrap();
    other.ingest(&delta).unwrap();
    let both = live(&other, &keys);
    assert_eq!(both.sum(&Bound::START, &Bound::End).unwrap(), sums[0]);
}

#[test]
fn no_changed_bit_of_an_operation_is_taken_and_none_of_another_profile() {
    let one = profile(1, "phone");
    for number in 0..3 {
        one.put(&format!("app.{number}"), b"value").unwrap();
    }
    let mut proofs = one.prove("app.1").unwrap();
    one.compact().unwrap();
    proofs.extend(one.prove("app.1").unwrap());
    assert_eq!(proofs.len(), 2);
    let id = *one.id();
    let hashes: Vec<ItemHash> = proofs
        .iter()
        .map(|proof| {
            LiveOperation::verify(proof.clone(), &id)
                .unwrap()
                .item()
                .hash
        })
        .collect();
    // Whatever proves it, it is one operation.
    assert_eq!(hashes[0], hashes[1]);
    for proof in &proofs {
        let other = ProfileId::from_bytes([3; 33]);
        assert_eq!(
            LiveOperation::verify(proof.clone(), &other),
            Err(ForgedOperation)
        );
        for at in (0..proof.len()).step_by(7) {
            let mut changed = proof.clone();
            changed[at] ^= 1;
            assert_eq!(
                LiveOperation::verify(changed, &id),
                Err(ForgedOperation),
                "byte {at}"
            );
            assert!(LiveOperation::verify(proof[..at].to_vec(), &id).is_err());
        }
    }
    // Who sends such a thing is banned, and what came with it is not taken.
    let set = LiveSet::new(id);
    let mut machine = Reconciler::new(ReconcileConfig::default());
    let (peer, now) = (Peer::new(1), Timestamp::default());
    machine.handle(Event::Connected(peer), now);
    let mut forged = proofs[1].clone();
    forged[100] ^= 1;
    let message = Message::Operations(vec![proofs[0].clone(), forged]);
    machine.handle(Event::Message(peer, message), now);
    let Some(Output::Store(request)) = machine.poll_output() else {
        panic!("nothing to do");
    };
    machine.handle(Event::Store(request.run(&set)), now);
    let what = "an operation";
    assert!(matches!(
        machine.poll_output(),
        Some(Output::Disconnect(_, Some(Misbehaviour::Forged { what: found }))) if found == what
    ));
    assert_eq!(
        set.sum(&Bound::START, &Bound::End).unwrap(),
        ItemSum::default()
    );
}
