//! What is written to the profiles while the node runs, by whomever.

use core::time::Duration;

use tokio::sync::mpsc;
use uxf_engine::profile::sealed::ProfileId;
use uxf_engine::profile::{Profile, Watch, WatchEvent};

use super::error::NodeError;

/// After so long a thread looks whether the node is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Says of a profile that something was written to it on this device, until the node or the store is gone. The thread holds nothing that
/// would keep the store open.
pub(super) fn watch(profile: &Profile, changed: mpsc::Sender<ProfileId>) -> Result<(), NodeError> {
    let (watch, id) = (profile.watch(""), *profile.id());
    let thread = std::thread::Builder::new().name("uxf-node-watch".to_owned());
    let spawned = thread.spawn(move || {
        while !changed.is_closed() && !watch.is_closed() {
            if is_written(&watch) && changed.blocking_send(id).is_err() {
                return;
            }
        }
    });
    spawned.map(drop).map_err(NodeError::System)
}

/// Waits for events and takes all there are.
fn is_written(watch: &Watch) -> bool {
    let mut next = watch.next_timeout(LOOK);
    let mut is_written = false;
    while let Some(event) = next {
        // What came from another device is known already where it was taken in.
        is_written |= !matches!(event, WatchEvent::Changed { own: false, .. });
        next = watch.try_next();
    }
    is_written
}
