//! Interfaces come and go while the agent runs: removed and made anew, taken by somebody else's program, detached. The agent
//! sees it at the next poll, or at once when the kernel tells of a new interface; it attaches again by itself and says how
//! long nothing protected.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::Engine;
use crate::{
    clock::Now,
    detect::{Event, What},
    snapshot::Unprotected,
    tables::{MonotonicNs, Standing},
};

/// Between two tries to attach where the kernel refuses: a driver may need long for each.
const AGAIN_NS: u64 = 1_000_000_000;

/// What is remembered of the interfaces.
#[derive(Debug, Default)]
pub(super) struct Attached {
    /// When each was last seen with its program.
    seen: BTreeMap<String, Now>,
    /// Those that are without it.
    off: BTreeMap<String, Off>,
    /// For how long each was without it since the start, in all; what still goes on is not in it.
    sums: BTreeMap<String, Duration>,
    /// Why pins could not be put back.
    pins_problem: Option<String>,
}

#[derive(Debug)]
struct Off {
    since: Now,
    /// How it stood at the last try.
    standing: String,
    /// Why the kernel refused to attach then.
    refused: Option<String>,
    tried: MonotonicNs,
}

impl Off {
    fn why(&self) -> String {
        match &self.refused {
            Some(refused) => format!("{}; {refused}", self.standing),
            None => self.standing.clone(),
        }
    }
}

impl Attached {
    /// Interfaces that nothing protects now, for everybody who asks.
    pub(super) fn unprotected(&self) -> Vec<Unprotected> {
        let off = self.off.iter();
        off.map(|(interface, off)| Unprotected {
            interface: interface.clone(),
            since: off.since.wall,
            why: off.why(),
        })
        .collect()
    }

    /// How long each interface was without its program since the start; those of which that is true now up to this instant.
    pub(super) fn sums(&self, now: Now) -> BTreeMap<String, Duration> {
        let mut sums: BTreeMap<String, Duration> =
            self.seen.keys().map(|name| (name.clone(), Duration::ZERO)).collect();
        sums.extend(self.sums.clone());
        for (interface, off) in &self.off {
            *sums.entry(interface.clone()).or_default() += between(off.since, now);
        }
        sums
    }

    /// What is not as it should be.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let off = self.off.iter().map(|(interface, off)| {
            format!(
                "{interface} is not protected since {:.0}: {}; the agent attaches again by itself",
                off.since.wall,
                off.why()
            )
        });
        off.chain(self.pins_problem.clone())
    }
}

fn between(since: Now, now: Now) -> Duration {
    Duration::from_nanos(now.mono.0.saturating_sub(since.mono.0))
}

impl Engine {
    /// Looks whether each interface has its program, and gives it back to those that have not; true when something happened.
    pub(super) fn keep_attached(&mut self, now: Now) -> bool {
        let config = Arc::clone(&self.config);
        let attached = &mut self.attached;
        attached.seen.retain(|name, _| config.interfaces.contains(name));
        attached.off.retain(|name, _| config.interfaces.contains(name));
        let mut happened = false;
        for interface in &config.interfaces {
            happened |= match self.tables.standing(interface) {
                Ok(Standing::On | Standing::Renamed(_)) => self.is_on(interface, now),
                Ok(Standing::Off(why)) => self.is_off(interface, &why, true, now),
                Ok(Standing::Gone(why)) => self.is_off(interface, &why, false, now),
                // Not to be known is not to be off: the poll tells that it cannot read.
                Err(error) => {
                    tracing::debug!(interface, "cannot see whether it is protected: {error}");
                    false
                }
            };
        }
        if happened && let Ok(links) = self.tables.links() {
            self.links = Arc::new(links);
        }
        happened
    }

    /// The kernel told of a change at an interface of ours.
    pub(super) fn look_at_interfaces(&mut self, now: Now) {
        if self.keep_attached(now) {
            self.publish(now);
        }
    }

    /// Pins again what somebody took the pins of.
    pub(super) fn keep_pinned(&mut self, now: Now) {
        match self.tables.keep_pinned() {
            Ok(true) => self.happened(Event {
                at: now.wall,
                subject: None,
                attack: None,
                what: What::Notice {
                    text: "Somebody took away the pins of the program and its maps; they are back, and nothing was interrupted."
                        .to_owned(),
                },
            }),
            Ok(false) => self.attached.pins_problem = None,
            Err(error) => {
                let problem = format!("protection would end with this agent: its pins are gone, and cannot be made again: {error}");
                if self.attached.pins_problem.as_ref() != Some(&problem) {
                    tracing::error!("{problem}");
                }
                self.attached.pins_problem = Some(problem);
            }
        }
    }

    fn is_on(&mut self, interface: &str, now: Now) -> bool {
        self.attached.seen.insert(interface.to_owned(), now);
        let Some(off) = self.attached.off.remove(interface) else {
            return false;
        };
        let without = between(off.since, now);
        *self.attached.sums.entry(interface.to_owned()).or_default() += without;
        self.tell_of_interface(
            What::InterfaceBack {
                interface: interface.to_owned(),
                seconds: without.as_secs_f64(),
            },
            now,
        );
        true
    }

    fn is_off(&mut self, interface: &str, standing: &str, exists: bool, now: Now) -> bool {
        let since = self.attached.seen.get(interface).copied().unwrap_or(now);
        let is_new = !self.attached.off.contains_key(interface);
        let off = self.attached.off.entry(interface.to_owned()).or_insert_with(|| Off {
            since,
            standing: String::new(),
            refused: None,
            tried: now.mono,
        });
        let is_due = off.standing != standing || now.mono.0.saturating_sub(off.tried.0) >= AGAIN_NS;
        if !is_due {
            return false;
        }
        standing.clone_into(&mut off.standing);
        off.tried = now.mono;
        off.refused = None;
        if is_new {
            let (interface, why) = (interface.to_owned(), standing.to_owned());
            self.tell_of_interface(What::InterfaceLost { interface, why }, now);
        }
        if exists {
            match self.tables.attach(interface, self.config.xdp_mode) {
                Ok(_) => return self.is_on(interface, now),
                Err(error) => {
                    tracing::error!(interface, "cannot attach again: {error}");
                    if let Some(off) = self.attached.off.get_mut(interface) {
                        off.refused = Some(error.to_string());
                    }
                }
            }
        }
        true
    }

    fn tell_of_interface(&mut self, what: What, now: Now) {
        self.happened(Event {
            at: now.wall,
            subject: None,
            attack: None,
            what,
        });
    }
}
