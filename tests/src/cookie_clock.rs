//! The clock that the kernel's SYN cookies go by: it ticks once a minute, counted in jiffies (`tcp_cookie_time` in the
//! kernel's include/net/tcp.h). All cookies and challenges change with it; a cookie is good for two ticks.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// Length of a tick.
pub const TICK: Duration = Duration::from_secs(60);

/// When the next tick is, to some milliseconds.
///
/// # Errors
/// The kernel does not tell its jiffies.
pub fn next_tick() -> Result<Instant> {
    const MEASURED: Duration = Duration::from_millis(300);
    let (begin, start) = (jiffies()?, Instant::now());
    thread::sleep(MEASURED);
    let (end, now) = (jiffies()?, Instant::now());
    let measured = (end - begin) as f64 / (now - start).as_secs_f64();
    // What a kernel can be built with.
    let hz = [100_u32, 250, 300, 1_000]
        .into_iter()
        .min_by_key(|hz| (f64::from(*hz) - measured).abs() as u64)
        .context("no clock rate")?;
    let tick = TICK.as_secs() * u64::from(hz);
    let left = tick - end % tick;
    Ok(now + Duration::from_secs_f64(left as f64 / f64::from(hz)))
}

fn jiffies() -> Result<u64> {
    const FILE: &str = "/proc/timer_list";
    let text = fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("jiffies: "));
    value
        .and_then(|value| value.trim().parse().ok())
        .with_context(|| format!("{FILE} does not tell the jiffies"))
}
