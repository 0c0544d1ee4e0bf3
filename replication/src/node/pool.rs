//! Requests to stores, on a bounded number of threads that may block.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::mpsc;
#[cfg(feature = "gossip")]
use tracing::warn;
use uxf_engine::Error;
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::ProfileId;
use uxf_engine::wallet::Wallet;

use super::bundles::Survey;
use crate::host::{Reply, Request};
#[cfg(feature = "gossip")]
use crate::oplog_sync::{StoreReply, StoreRequest};

/// Something to be done with a store.
#[derive(Debug)]
pub(super) enum Job {
    Request(Request),
    /// Have wallets take in the bundles that are here, and look which are not. It writes.
    Survey(ProfileId, Vec<Wallet>),
    /// Look how far each log is.
    #[cfg(feature = "gossip")]
    Heads(ProfileId),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Reply(Reply),
    Survey(ProfileId, Result<Survey, Box<Error>>),
    #[cfg(feature = "gossip")]
    Heads(ProfileId, Option<crate::oplog_sync::Have>),
}

impl Job {
    const fn profile(&self) -> &ProfileId {
        match self {
            Self::Request(request) => request.profile(),
            Self::Survey(profile, _) => profile,
            #[cfg(feature = "gossip")]
            Self::Heads(profile) => profile,
        }
    }

    const fn writes(&self) -> bool {
        match self {
            Self::Request(request) => request.writes(),
            Self::Survey(..) => true,
            #[cfg(feature = "gossip")]
            Self::Heads(_) => false,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Request(request) => request.kind(),
            Self::Survey(..) => "survey",
            #[cfg(feature = "gossip")]
            Self::Heads(_) => "heads",
        }
    }

    fn run(self, profile: &Profile) -> Done {
        match self {
            Self::Request(request) => Done::Reply(request.run(profile)),
            Self::Survey(id, wallets) => {
                let survey = Survey::make(profile, &wallets);
                Done::Survey(id, survey.map_err(Box::new))
            }
            #[cfg(feature = "gossip")]
            Self::Heads(id) => match StoreRequest::Have.run(profile) {
                StoreReply::Have(have) => {
                    let have = have.map_err(|error| warn!(%error, "the store failed at oplogs"));
                    Done::Heads(id, have.ok())
                }
                _ => Done::Heads(id, None),
            },
        }
    }
}

/// What runs and what waits.
#[derive(Debug)]
pub(super) struct Pool {
    profiles: BTreeMap<ProfileId, Profile>,
    threads: usize,
    running: usize,
    /// What only reads goes before what writes: a peer that asks does not wait for a disk.
    reads: VecDeque<Job>,
    writes: VecDeque<Job>,
    is_writing: bool,
    replies: mpsc::UnboundedSender<(Done, bool)>,
}

impl Pool {
    pub(super) const fn new(
        profiles: BTreeMap<ProfileId, Profile>,
        threads: usize,
        replies: mpsc::UnboundedSender<(Done, bool)>,
    ) -> Self {
        Self {
            profiles,
            threads,
            running: 0,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            is_writing: false,
            replies,
        }
    }

    /// The profiles that are served.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &ProfileId> {
        self.profiles.keys()
    }

    /// One of the profiles that are served.
    pub(super) fn profile(&self, id: &ProfileId) -> Option<&Profile> {
        self.profiles.get(id)
    }

    pub(super) fn run(&mut self, job: Job) {
        // How many there are the host bounds; of a profile there is one survey.
        if job.writes() {
            self.writes.push_back(job);
        } else {
            self.reads.push_back(job);
        }
        self.step();
    }

    /// A job is done.
    pub(super) fn done(&mut self, wrote: bool) {
        self.running = self.running.saturating_sub(1);
        self.is_writing &= !wrote;
        self.step();
    }

    fn step(&mut self) {
        while self.running < self.threads.max(1) {
            let job = self.reads.pop_front().or_else(|| {
                // A store commits one batch after the other: a second writer would only hold a thread.
                if self.is_writing {
                    return None;
                }
                let write = self.writes.pop_front();
                self.is_writing = write.is_some();
                write
            });
            let Some(job) = job else {
                return;
            };
            let Some(profile) = self.profiles.get(job.profile()).cloned() else {
                continue;
            };
            self.running = self.running.saturating_add(1);
            let replies = self.replies.clone();
            let span = tracing::debug_span!("store", kind = job.kind());
            tokio::task::spawn_blocking(move || {
                let _entered = span.entered();
                let wrote = job.writes();
                // If the loop is gone, nobody waits for it.
                replies.send((job.run(&profile), wrote)).ok();
            });
        }
    }
}
