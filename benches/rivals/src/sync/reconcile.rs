//! A few operations that differ among many whose history was let go of.

use std::collections::VecDeque;
use std::time::Instant;

use uxf_engine::Durability;
use uxf_engine::profile::{LiveBound, Profile};
use uxf_replication::reconcile::{Event, Output, ReconcileConfig, Reconciler};
use uxf_replication::wire::{Frame, Message, SessionId};
use uxf_replication::{Peer, Timestamp};

use super::history::fill;
use super::pair::open;
use super::{Measured, RAW, Trial, UXF, raw};
use crate::Outcome;
use crate::figures::Figure;

const DIFFERING: usize = 10;

/// What went over the wire.
#[derive(Default)]
struct Traffic {
    /// Messages of ranges, and their bytes with their frames.
    messages: u64,
    ranges_bytes: u64,
    /// Bytes of operations.
    operations_bytes: u64,
    new: u64,
}

impl Traffic {
    fn see(&mut self, message: &Message) {
        let session = SessionId(0);
        let message = message.clone();
        let is_ranges = matches!(message, Message::Ranges(_));
        let bytes = Frame { session, message }.encode().len() as u64;
        if is_ranges {
            self.messages += 1;
            self.ranges_bytes += bytes;
        } else {
            self.operations_bytes += bytes;
        }
    }
}

/// Lets two stores reconcile through their machines, the first beginning.
fn talk(profiles: [&Profile; 2]) -> Outcome<Traffic> {
    let now = Timestamp::default();
    let mut traffic = Traffic::default();
    let mut machines = [(); 2].map(|()| Reconciler::new(ReconcileConfig::default()));
    for (machine, peer) in machines.iter_mut().zip([1, 0]) {
        machine.handle(Event::Connected(Peer::new(peer)), now);
    }
    let mut events = VecDeque::from([(0, Event::Begin(Peer::new(1)))]);
    while let Some((at, event)) = events.pop_front() {
        let (Some(machine), Some(profile)) = (machines.get_mut(at), profiles.get(at)) else {
            return Err("there are two ends".into());
        };
        machine.handle(event, now);
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send(peer, message) => {
                    traffic.see(&message);
                    let from = Peer::new(at as u64);
                    events.push_back((1 - at, Event::Message(from, message)));
                    events.push_back((at, Event::Sent(peer)));
                }
                Output::Store(request) => {
                    let reply = request.run_on(profile);
                    events.push_back((at, Event::Store(reply)));
                }
                Output::Done(_, sum) => traffic.new += sum.new,
                Output::StoreFailed(_, error) => return Err(error.into()),
                Output::Disconnect(..) => return Err("they parted".into()),
            }
        }
    }
    Ok(traffic)
}

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let keys = trial.scaled(1_000_000);
    let first = open(trial.dir, "first", Durability::Buffered)?;
    fill(&first, keys, keys)?;
    first.compact()?;
    let second = open(trial.dir, "second", Durability::Buffered)?;
    let theirs = second.version_vector()?;
    second.ingest(&first.delta_for(&theirs, usize::MAX)?)?;
    for number in 0..DIFFERING {
        let key = format!("app.{:08}", number * (keys / DIFFERING));
        first.put(&key, b"something else")?;
    }
    first.compact()?;
    let start = Instant::now();
    let traffic = talk([&second, &first])?;
    let seconds = start.elapsed().as_secs_f64();
    let sum = |profile: &Profile| -> Outcome<_> {
        let live = profile.live_operations()?;
        Ok(live.sum(LiveBound::START, LiveBound::End)?)
    };
    if sum(&first)? != sum(&second)? || traffic.new != DIFFERING as u64 {
        return Err(format!("{} operations came", traffic.new).into());
    }
    let bytes = traffic.ranges_bytes + traffic.operations_bytes;
    let lower = |work: &str, value, unit| (UXF, Figure::lower(work, value, unit));
    Ok(vec![
        lower("sync-reconcile", seconds, "s"),
        (
            RAW,
            Figure::lower("sync-reconcile", raw::seconds(bytes)?, "s"),
        ),
        lower(
            "sync-reconcile-round-trips",
            traffic.messages.div_ceil(2) as f64,
            "trips",
        ),
        lower("sync-reconcile-ranges", traffic.ranges_bytes as f64, "B"),
        lower(
            "sync-reconcile-operations",
            traffic.operations_bytes as f64,
            "B",
        ),
    ])
}
