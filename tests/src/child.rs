//! Long-running children of a lab: started with their core and priority, ended by id, and never left behind.

use std::{
    fmt::Write as _,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use crate::{command::describe, lab::Lab, signal};

const PATIENCE: Duration = Duration::from_secs(3);

/// How a child is to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// The one core it may use; `None` for all of them.
    pub core: Option<usize>,
    /// Its nice value, −20 (first) to 19 (last).
    pub nice: i32,
    /// Whether it stays when its parent dies. For labs that are kept.
    pub outlives_parent: bool,
}

/// A child that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    line: String,
    records: PathBuf,
    left: bool,
}

impl Running {
    /// Starts a command. The thread that calls this must live as long as the child, which gets a SIGTERM when it ends.
    pub fn start(lab: &Lab, mut command: Command, manner: Manner) -> Result<Self> {
        let line = describe(&command);
        // Its own process group: Ctrl-C in a terminal reaches the lab alone, which then ends its children in order.
        command.process_group(0);
        // SAFETY: `apply` makes three system calls and allocates nothing, as is required between fork and exec.
        unsafe { command.pre_exec(move || apply(manner)) };
        let records = lab.path("pids");
        let gate = signal::gate();
        let child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
        let recorded = record(&records, child.id());
        drop(gate);
        // From here on dropping it ends the child.
        let running = Self {
            child,
            line,
            records,
            left: false,
        };
        recorded?;
        Ok(running)
    }

    /// The child's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The command line as a person would type it.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// How the child ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot look after `{}`", self.line))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.id()?, signal).with_context(|| format!("cannot send {signal} to `{}`", self.line))
    }

    /// Asks the child to end, insists after three seconds, and waits.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        self.wait(PATIENCE).or_else(|_late| self.kill())
    }

    /// Ends the child without asking, as `kill -9` does.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child
            .kill()
            .with_context(|| format!("cannot kill `{}`", self.line))?;
        self.child
            .wait()
            .with_context(|| format!("cannot wait for `{}`", self.line))
    }

    /// Waits for the child to end by itself.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < patience {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(anyhow!(
            "`{}` did not end within {} s",
            self.line,
            patience.as_secs_f32()
        ))
    }

    /// Lets go of the child: it runs on, and `lab down` ends it.
    pub fn leave(mut self) {
        self.left = true;
    }

    fn id(&self) -> Result<Pid> {
        Ok(Pid::from_raw(
            i32::try_from(self.child.id()).context("a process id that is no process id")?,
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let _gate = signal::gate();
        if let Err(error) = self.stop() {
            eprintln!("lab: {error:#}");
        }
        forget(&self.records, self.child.id());
    }
}

fn apply(manner: Manner) -> std::io::Result<()> {
    if let Some(core) = manner.core {
        let mut set = CpuSet::new();
        set.set(core)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
    }
    if manner.nice != 0 {
        // SAFETY: a plain system call on integers.
        let failed = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, manner.nice) } != 0;
        if failed {
            return Err(std::io::Error::last_os_error());
        }
    }
    if !manner.outlives_parent {
        prctl::set_pdeathsig(Signal::SIGTERM)?;
    }
    Ok(())
}

/// A process that a lab wrote down: its id, and when it started, because ids are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    pid: u32,
    started: u64,
}

impl Recorded {
    /// Whether this very process still runs.
    #[must_use]
    pub fn lives(self) -> bool {
        started(self.pid) == Some(self.started)
    }
}

/// Adds a process to a file of records.
pub fn record(file: &Path, pid: u32) -> Result<()> {
    let mut text = fs::read_to_string(file).unwrap_or_default();
    // A child that has ended by now needs no record.
    if let Some(started) = started(pid) {
        writeln!(text, "{pid} {started}")?;
    }
    fs::write(file, text).with_context(|| format!("cannot write the process record {}", file.display()))
}

/// Reads a file of records; none if there is no file.
#[must_use]
pub fn recorded(file: &Path) -> Vec<Recorded> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let parse = |line: &str| {
        let (pid, started) = line.split_once(' ')?;
        Some(Recorded {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    };
    text.lines().filter_map(parse).collect()
}

/// Ends every recorded process that still runs.
pub fn end_recorded(file: &Path) {
    let processes = recorded(file);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut living: Vec<Recorded> = processes.iter().copied().filter(|process| process.lives()).collect();
        for process in &living {
            if let Ok(pid) = i32::try_from(process.pid) {
                // It may end between the look and the signal.
                let _gone = kill(Pid::from_raw(pid), signal);
            }
        }
        let start = Instant::now();
        while !living.is_empty() && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
            living.retain(|process| process.lives());
        }
    }
}

fn forget(file: &Path, pid: u32) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let mark = format!("{pid} ");
    let rest: String = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with(&mark))
        .collect();
    // Worst case, the take-down looks for a process that is gone.
    let _kept_line = fs::write(file, rest);
}

/// When a process started, in clock ticks since boot; `None` if it is gone or only waits to be collected.
fn started(pid: u32) -> Option<u64> {
    const STATE: usize = 0;
    const START_TIME: usize = 19;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if *fields.get(STATE)? == "Z" {
        return None;
    }
    fields.get(START_TIME)?.parse().ok()
}
