use crate::disk::RecordingDisk;

/// What a store has said about a step when its call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It survives a power cut, and so does everything before it.
    Durable,
    /// It is visible; a power cut may take it and what came after it.
    Buffered,
}

/// What was done to a store, in its order, and how much of it was promised to last.
#[derive(Debug)]
pub struct History<S> {
    disk: RecordingDisk,
    steps: Vec<Step>,
    states: Vec<S>,
    believes_everything: bool,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// Position of the disk before the step touched it.
    begun: usize,
    /// Position of the disk when the step and all before it were promised to last.
    durable: Option<usize>,
}

impl<S> History<S> {
    /// A history of what is done to a disk. With `believes_everything` a buffered promise counts as a durable one,
    /// to show that the judgement notices.
    pub fn new(disk: RecordingDisk, believes_everything: bool) -> Self {
        Self {
            disk,
            steps: Vec::new(),
            states: Vec::new(),
            believes_everything,
        }
    }

    /// Says that a step begins, and what the store holds once it is done. The first step is the creation of the
    /// store; its state is that of an empty one.
    pub fn begin(&mut self, state: S) {
        self.steps.push(Step {
            begun: self.disk.position(),
            durable: None,
        });
        self.states.push(state);
    }

    /// Says what the store has promised about the step begun last.
    pub fn acknowledge(&mut self, promise: Promise) {
        if promise == Promise::Durable || self.believes_everything {
            let position = self.disk.position();
            if let Some(step) = self.steps.last_mut() {
                step.durable.get_or_insert(position);
            }
        }
    }

    /// The states in which the store may be found after a cut at a position, oldest first; empty only if no step
    /// was ever begun.
    pub fn allowed(&self, cut: usize) -> &[S] {
        let oldest = self
            .steps
            .iter()
            .rposition(|step| step.durable.is_some_and(|position| position <= cut))
            .unwrap_or(0);
        let newest = self
            .steps
            .iter()
            .rposition(|step| step.begun < cut)
            .unwrap_or(0)
            .max(oldest);
        self.states.get(oldest..=newest).unwrap_or_default()
    }

    /// Position of the disk when the first step, the creation of the store, was promised to last.
    pub fn created(&self) -> Option<usize> {
        self.steps.first().and_then(|step| step.durable)
    }

    /// Number of steps begun.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }
}

#[cfg(test)]
mod tests {
    use redb::StorageBackend as _;

    use super::*;

    #[test]
    fn a_cut_may_show_any_state_since_the_last_durable_promise() {
        let disk = RecordingDisk::new(Vec::new());
        let mut history = History::new(disk.clone(), false);
        for (state, promise) in [
            ("empty", Promise::Durable),
            ("one", Promise::Buffered),
            ("two", Promise::Durable),
            ("three", Promise::Buffered),
        ] {
            history.begin(state);
            disk.set_len(1).unwrap();
            disk.sync_data().unwrap();
            history.acknowledge(promise);
        }
        assert_eq!(history.allowed(0), ["empty"]);
        assert_eq!(history.allowed(2), ["empty"]);
        assert_eq!(history.allowed(3), ["empty", "one"]);
        assert_eq!(history.allowed(5), ["empty", "one", "two"]);
        assert_eq!(history.allowed(6), ["two"]);
        assert_eq!(history.allowed(8), ["two", "three"]);
    }

    #[test]
    fn one_that_believes_everything_takes_buffered_for_durable() {
        let disk = RecordingDisk::new(Vec::new());
        let mut history = History::new(disk.clone(), true);
        for state in [0, 1] {
            history.begin(state);
            disk.set_len(1).unwrap();
            history.acknowledge(Promise::Buffered);
        }
        assert_eq!(history.allowed(2), [1]);
    }
}
