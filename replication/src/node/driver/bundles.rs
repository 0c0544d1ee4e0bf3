//! Bundles that profiles name.

use tracing::{debug, warn};
use uxf_engine::Error;
use uxf_engine::profile::sealed::ProfileId;

use super::super::bundles::Survey;
use super::super::pool::{Done, Job};
use super::Driver;
use crate::block_exchange::Role;
use crate::host::Event;

impl Driver {
    /// Something may have come to a profile: bundles that it names are looked for.
    pub(super) fn survey(&mut self, profile: ProfileId) {
        let Some(bundles) = self.bundles.get_mut(&profile) else {
            return;
        };
        if bundles.stir() {
            let wallets = bundles.wallets.clone();
            self.pool.run(Job::Survey(profile, wallets));
        }
    }

    /// Something was written to a profile here.
    pub(super) fn changed(&mut self, profile: ProfileId) {
        self.tell(Event::Changed(profile));
        #[cfg(feature = "gossip")]
        self.announce_soon(&profile);
        self.survey(profile);
    }

    pub(super) fn on_done(&mut self, done: Done) {
        match done {
            Done::Reply(reply) => self.tell(Event::Reply(reply)),
            Done::Survey(profile, survey) => self.surveyed(profile, survey),
            #[cfg(feature = "gossip")]
            Done::Heads(profile, have) => self.looked(&profile, have),
        }
    }

    fn surveyed(&mut self, id: ProfileId, survey: Result<Survey, Box<Error>>) {
        let survey = survey.map_err(|error| warn!(%error, "the store failed at bundles"));
        let survey = survey.ok();
        let (Some(bundles), Some(profile)) = (self.bundles.get_mut(&id), self.pool.profile(&id))
        else {
            return;
        };
        if bundles.looked(survey.as_ref(), profile) {
            let wallets = bundles.wallets.clone();
            self.pool.run(Job::Survey(id, wallets));
        }
        let wanted = survey.map(|survey| survey.wanted).unwrap_or_default();
        if !wanted.is_empty() {
            debug!(bundles = wanted.len(), "fetching");
        }
        for root in wanted {
            // What is being fetched already stays so.
            self.tell(Event::Fetch(id, root, Role::Envelope));
        }
    }
}
