//! Each measurement runs in a process of its own, so that what the kernel says of it (bytes written, peak memory) is
//! its alone, and so that it can be killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::Outcome;
use crate::figures::Figure;

/// A measurement under way.
pub(crate) struct Measuring {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Measuring {
    /// Starts this program with a command, a directory and arguments.
    pub(crate) fn start(command: &str, dir: &Path, arguments: &[String]) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(command)
            .arg(dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the child has no output")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// The next line that the child prints.
    pub(crate) fn line(&mut self) -> Outcome<String> {
        Ok(self.lines.next().ok_or("the child said nothing more")??)
    }

    /// All figures, once the child is done.
    pub(crate) fn figures(mut self) -> Outcome<Vec<Figure>> {
        let mut figures = Vec::new();
        for line in self.lines.by_ref() {
            figures.push(line?.parse()?);
        }
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the measuring process ended with {status}").into());
        }
        Ok(figures)
    }

    /// Kills the child at once when it has printed so many lines, and returns the last of them.
    pub(crate) fn kill_after(mut self, lines: usize) -> Outcome<String> {
        let mut last = String::new();
        for line in self.lines.by_ref().take(lines) {
            last = line?;
        }
        self.child.kill()?;
        self.child.wait()?;
        // What it printed between the last line read and its death was acknowledged too.
        for line in self.lines.by_ref() {
            last = line?;
        }
        Ok(last)
    }
}
