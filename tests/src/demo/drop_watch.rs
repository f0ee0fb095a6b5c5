//! Notes when the first packet was dropped, by looking at the kernel's count every millisecond.
//!
//! It only looks: the program in the kernel drops without being told.

use std::{thread, time::Duration};

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};

use crate::levee::Drops;

const INTERVAL: Duration = Duration::from_millis(1);

/// Waits until more than `before` packets have been dropped, for at most `patience`. Returns the `CLOCK_MONOTONIC` of the
/// look that saw it, in ns.
pub(super) fn wait(drops: &Drops, before: u64, patience: Duration) -> Result<Option<u64>> {
    let start = now_ns()?;
    loop {
        // The clock first: a look that takes long must not make the drop seem earlier than it was, nor later.
        let now = now_ns()?;
        if drops.total()? > before {
            return Ok(Some(now));
        }
        if now.saturating_sub(start) > patience.as_nanos() as u64 {
            return Ok(None);
        }
        thread::sleep(INTERVAL);
    }
}

fn now_ns() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(Duration::from(now).as_nanos() as u64)
}
