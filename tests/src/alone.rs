//! One at a time: who measures wants the machine's cores to itself.

use std::fs::{File, TryLockError};

use anyhow::{Context as _, Result};

/// Nobody else locks this one. `/run/netns` would be the obvious choice, and `ip netns add` locks it.
const LOCKED: &str = "/run";

/// Permission to measure. Held by one process of the machine, and by one thread in it, until it is dropped.
#[derive(Debug)]
pub struct Alone {
    _lock: File,
}

/// Waits for the turn to measure.
pub fn wait() -> Result<Alone> {
    // A directory can be locked as well as a file, and leaves no lock file behind.
    let lock = File::open(LOCKED).with_context(|| format!("cannot open {LOCKED}"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("lab: waiting for another lab to finish measuring");
            lock.lock().with_context(|| format!("cannot lock {LOCKED}"))?;
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("cannot lock {LOCKED}")),
    }
    Ok(Alone { _lock: lock })
}
