//! A process that is a device, as its parent sees it.

use core::time::Duration;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

use crate::Outcome;

/// The variable that makes this program a device, and names its store.
pub(crate) const ROLE: &str = "UXF_SOCKETS_DEVICE";
const LONGEST: Duration = Duration::from_secs(120);

pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    said: Receiver<String>,
    /// Operations that it said are written, all in all.
    pub(crate) acked: u64,
    /// Whether it has answered what it was told last.
    pub(crate) is_heard: bool,
}

impl Process {
    pub(crate) fn start(directory: &Path, acked: u64) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(ROLE, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            input,
            said,
            acked,
            is_heard: true,
        })
    }

    pub(crate) fn tell(&mut self, line: &str) -> Outcome<()> {
        Ok(writeln!(self.input, "{line}")?)
    }

    /// The next thing that it says and that is no word of a write; `None` if nothing comes in time.
    pub(crate) fn hear(&mut self, longest: Duration) -> Outcome<Option<String>> {
        loop {
            let line = match self.said.recv_timeout(longest) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err("it ended".into()),
            };
            match line.split_once(' ') {
                Some(("acked", number)) => self.acked = number.parse()?,
                Some(("error" | "banned", why)) => return Err(why.to_owned().into()),
                _ => return Ok(Some(line)),
            }
        }
    }

    /// What it answers to a line; that it fails is an answer too.
    pub(crate) fn ask(&mut self, line: &str) -> Outcome<String> {
        self.tell(line)?;
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Outcome<String> {
        Ok(self.hear(LONGEST)?.ok_or("it says nothing")?)
    }

    /// Starts to listen, after so many writes, and says where.
    pub(crate) fn listen(&mut self, writes: u64) -> Outcome<String> {
        self.tell(&format!("write {writes}"))?;
        let at = self.ask("listen")?;
        Ok(at.strip_prefix("at ").ok_or("no address")?.to_owned())
    }

    /// Kills it and takes what it had said; says how many operations that was.
    pub(crate) fn kill(mut self) -> Outcome<u64> {
        self.child.kill()?;
        self.child.wait()?;
        // What was on its way here was said.
        while self.hear(LONGEST).is_ok() {}
        Ok(self.acked)
    }

    pub(crate) fn end(mut self) -> Outcome<()> {
        let last = self.ask("end")?;
        if last != "ended" || !self.child.wait()?.success() {
            return Err(format!("it did not end well: {last}").into());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
