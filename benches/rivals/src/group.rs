//! Durable single puts of sixteen threads, which may share a commit.

use std::sync::{Condvar, Mutex, MutexGuard};

use crate::Outcome;

const WRITERS: usize = 16;

/// Makes all of a batch durable.
type Commit<'e, T> = dyn Fn(&[T]) -> Outcome<()> + Sync + 'e;

/// Puts every item on its own from one of sixteen threads; each goes on when its item is durable. Where the engine
/// does not group concurrent commits itself, this does it for the engine.
pub(crate) fn put_together<T: Copy + Send + Sync>(
    items: &[T],
    engine_groups: bool,
    commit: &Commit<'_, T>,
) -> Outcome<()> {
    let group = Group::new(commit);
    let put = |item: &T| {
        if engine_groups {
            commit(&[*item])
        } else {
            group.put(*item)
        }
    };
    let share = items.len().div_ceil(WRITERS).max(1);
    std::thread::scope(|scope| {
        let writers: Vec<_> = items
            .chunks(share)
            .map(|share| scope.spawn(|| share.iter().try_for_each(put)))
            .collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().map_err(|_| "a writer has panicked")?)
    })
}

/// Puts of several threads, committed together: whoever finds no commit under way makes one of all that wait.
struct Group<'e, T> {
    commit: &'e Commit<'e, T>,
    state: Mutex<State<T>>,
    committed: Condvar,
}

struct State<T> {
    waiting: Vec<T>,
    /// How many puts have ever been asked for.
    asked: u64,
    /// How many of them are durable.
    done: u64,
    is_committing: bool,
    has_failed: bool,
}

impl<'e, T> Group<'e, T> {
    fn new(commit: &'e Commit<'e, T>) -> Self {
        Self {
            commit,
            state: Mutex::new(State {
                waiting: Vec::new(),
                asked: 0,
                done: 0,
                is_committing: false,
                has_failed: false,
            }),
            committed: Condvar::new(),
        }
    }

    fn put(&self, one: T) -> Outcome<()> {
        let mut state = self.state()?;
        state.waiting.push(one);
        state.asked += 1;
        let ticket = state.asked;
        while state.done < ticket {
            if state.has_failed {
                return Err("the commit of another thread has failed".into());
            }
            if state.is_committing {
                state = self
                    .committed
                    .wait(state)
                    .map_err(|_| "a writer has panicked")?;
            } else {
                state = self.commit_waiting(state)?;
            }
        }
        Ok(())
    }

    fn commit_waiting<'s>(
        &'s self,
        mut state: MutexGuard<'s, State<T>>,
    ) -> Outcome<MutexGuard<'s, State<T>>> {
        let batch = std::mem::take(&mut state.waiting);
        state.is_committing = true;
        drop(state);
        let outcome = (self.commit)(&batch);
        let mut state = self.state()?;
        state.is_committing = false;
        state.has_failed |= outcome.is_err();
        state.done += batch.len() as u64;
        self.committed.notify_all();
        outcome?;
        Ok(state)
    }

    fn state(&self) -> Outcome<MutexGuard<'_, State<T>>> {
        Ok(self.state.lock().map_err(|_| "a writer has panicked")?)
    }
}
