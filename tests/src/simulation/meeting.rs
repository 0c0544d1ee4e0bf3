//! The end of a history: everybody meets, and what comes of it is judged.

use std::collections::BTreeMap;

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{Commit, SignedCheckpoint, VersionVector};
use uxf_engine::profile::{CheckpointParts, Delta};

use super::device::{Device, StateHash, check, state_hash};
use super::world::{World, YEAR};
use crate::crash::text;

/// What a delta has of one log.
enum Piece {
    Checkpoint(CheckpointParts),
    Commit(Vec<u8>),
}

impl World {
    /// Lets all clocks pass every time, and everybody give everybody what it lacks until nothing is new.
    pub(super) fn meet(&mut self) -> Result<(), String> {
        let millis = self.devices.iter().map(|device| device.clock.millis());
        let end = millis.max().unwrap_or_default() + 30 * YEAR;
        for device in &self.devices {
            device.clock.set(end);
        }
        let messages = core::mem::take(&mut self.messages);
        for message in messages {
            if self.rng.percent(50) {
                self.take(message.to, &message.delta)?;
            }
        }
        let count = self.devices.len();
        for _ in 0..3 {
            let mut is_new = false;
            for from in 0..count {
                for to in (0..count).filter(|to| *to != from) {
                    is_new |= self.give_all(from, to)?;
                }
            }
            if !is_new {
                return Ok(());
            }
        }
        Err("there was something new after three rounds".to_owned())
    }

    fn give_all(&mut self, from: usize, to: usize) -> Result<bool, String> {
        let mut is_new = false;
        for _ in 0..10_000 {
            let theirs = self.device(to)?.vector()?;
            let budget = 2_000 + self.rng.index(60_000);
            let delta = self.give(from, &theirs, budget)?;
            is_new |= self.take(to, &delta)?;
            if !delta.is_partial {
                return Ok(is_new);
            }
        }
        Err("a replica asked and asked and never had it all".to_owned())
    }

    pub(super) fn judge(&mut self) -> Result<(), String> {
        let first = self.device(0)?;
        let (vector, hash) = (first.vector()?, first.state_hash()?);
        for (number, device) in self.devices.iter().enumerate() {
            let at = |reason: String| format!("device {number}: {reason}");
            if device.vector()? != vector {
                return Err(at("it knows other operations".to_owned()));
            }
            if !device.profile.parked().map_err(text)?.is_empty() {
                return Err(at("something is parked still".to_owned()));
            }
            if device.state_hash()? != hash {
                return Err(at("it shows another state".to_owned()));
            }
            check(&device.profile, &self.model).map_err(at)?;
            self.counts.checkpoints += device.engine().metrics().checkpoints_total;
            let report = device.engine().check_integrity(&mut |_| {}).map_err(text)?;
            if let Some(problem) = report.problems.first() {
                return Err(at(problem.to_string()));
            }
        }
        let known: u64 = vector.iter().map(|(_, reached)| reached.next_seq - 1).sum();
        if known != self.model.len() {
            return Err(format!(
                "{known} operations are known, {} were acknowledged",
                self.model.len()
            ));
        }
        self.model.nothing_is_lost(&vector)?;
        self.replay(&vector, hash)?;
        let last = self.rng.index(self.devices.len());
        self.device(last)?.engine().flush().map_err(text)?;
        let device = self
            .devices
            .swap_remove(last)
            .restart(self.rng.percent(50))?;
        if device.state_hash()? == hash {
            Ok(())
        } else {
            Err("another state after a restart".to_owned())
        }
    }

    /// A replica that begins with nothing and gets the commits of the logs mixed at random.
    fn replay(&mut self, vector: &VersionVector, hash: StateHash) -> Result<(), String> {
        let first = self.device(0)?;
        let all = first.profile.delta_for(&VersionVector::default(), 1 << 30);
        let all = all.map_err(text)?;
        let fresh = Device::new("fresh", first.clock.millis(), self.rng.next_u64())?;
        let mut logs: BTreeMap<LogId, Vec<Piece>> = BTreeMap::new();
        for bytes in all.commits.into_iter().rev() {
            let log = Commit::decode(&bytes).map_err(text)?.header().log;
            logs.entry(log).or_default().push(Piece::Commit(bytes));
        }
        for parts in all.checkpoints {
            let signed = SignedCheckpoint::decode(&parts.signed).map_err(text)?;
            let log = signed.header().log;
            logs.entry(log).or_default().push(Piece::Checkpoint(parts));
        }
        let mut logs: Vec<_> = logs.into_values().collect();
        while !logs.is_empty() {
            let mut delta = Delta {
                certificates: all.certificates.clone(),
                blocks: all.blocks.clone(),
                ..Delta::default()
            };
            for _ in 0..=self.rng.below(20) {
                let at = self.rng.index(logs.len());
                match logs.get_mut(at).and_then(Vec::pop) {
                    Some(Piece::Commit(commit)) => delta.commits.push(commit),
                    Some(Piece::Checkpoint(parts)) => delta.checkpoints.push(parts),
                    None => {}
                }
                logs.retain(|log| !log.is_empty());
            }
            fresh.profile.ingest(&delta).map_err(text)?;
        }
        if fresh.vector()? != *vector || state_hash(&fresh.profile)? != hash {
            return Err("another state after a replay from nothing".to_owned());
        }
        check(&fresh.profile, &self.model)
    }
}
