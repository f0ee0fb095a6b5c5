//! Whether the host itself can still do its work: what is lost before the program sees it, nothing here can bring back.

use super::{DetectPolicy, HostObservation, What, signal::sound};

/// Saturated for so many seconds is saturated.
const SATURATED_SECONDS: f64 = 1.0;
/// And calm for so many is over.
const CALM_SECONDS: f64 = 10.0;
/// Calm is below this share of a bar.
const CALM_SHARE: f64 = 0.5;
/// For softirqs, whose bar is close to 1, calm is below this share of it.
const CALM_SOFTIRQ_SHARE: f64 = 0.9;

/// Whether the host is saturated.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HostWatch {
    saturated: bool,
    /// Seconds for which the other state was seen.
    seconds: f64,
}

impl HostWatch {
    /// What one more tick says, if that is news.
    pub(super) fn next(&mut self, host: &HostObservation, seconds: f64, policy: &DetectPolicy) -> Option<What> {
        let (drops, softirq) = (sound(host.receive_drops), sound(host.softirq));
        let other = if self.saturated {
            drops < CALM_SHARE * policy.receive_drops_pps && softirq < CALM_SOFTIRQ_SHARE * policy.softirq_share
        } else {
            drops > policy.receive_drops_pps || softirq > policy.softirq_share
        };
        if !other {
            // One tick that says otherwise does not undo the others.
            self.seconds = (self.seconds - seconds).max(0.0);
            return None;
        }
        self.seconds += seconds;
        let needed = if self.saturated {
            CALM_SECONDS
        } else {
            SATURATED_SECONDS
        };
        // Ticks of a tenth of a second do not add up to whole seconds exactly.
        if self.seconds < needed - seconds / 2.0 {
            return None;
        }
        self.saturated = !self.saturated;
        self.seconds = 0.0;
        Some(if self.saturated {
            What::HostSaturated {
                receive_drops: drops,
                softirq,
            }
        } else {
            What::HostRecovered
        })
    }

    /// True while the host is saturated.
    pub(super) const fn is_saturated(&self) -> bool {
        self.saturated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(receive_drops: f64, softirq: f64) -> HostObservation {
        HostObservation {
            receive_drops,
            softirq,
            ..HostObservation::default()
        }
    }

    #[test]
    fn saturation_is_told_once_and_so_is_its_end() {
        let (mut watch, policy) = (HostWatch::default(), DetectPolicy::default());
        let mut told = Vec::new();
        for tick in 0..300 {
            let seen = match tick {
                50..100 => host(50_000.0, 0.5),
                // Between the two bars: neither.
                100..110 => host(600.0, 0.5),
                150 => host(50_000.0, 1.0),
                _ => host(0.0, 0.2),
            };
            told.extend(watch.next(&seen, 0.1, &policy).map(|what| (tick, what.name())));
        }
        assert_eq!(told, [(59, "host_saturated"), (211, "host_recovered")]);
    }

    #[test]
    fn a_busy_cpu_is_enough_and_garbage_is_not() {
        let (mut watch, policy) = (HostWatch::default(), DetectPolicy::default());
        assert_eq!(watch.next(&host(f64::NAN, f64::INFINITY), 100.0, &policy), None);
        assert!(watch.next(&host(0.0, 0.99), 1.0, &policy).is_some());
        assert!(watch.is_saturated());
    }
}
