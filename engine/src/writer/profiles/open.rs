use core::fmt;
use std::sync::Arc;

use zeroize::Zeroize as _;

use super::super::Writer;
use super::ProfilePlan;
use crate::error::{During as _, Error};
use crate::oplog::HybridTime;
use crate::oplog::identity::{Certificate, DeviceKey, Epoch, ProfileSigner};
use crate::options::Durability;
use crate::profile::ProfileError;
use crate::profile::sealed::{Aad, Place, ProfileId, Sealer, SealingKey};
use crate::profile::session::Session;
use crate::replica::{ProfileState, ReplicaView};
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::ProfileRow;
use crate::tables::schema::PROFILES;

/// What the device's own key is sealed for. No key of an operation: those have no zero byte in front.
const DEVICE_KEY: &str = "\0device key";

/// A request to open a profile.
pub(crate) struct OpenProfile {
    pub(crate) key: SealingKey,
    pub(crate) signer: ProfileSigner,
    /// Makes the profile if there is none, with this name for the device.
    pub(crate) create: Option<String>,
}

impl fmt::Debug for OpenProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenProfile")
            .field("create", &self.create)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Opens a profile, in a new epoch if the file is a copy of the one that was written to before, or if the own log
    /// was forked.
    pub(in super::super) fn open_profile(
        &mut self,
        open: OpenProfile,
    ) -> Result<Arc<Session>, Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        let id = *open.signer.profile();
        let mut profiles = self.replica.profiles.iter();
        let found = profiles.find(|(_, state)| state.row.id == id);
        let result = match (found.map(|(&number, _)| number), &open.create) {
            (Some(number), _) => self.reopen(number, open),
            (None, Some(_)) => self.create(id, open),
            (None, None) => Err(ProfileError::NotFound.into()),
        };
        match result {
            Err(error @ (Error::Profile(_) | Error::LimitExceeded { .. })) => Err(error),
            result => self.poison_on_error(result),
        }
    }

    fn create(&mut self, id: ProfileId, open: OpenProfile) -> Result<Arc<Session>, Error> {
        let last = self.replica.profiles.keys().next_back();
        let number = last.map_or(0, |last| last.saturating_add(1));
        let entropy = Arc::clone(&self.shared.options.entropy);
        let mut seed = [0; 32];
        let drawn = entropy.fill(&mut seed);
        drawn.map_err(drawing)?;
        let sealer = Sealer::new(&open.key, 0);
        let aad = device_aad(&id);
        let sealed = sealer.seal(&aad, &seed, entropy.as_ref());
        let device = DeviceKey::take(&mut seed);
        let sealed_key = sealed.map_err(ProfileError::from)?.into_bytes();
        let row = ProfileRow {
            id,
            device: device.id(),
            epoch: self.draw_epoch()?,
            file: self.shared.file_identity()?,
            seals: 1,
            sealed_key,
        };
        let now = self.shared.options.clock.unix_millis();
        let time = HybridTime::new(now, 0).unwrap_or(HybridTime::ZERO);
        let name = open.create.as_deref().unwrap_or_default();
        let certificate = Certificate::issue(&open.signer, device.id(), time, name)
            .map_err(ProfileError::from)?;
        let mut plan = ProfilePlan {
            profile: number,
            ..ProfilePlan::default()
        };
        plan.state_certificate(&certificate);
        let state = ProfileState::new(row.clone());
        self.replica.profiles.insert(number, state);
        self.write_profile(number, &row, &plan)?;
        self.hand_out(number, sealer, device, open.signer)
    }

    fn reopen(&mut self, number: u32, open: OpenProfile) -> Result<Arc<Session>, Error> {
        let state = self.profile(number)?;
        let own = state.own_log();
        let forked = self.replica.head_of(number, own).forked;
        let file = self.shared.file_identity()?;
        let is_same = state.row.file == file && !forked;
        if let Some(session) = state.session.upgrade().filter(|_| is_same) {
            return Ok(session);
        }
        let mut row = state.row.clone();
        let sealer = Sealer::new(&open.key, row.seals);
        let mut seed = [0; 32];
        let opened = sealer.open(&device_aad(&row.id), &row.sealed_key);
        let opened = opened.map_err(|source| ProfileError::Open {
            key: "the device's key".to_owned(),
            source,
        })?;
        if opened.len() == seed.len() {
            seed.copy_from_slice(&opened);
        }
        let device = DeviceKey::take(&mut seed);
        seed.zeroize();
        if device.id() != row.device {
            return Err(Error::corrupted(
                "profiles-1",
                number,
                "INV-PROFILE-1: the sealed key is not the device's",
            ));
        }
        if !is_same {
            row.epoch = self.draw_epoch()?;
            row.file = file;
            tracing::info!(epoch = row.epoch.as_u64(), forked, "a new epoch begins");
            let plan = ProfilePlan {
                profile: number,
                ..ProfilePlan::default()
            };
            let state = self.profile_mut(number)?;
            state.row = row.clone();
            state.named.clear();
            self.write_profile(number, &row, &plan)?;
        }
        self.hand_out(number, sealer, device, open.signer)
    }

    fn hand_out(
        &mut self,
        number: u32,
        sealer: Sealer,
        device: DeviceKey,
        signer: ProfileSigner,
    ) -> Result<Arc<Session>, Error> {
        let entropy = Arc::clone(&self.shared.options.entropy);
        let state = self.profile_mut(number)?;
        let session = Arc::new(Session {
            number,
            id: state.row.id,
            log: state.own_log(),
            sealer,
            device,
            signer,
            entropy,
        });
        state.session = Arc::downgrade(&session);
        Ok(session)
    }

    /// Writes a profile's row and statements, durably: an epoch must not be used before it is known to be used.
    fn write_profile(
        &mut self,
        number: u32,
        row: &ProfileRow,
        plan: &ProfilePlan,
    ) -> Result<(), Error> {
        let mut tx = self.begin(Durability::Durable)?;
        {
            let mut table = tx.txn.open_table(PROFILES).during("opening profiles-1")?;
            table
                .insert(number, row.encode().as_slice())
                .during("writing a profile")?;
        }
        tx.rows_changed = true;
        self.apply_profile(&mut tx, plan)?;
        self.conclude(&mut tx)?;
        self.commit_database(tx, true)
    }

    fn draw_epoch(&self) -> Result<Epoch, Error> {
        let mut bytes = [0; 8];
        let drawn = self.shared.options.entropy.fill(&mut bytes);
        drawn.map_err(drawing)?;
        Ok(Epoch::from_u64(u64::from_be_bytes(bytes)))
    }

    /// What is known of a profile, with the snapshot it belongs to.
    ///
    /// What is given away has to be durable: after a crash the log would go on before its end, and a peer that has the end
    /// would see two histories.
    pub(in super::super) fn replica_view(
        &mut self,
        profile: u32,
        durability: Durability,
    ) -> Result<ReplicaView, Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        if durability == Durability::Durable {
            self.flush()?;
        }
        let snapshot = Snapshot::open(Arc::clone(&self.shared))?;
        let view = self.replica.view(profile, snapshot);
        view.ok_or(Error::Profile(ProfileError::NotFound))
    }
}

fn device_aad(profile: &ProfileId) -> Aad<'_> {
    Aad {
        profile,
        key: DEVICE_KEY,
        place: Place::Row,
    }
}

fn drawing(source: std::io::Error) -> Error {
    Error::Io {
        during: "drawing a profile's secrets",
        source,
    }
}
