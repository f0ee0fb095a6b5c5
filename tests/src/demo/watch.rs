//! Notes when Levee first did something about a packet, by looking at the kernel's counts every millisecond.
//!
//! It only looks: the program in the kernel acts without being told.

use std::{thread, time::Duration};

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};

const INTERVAL: Duration = Duration::from_millis(1);

/// Waits until `acted` counts more than nothing, for at most `patience`. Returns the `CLOCK_MONOTONIC` of the look that saw
/// it, in ns.
pub(super) fn wait(acted: impl Fn() -> Result<u64>, patience: Duration) -> Result<Option<u64>> {
    let start = now_ns()?;
    loop {
        // The clock first: a look that takes long must not make the act seem earlier than it was, nor later.
        let now = now_ns()?;
        if acted()? > 0 {
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
