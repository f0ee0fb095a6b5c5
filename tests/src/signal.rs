//! SIGINT and SIGTERM: every lab of this process is taken down, then the process ends.
//!
//! Whoever makes something that outlives the process (a namespace, a mount, a child), or takes it away, holds the [`gate`]
//! meanwhile. Once a signal has arrived, the gate stays shut: nothing appears behind the back of the take-down, nobody does
//! its work a second time, and whoever waits at the gate ends with the process. Nobody may pass the gate twice at a time.

use std::{
    process,
    sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::lab;

/// Longer than any step that holds the gate.
const PATIENCE: Duration = Duration::from_secs(3);

static GATE: RwLock<()> = RwLock::new(());
static INSTALLED: OnceLock<()> = OnceLock::new();

/// Permission to make things that outlive the process; never given again once a signal has arrived.
pub fn gate() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Starts listening for the signals, once per process.
pub fn install() -> Result<()> {
    if INSTALLED.set(()).is_err() {
        return Ok(());
    }
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for SIGINT and SIGTERM")?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                end(signal);
            }
        })
        .context("cannot start the thread that waits for signals")?;
    Ok(())
}

fn end(signal: i32) {
    let _closed = close();
    eprintln!("\ninterrupted: taking the lab down");
    lab::take_down_own();
    process::exit(128 + signal);
}

/// Shuts the gate. Who holds it for too long waits for something that will not come, and is not waited for.
fn close() -> Option<RwLockWriteGuard<'static, ()>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match GATE.try_write() {
            Ok(closed) => return Some(closed),
            Err(TryLockError::Poisoned(closed)) => return Some(closed.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
    None
}
