//! Watching a profile's keys.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use crate::oplog::identity::LogId;
use crate::oplog::{HybridTime, OpKind};
use crate::writer::Changed;

/// Events that wait for one watcher before it is told that it lags.
pub const WATCH_EVENTS_MAX: usize = 4_096;

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// A key has another value, or none. The value itself is to be read; there may be a newer one by now.
    Changed {
        /// The key.
        key: Box<str>,
        /// Whether the operation deleted it.
        is_delete: bool,
        /// Who wrote it.
        log: LogId,
        /// When.
        time: HybridTime,
        /// Whether it was written through this store.
        own: bool,
    },
    /// So many events were dropped because nobody took them: read the keys again to know where they stand.
    Lagged(u64),
}

/// The watchers of a store.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    all: Mutex<Vec<Weak<Queue>>>,
}

#[derive(Debug)]
struct Queue {
    profile: u32,
    prefix: Box<str>,
    state: Mutex<QueueState>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    events: VecDeque<WatchEvent>,
    lagged: u64,
    closed: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watchers {
    pub(crate) fn watch(&self, profile: u32, prefix: &str) -> Watch {
        let queue = Arc::new(Queue {
            profile,
            prefix: prefix.into(),
            state: Mutex::default(),
            came: Condvar::new(),
        });
        lock(&self.all).push(Arc::downgrade(&queue));
        Watch { queue }
    }

    /// Tells everybody whom it concerns. Never waits for them.
    pub(crate) fn tell(&self, changed: &Changed) {
        let mut all = lock(&self.all);
        all.retain(|queue| {
            let Some(queue) = queue.upgrade() else {
                return false;
            };
            if queue.profile == changed.profile {
                queue.take(changed);
            }
            true
        });
    }

    /// The store is closed: nothing more comes.
    pub(crate) fn close(&self) {
        for queue in lock(&self.all)
            .drain(..)
            .filter_map(|queue| queue.upgrade())
        {
            lock(&queue.state).closed = true;
            queue.came.notify_all();
        }
    }
}

impl Queue {
    fn take(&self, changed: &Changed) {
        let mut state = lock(&self.state);
        changed.keys.for_each(|key, kind| {
            if !key.starts_with(&*self.prefix) {
                return;
            }
            if state.lagged > 0 || state.events.len() >= WATCH_EVENTS_MAX {
                state.lagged += 1;
                return;
            }
            state.events.push_back(WatchEvent::Changed {
                key: key.into(),
                is_delete: kind == OpKind::Delete,
                log: changed.log,
                time: changed.time,
                own: changed.own,
            });
        });
        self.came.notify_all();
    }
}

impl QueueState {
    fn next(&mut self) -> Option<WatchEvent> {
        self.events.pop_front().or_else(|| {
            let lagged = core::mem::take(&mut self.lagged);
            (lagged > 0).then_some(WatchEvent::Lagged(lagged))
        })
    }
}

/// Tells of changes of the keys with a prefix, from the moment it was made on. Dropping it ends that.
///
/// A watcher that does not keep up is told how many events it missed, in their place; none is dropped silently.
#[derive(Debug)]
pub struct Watch {
    queue: Arc<Queue>,
}

impl Watch {
    /// The next event if there is one already.
    pub fn try_next(&self) -> Option<WatchEvent> {
        lock(&self.queue.state).next()
    }

    /// Waits for the next event, for a time at most; `None` if none came or the store was closed.
    pub fn next_timeout(&self, timeout: Duration) -> Option<WatchEvent> {
        let state = lock(&self.queue.state);
        let nothing =
            |state: &mut QueueState| state.events.is_empty() && state.lagged == 0 && !state.closed;
        let waited = self.queue.came.wait_timeout_while(state, timeout, nothing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.next()
    }

    /// Whether the store is closed and every event was taken.
    pub fn is_closed(&self) -> bool {
        let state = lock(&self.queue.state);
        state.closed && state.events.is_empty() && state.lagged == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::identity::{DeviceId, Epoch};
    use crate::writer::ChangedKeys;

    fn changed(profile: u32, keys: &[&str]) -> Changed {
        Changed {
            profile,
            log: LogId {
                device: DeviceId::unchecked([1; 32]),
                epoch: Epoch::from_u64(1),
            },
            time: HybridTime::from_u64(5),
            own: true,
            keys: ChangedKeys::Named(
                keys.iter()
                    .map(|key| ((*key).into(), OpKind::Put))
                    .collect(),
            ),
        }
    }

    #[test]
    fn a_watcher_hears_of_its_profile_and_prefix_only() {
        let watchers = Watchers::default();
        let watch = watchers.watch(1, "a.");
        watchers.tell(&changed(2, &["a.x"]));
        watchers.tell(&changed(1, &["b", "a.y"]));
        let event = watch.try_next().unwrap();
        assert!(matches!(event, WatchEvent::Changed { key, own: true, .. } if &*key == "a.y"));
        assert_eq!(watch.try_next(), None);
        watchers.close();
        assert!(watch.is_closed());
        assert_eq!(watch.next_timeout(Duration::from_secs(9)), None);
    }

    #[test]
    fn a_slow_watcher_is_told_how_much_it_missed_and_goes_on_from_there() {
        let watchers = Watchers::default();
        let watch = watchers.watch(1, "");
        let keys = vec!["k"; WATCH_EVENTS_MAX + 3];
        watchers.tell(&changed(1, &keys));
        for _ in 0..WATCH_EVENTS_MAX {
            assert!(matches!(watch.try_next(), Some(WatchEvent::Changed { .. })));
        }
        watchers.tell(&changed(1, &["k"]));
        assert_eq!(watch.try_next(), Some(WatchEvent::Lagged(4)));
        watchers.tell(&changed(1, &["k"]));
        assert!(matches!(watch.try_next(), Some(WatchEvent::Changed { .. })));
        drop(watch);
        watchers.tell(&changed(1, &["k"]));
        assert!(lock(&watchers.all).is_empty());
    }
}
