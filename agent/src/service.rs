//! What systemd is told (`sd_notify(3)`): ready, reloading, stopping, a line for `systemctl status`, and that the engine is
//! alive. Where no service manager listens, nothing is said.

use std::{sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio::{sync::watch, time::Instant};

use crate::snapshot::Snapshot;

/// Subjects that the line for people names.
const NAMED: usize = 5;
/// Readings that may be late, one after another, before the engine counts as stuck.
const LATE_READINGS: u32 = 3;

/// Says that protection is in place.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the daemon ends, and what becomes of protection.
pub fn stopping(what_stays: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(what_stays)]);
}

/// A reload that goes on; it is over when this is dropped, however it ended.
#[derive(Debug)]
#[must_use = "the reload is over with this"]
pub struct Reloading(());

impl Reloading {
    /// Says that a reload begins.
    pub fn begin() -> Self {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!("cannot tell systemd: {error}"),
        }
        Self(())
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        tell(&[NotifyState::Ready]);
    }
}

/// Keeps the line of `systemctl status` true as long as there are snapshots.
pub async fn keep_status(mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    let mut told = String::new();
    loop {
        let status = status(&snapshots.borrow_and_update());
        if status != told {
            tell(&[NotifyState::Status(&status)]);
            told = status;
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

/// Mode, what is protected, what is attacked, what is wrong: one line.
fn status(snapshot: &Snapshot) -> String {
    let attacks = snapshot.detection.attacks.iter();
    let attacked = list(attacks.map(|attack| attack.subject.to_string()).collect());
    let attacked = if attacked.is_empty() {
        "nothing is attacked".to_owned()
    } else {
        format!("attacked: {attacked}")
    };
    let interfaces = list(snapshot.links.iter().map(|link| link.interface.clone()).collect());
    let warnings = match snapshot.warnings.len() {
        0 => String::new(),
        1 => "; 1 warning, see `agent status`".to_owned(),
        several => format!("; {several} warnings, see `agent status`"),
    };
    let mode = snapshot.kernel.settings.mode;
    let addresses = match snapshot.config.protected.len() {
        1 => "1 address".to_owned(),
        several => format!("{several} addresses"),
    };
    format!("mode {mode} on {interfaces}, {addresses}; {attacked}{warnings}")
}

/// The first of them, and how many more.
fn list(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more == 0 {
        first
    } else {
        format!("{first} and {more} more")
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell systemd: {error}");
    }
}

/// The engine's heart. It beats (`WATCHDOG=1`) from the engine's own loop, and only while counters are being read: an engine
/// that is stuck in a system call, or that no longer reads, is restarted by systemd. Protection stays in place meanwhile.
#[derive(Debug)]
pub struct Heart {
    /// Time between two beats; `None` where no watchdog waits for them.
    every: Option<Duration>,
    next: Instant,
    last_reading: Instant,
}

impl Heart {
    /// A heart that beats as often as the service manager asks for.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::new(sd_notify::watchdog_enabled(), Instant::now())
    }

    /// `limit`: silence after which the service manager takes the agent for dead. A third of it is between two beats.
    fn new(limit: Option<Duration>, now: Instant) -> Self {
        Self {
            every: limit.map(|limit| limit / 3),
            next: now,
            last_reading: now,
        }
    }

    /// Counters were read.
    pub fn read(&mut self) {
        self.last_reading = Instant::now();
    }

    /// Resolves when a beat is due; never without a watchdog.
    pub async fn due(&self) {
        match self.every {
            Some(_) => tokio::time::sleep_until(self.next).await,
            None => std::future::pending().await,
        }
    }

    /// Beats if it is time. `poll`: time between two readings.
    pub fn beat(&mut self, poll: Duration) {
        match self.look(poll, Instant::now()) {
            Beat::NotYet => {}
            Beat::Alive => tell(&[NotifyState::Watchdog]),
            Beat::Stuck => tracing::error!("counters are not read any more: systemd is to restart the agent"),
        }
    }

    fn look(&mut self, poll: Duration, now: Instant) -> Beat {
        let Some(every) = self.every.filter(|_| now >= self.next) else {
            return Beat::NotYet;
        };
        self.next = now + every;
        if now.saturating_duration_since(self.last_reading) <= poll * LATE_READINGS + every {
            Beat::Alive
        } else {
            Beat::Stuck
        }
    }
}

/// What the heart does at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    NotYet,
    Alive,
    Stuck,
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_millis(100);
    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn beats_three_times_within_the_limit_while_counters_are_read() {
        let start = Instant::now();
        let mut heart = Heart::new(Some(LIMIT), start);
        let mut beats = 0;
        for tenth in 0..300 {
            heart.last_reading = start + POLL * tenth;
            beats += usize::from(heart.look(POLL, start + POLL * tenth) == Beat::Alive);
        }
        assert_eq!(beats, 3);
    }

    #[test]
    fn an_engine_that_does_not_read_does_not_beat() {
        let start = Instant::now();
        let mut heart = Heart::new(Some(LIMIT), start);
        assert_eq!(heart.look(POLL, start), Beat::Alive);
        // Commands still keep the loop turning; nothing is read.
        let late = start + LIMIT / 3 + POLL * LATE_READINGS + POLL;
        assert_eq!(heart.look(POLL, late), Beat::Stuck);
        assert_eq!(heart.look(POLL, late), Beat::NotYet, "said once for each beat");
        heart.last_reading = late + LIMIT / 3;
        assert_eq!(heart.look(POLL, late + LIMIT / 3), Beat::Alive, "reads again");
    }

    #[test]
    fn readings_that_are_rare_by_choice_are_no_stuck_engine() {
        let start = Instant::now();
        let mut heart = Heart::new(Some(LIMIT), start);
        assert_eq!(
            heart.look(Duration::from_secs(60), start + Duration::from_secs(59)),
            Beat::Alive
        );
    }

    #[test]
    fn nobody_waits_for_beats_without_a_watchdog() {
        let start = Instant::now();
        assert_eq!(Heart::new(None, start).look(POLL, start + LIMIT), Beat::NotYet);
    }

    #[test]
    fn long_lists_are_cut() {
        let names = |count: usize| (0..count).map(|index| format!("192.0.2.{index}")).collect();
        assert_eq!(list(names(0)), "");
        assert_eq!(list(names(2)), "192.0.2.0, 192.0.2.1");
        assert!(list(names(4_096)).ends_with("192.0.2.4 and 4091 more"));
    }
}
