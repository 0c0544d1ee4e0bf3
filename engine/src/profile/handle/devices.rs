use super::Profile;
use crate::error::{During as _, Error};
use crate::oplog::HybridTime;
use crate::oplog::identity::{Certificate, DeviceId, LogId, Revocation};
use crate::options::Durability;
use crate::profile::ProfileError;
use crate::replica::ReplicaView;
use crate::snapshot::Snapshot;
use crate::tables::schema::{ALONE, commit_key, split_commit_key};
use crate::writer::Command;

/// A device of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Who it is.
    pub id: DeviceId,
    /// What people call it.
    pub name: String,
    /// When it was certified.
    pub certified: HybridTime,
    /// Whether it is this one.
    pub own: bool,
    /// Its logs, one for each epoch, with the sequence number of the last operation known of each.
    pub logs: Vec<(LogId, u64)>,
    /// Logs of it that were forked: nothing more of them is accepted.
    pub forked: Vec<LogId>,
    /// Ends of its right to write.
    pub revocations: Vec<Revocation>,
}

impl Profile {
    /// The devices of the profile, ordered by their ids.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`].
    pub fn devices(&self) -> Result<Vec<Device>, Error> {
        let view = self.replica()?;
        let device = |certificate: &Certificate| {
            let id = certificate.device();
            let logs = view.logs.iter().filter(|(log, _)| log.device == id);
            let revocations = view.revocations.iter();
            Device {
                id,
                name: certificate.name().to_owned(),
                certified: certificate.time(),
                own: id == self.session.log.device,
                logs: logs
                    .clone()
                    .map(|(log, (_, head))| (*log, head.next_seq.saturating_sub(1)))
                    .collect(),
                forked: logs
                    .filter(|(_, (_, head))| head.forked)
                    .map(|(log, _)| *log)
                    .collect(),
                revocations: revocations
                    .filter(|revocation| revocation.device() == id)
                    .cloned()
                    .collect(),
            }
        };
        Ok(view.devices.values().map(device).collect())
    }

    /// Certifies another device, so that what it writes is accepted. A device that holds the wallet's secret does so
    /// itself.
    ///
    /// # Errors
    /// [`ProfileError::Identity`]; those of a commit.
    pub fn certify(&self, device: DeviceId, name: &str) -> Result<Certificate, Error> {
        let now = self.now();
        let certificate = Certificate::issue(&self.session.signer, device, now, name)
            .map_err(ProfileError::from)?;
        let mut batch = self.engine.begin();
        batch.part(self)?.certificates.push(certificate.clone());
        batch.commit()?;
        Ok(certificate)
    }

    /// Ends the right of a device to write: operations of its logs beyond what this store knows of them are refused
    /// from now on, here and wherever the revocation arrives, and so is every log it begins anew.
    ///
    /// # Errors
    /// [`ProfileError::Uncertified`] if there is no such device; those of a commit.
    pub fn revoke(&self, device: DeviceId) -> Result<(), Error> {
        let view = self.replica()?;
        if !view.devices.contains_key(&device) {
            return Err(ProfileError::Uncertified { device }.into());
        }
        let now = self.now();
        let mut batch = self.engine.begin();
        let part = batch.part(self)?;
        let logs = view.logs.iter().filter(|(log, _)| log.device == device);
        for (log, (number, head)) in logs {
            // What came alone was accepted like what the log has.
            let last = head.next_seq.saturating_sub(1);
            let last = last_alone(&view.snapshot, *number)?.map_or(last, |alone| alone.max(last));
            let signer = &self.session.signer;
            let revocation = Revocation::issue(signer, device, Some(log.epoch), last, now);
            part.revocations.push(revocation);
        }
        // And no log but those.
        let revocation = Revocation::issue(&self.session.signer, device, None, 0, now);
        part.revocations.push(revocation);
        batch.commit().map(drop)
    }

    pub(super) fn replica(&self) -> Result<ReplicaView, Error> {
        self.replica_with(Durability::Buffered)
    }

    /// What can be given away: all of it is durable.
    pub(in crate::profile) fn durable_replica(&self) -> Result<ReplicaView, Error> {
        self.replica_with(Durability::Durable)
    }

    fn replica_with(&self, durability: Durability) -> Result<ReplicaView, Error> {
        let number = self.session.number;
        self.engine
            .ask(|reply| Command::Replica(number, durability, reply))
    }

    fn now(&self) -> HybridTime {
        let clock = &self.engine.shared().options.clock;
        HybridTime::new(clock.unix_millis(), 0).unwrap_or(HybridTime::ZERO)
    }
}

/// The last operation of a log that is kept alone.
fn last_alone(snapshot: &Snapshot, log: u32) -> Result<Option<u64>, Error> {
    let table = snapshot.txn().open_table(ALONE);
    let table = table.during("opening alone-1")?;
    let (from, to) = (commit_key(log, 0), commit_key(log, u64::MAX));
    let mut rows = table
        .range::<&[u8]>(&from[..]..=&to[..])
        .during("reading alone-1")?;
    let last = rows.next_back().transpose().during("reading alone-1")?;
    Ok(last.and_then(|(key, _)| split_commit_key(key.value()).map(|(_, seq)| seq)))
}
