//! Clocks.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use nix::{
    libc,
    time::{ClockId, clock_gettime},
};

use super::places::{Places, text};
use crate::doctor::facts::{ClockFacts, Seen};

/// A wall clock that is so far behind the state directory went back.
const BACK: Duration = Duration::from_secs(60);

pub(super) fn gather(places: &Places, state_directory: &Path) -> ClockFacts {
    ClockFacts {
        now: jiff::Timestamp::now(),
        synchronised: synchronised(),
        source: source(places),
        suspended: suspended(),
        behind_ledger: behind(state_directory),
    }
}

fn synchronised() -> Seen<bool> {
    // SAFETY: all zeros are a `struct timex`; without modes it is a question.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure outlives the call.
    if unsafe { libc::adjtimex(&raw mut timex) } < 0 {
        return Err(std::io::Error::last_os_error().to_string());
    }
    Ok(timex.status & libc::STA_UNSYNC == 0)
}

fn source(places: &Places) -> Seen<(String, Vec<String>)> {
    let directory = places.sys.join("devices/system/clocksource/clocksource0");
    let current = text(&directory.join("current_clocksource"))?;
    let others = text(&directory.join("available_clocksource")).unwrap_or_default();
    Ok((current, others.split_whitespace().map(ToOwned::to_owned).collect()))
}

/// CLOCK_BOOTTIME goes on while the host is suspended, CLOCK_MONOTONIC does not.
fn suspended() -> Duration {
    let read = |clock| clock_gettime(clock).map(Duration::from).unwrap_or_default();
    let monotonic = read(ClockId::CLOCK_MONOTONIC);
    read(ClockId::CLOCK_BOOTTIME).saturating_sub(monotonic)
}

fn behind(directory: &Path) -> Option<Duration> {
    let files = fs::read_dir(directory).ok()?.flatten();
    let latest = files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()?;
    latest
        .duration_since(SystemTime::now())
        .ok()
        .filter(|behind| *behind > BACK)
}
