use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::lock;

/// A kind of call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskCall {
    /// Reading bytes.
    Read,
    /// Writing bytes. A failing write leaves its first half behind, as a full disk does.
    Write,
    /// Changing the length.
    SetLen,
    /// Syncing. A failing sync covers nothing.
    Sync,
}

impl DiskCall {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::SetLen, Self::Sync];
}

/// Which call fails, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The kind of call.
    pub call: DiskCall,
    /// How many calls of that kind succeed before the one that fails, counted from arming.
    pub after: u64,
    /// The error it fails with.
    pub error: io::ErrorKind,
    /// Whether every later call of that kind fails too, as on a dead disk.
    pub keeps_failing: bool,
}

/// The hand on the switch of a [`FaultyDisk`]; clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct FaultSwitch {
    state: Arc<Mutex<SwitchState>>,
}

#[derive(Debug, Default)]
struct SwitchState {
    fault: Option<Fault>,
    calls: [u64; 4],
    failures: u64,
}

impl FaultSwitch {
    /// Sets the fault that comes next and starts counting calls and failures anew.
    pub fn arm(&self, fault: Fault) {
        *lock(&self.state) = SwitchState {
            fault: Some(fault),
            ..SwitchState::default()
        };
    }

    /// Lets every call succeed from now on; counts go on.
    pub fn disarm(&self) {
        lock(&self.state).fault = None;
    }

    /// Calls of a kind since the last [`arm`](Self::arm), failed ones included.
    pub fn calls(&self, call: DiskCall) -> u64 {
        lock(&self.state)
            .calls
            .get(call as usize)
            .copied()
            .unwrap_or_default()
    }

    /// How many calls have failed since the last [`arm`](Self::arm).
    pub fn failures(&self) -> u64 {
        lock(&self.state).failures
    }

    fn pass(&self, call: DiskCall) -> io::Result<()> {
        let mut state = lock(&self.state);
        let Some(count) = state.calls.get_mut(call as usize) else {
            return Ok(());
        };
        let nth = *count;
        *count += 1;
        match state.fault {
            Some(fault)
                if fault.call == call
                    && (nth == fault.after || (fault.keeps_failing && nth > fault.after)) =>
            {
                state.failures += 1;
                Err(fault.error.into())
            }
            _ => Ok(()),
        }
    }
}

/// A disk around another, of which a chosen call fails.
///
/// ```
/// use std::io::ErrorKind;
/// use redb::StorageBackend;
/// use uxf_testkit::disk::{DiskCall, Fault, FaultyDisk, MemoryDisk};
///
/// let disk = FaultyDisk::new(MemoryDisk::default());
/// disk.switch().arm(Fault {
///     call: DiskCall::Sync,
///     after: 1,
///     error: ErrorKind::StorageFull,
///     keeps_failing: false,
/// });
/// assert!(disk.sync_data().is_ok());
/// assert_eq!(disk.sync_data().unwrap_err().kind(), ErrorKind::StorageFull);
/// assert!(disk.sync_data().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct FaultyDisk<B> {
    inner: B,
    switch: FaultSwitch,
}

impl<B> FaultyDisk<B> {
    /// A disk on which nothing fails until its switch is armed.
    pub fn new(inner: B) -> Self {
        Self {
            inner,
            switch: FaultSwitch::default(),
        }
    }

    /// Its switch.
    pub fn switch(&self) -> FaultSwitch {
        self.switch.clone()
    }
}

impl<B: StorageBackend> StorageBackend for FaultyDisk<B> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.switch.pass(DiskCall::Read)?;
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.switch.pass(DiskCall::SetLen)?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.switch.pass(DiskCall::Sync)?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if let Err(error) = self.switch.pass(DiskCall::Write) {
            let half = data.get(..data.len() / 2).unwrap_or_default();
            self.inner.write(offset, half)?;
            return Err(error);
        }
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;

    fn fault(call: DiskCall, after: u64, keeps_failing: bool) -> Fault {
        Fault {
            call,
            after,
            error: io::ErrorKind::Other,
            keeps_failing,
        }
    }

    #[test]
    fn only_the_chosen_call_fails_and_calls_of_other_kinds_do_not_count() {
        let disk = FaultyDisk::new(MemoryDisk::new(vec![0; 8]));
        let switch = disk.switch();
        switch.arm(fault(DiskCall::Write, 1, false));
        disk.sync_data().unwrap();
        disk.read(0, &mut [0; 2]).unwrap();
        disk.write(0, &[1; 4]).unwrap();
        disk.write(4, &[2; 4]).unwrap_err();
        disk.write(4, &[3; 1]).unwrap();
        assert_eq!(disk.inner.image(), [1, 1, 1, 1, 3, 2, 0, 0]);
        assert_eq!((switch.calls(DiskCall::Write), switch.failures()), (3, 1));
    }

    #[test]
    fn a_dead_disk_stays_dead_until_it_is_disarmed() {
        let disk = FaultyDisk::new(MemoryDisk::default());
        disk.switch().arm(fault(DiskCall::SetLen, 0, true));
        disk.set_len(1).unwrap_err();
        disk.set_len(1).unwrap_err();
        assert_eq!(disk.len().unwrap(), 0);
        disk.switch().disarm();
        disk.set_len(1).unwrap();
        assert_eq!(disk.len().unwrap(), 1);
    }
}
