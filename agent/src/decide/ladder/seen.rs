//! What presses on an address at a tick, and whether the rung where it stands is enough.

use std::{net::IpAddr, sync::Arc};

use crate::{
    clock::Now,
    config::ladder::LadderPolicy,
    detect::{Attack, AttackVector, HostObservation, Observation},
    fleet::Elsewhere,
    ladder::{Method, Rung},
    overrides::Origin,
};

/// Calm is less than this share of the SYN rate, as it is to the kernel side.
const CALM_SHARE: f64 = 0.5;
/// Proofs are not enough when this share of the SYNs gets no answer.
const UNANSWERED_SHARE: f64 = 0.5;
/// An address with less than this share of all packets is not what saturates the host.
const CULPRIT_SHARE: f64 = 0.1;

/// How far an address may climb.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// A person put it where it is.
    pub(super) forced: bool,
    /// The highest rung, as somebody said who took a higher one back.
    pub(super) ceiling: Option<(Rung, &'a Origin)>,
}

/// One address at a tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) now: Now,
    /// Seconds since the tick before.
    pub(super) seconds: f64,
    pub(super) address: IpAddr,
    /// What is observed of it.
    pub(super) own: &'a Observation,
    /// What the attack is on: the address, or its group.
    pub(super) cause: &'a Observation,
    /// What arrives for it at the other nodes.
    pub(super) elsewhere: Elsewhere,
    /// The attack that goes on.
    pub(super) attack: Option<&'a Attack>,
    /// The host, while it loses packets.
    pub(super) saturated: Option<&'a HostObservation>,
    /// Packets per second to all protected addresses.
    pub(super) total_pps: f64,
    pub(super) policy: LadderPolicy,
    /// Nothing is done, only said.
    pub(super) monitor: bool,
    pub(super) proves: Method,
    pub(super) bounds: Bounds<'a>,
}

impl Seen<'_> {
    /// What arrives that may be an attack, in packets per second.
    pub(super) fn arriving_pps(&self) -> f64 {
        arriving(self.own)
    }

    /// It is not calm: half a SYN rate arrives while an attack goes on, or the whole of it anyhow, or the attack goes on by
    /// something else than SYNs, or at all nodes together. Without an attack half a rate may be everyday life, which must not hold an address up.
    pub(super) fn is_busy(&self) -> bool {
        let over = |seen: &Observation, share: f64| {
            let rate = seen.standing.syn_threshold;
            rate.is_some_and(|rate| arriving(seen) >= rate * share)
        };
        match self.attack {
            None => over(self.own, 1.0),
            Some(_) => {
                over(self.own, CALM_SHARE)
                    || over(self.cause, CALM_SHARE)
                    || self.cause.rates.over_vectors > 0.0
                    || self.in_fleet().is_some()
            }
        }
    }

    /// Whether a rung is only said here.
    pub(super) fn is_only_said(&self, rung: Rung) -> bool {
        self.monitor || self.policy.is_only_said(rung)
    }

    /// The highest rung that may be taken now.
    pub(super) fn most(&self) -> Rung {
        let ceiling = self.bounds.ceiling.map_or(Rung::Upstream, |(rung, _)| rung);
        self.policy.highest.min(ceiling)
    }

    /// The rung after this one, for the attack that goes on. What is not SYNs no proof keeps out: only a blackhole does.
    pub(super) fn above(&self, rung: Rung) -> Option<Rung> {
        let attack = self.attack?;
        let of_connections = attack.vectors.contains(&AttackVector::Syn) || attack.vectors.contains(&AttackVector::Tcp);
        let next = match rung {
            Rung::Observe | Rung::Limit if of_connections => Rung::Verify,
            Rung::Verify if of_connections => Rung::Known,
            Rung::Observe | Rung::Limit | Rung::Verify | Rung::Known => Rung::Blackhole,
            Rung::Blackhole => Rung::Upstream,
            Rung::Upstream => return None,
        };
        // The kernel side goes to verify by itself, unless it is only said, or what it would go by arrives at other nodes.
        let by_kernel = next == Rung::Verify && !self.policy.is_only_said(next) && self.thin().is_none();
        (!by_kernel && next <= self.most()).then_some(next)
    }

    /// Why what is below a rung is not enough; `None` if it is.
    pub(super) fn needs(&self, rung: Rung, hurt: bool) -> Option<Arc<str>> {
        match rung {
            Rung::Observe | Rung::Limit => None,
            Rung::Verify => self.over_rate().or_else(|| self.thin()),
            Rung::Known => self.beyond_answers(hurt).or_else(|| self.saturates()),
            Rung::Blackhole | Rung::Upstream => self.saturates(),
        }
    }

    /// More SYNs than its rate.
    pub(super) fn over_rate(&self) -> Option<Arc<str>> {
        let rates = &self.cause.rates;
        let threshold = self.cause.standing.syn_threshold.filter(|rate| rates.syn >= *rate)?;
        Some(
            format!(
                "{} SYNs/s come, and its rate is {}/s",
                whole(rates.syn),
                whole(threshold)
            )
            .into(),
        )
    }

    /// SYNs per second at all nodes, while an attack goes on that is fleet-wide and they are half of its rate or more.
    fn in_fleet(&self) -> Option<f64> {
        self.attack?.fleet?;
        let rate = self.own.standing.syn_threshold?;
        let sum = arriving(self.own) + self.elsewhere.unproven;
        (self.elsewhere.unproven > 0.0 && sum >= rate * CALM_SHARE).then_some(sum)
    }

    /// Too few arrive here for the kernel side to see an excess, and too many at all nodes. Where sources cannot prove themselves,
    /// verify would keep all strangers out, for what this node stands.
    fn thin(&self) -> Option<Arc<str>> {
        let sum = self.in_fleet().filter(|_| self.proves != Method::Drop)?;
        let here = arriving(self.own);
        let rate = self.own.standing.syn_threshold?;
        (here < rate).then(|| {
            format!(
                "thin here ({} SYNs/s), {} SYNs/s in the fleet, and its rate is {}/s",
                whole(here),
                whole(sum),
                whole(rate)
            )
            .into()
        })
    }

    fn beyond_answers(&self, hurt: bool) -> Option<Arc<str>> {
        let rates = &self.cause.rates;
        let beyond = hurt && rates.syn > 0.0 && rates.unanswered >= UNANSWERED_SHARE * rates.syn;
        beyond.then(|| {
            format!(
                "{} of {} SYNs/s are more than this host can answer, and fewer customers get in",
                whole(rates.unanswered),
                whole(rates.syn)
            )
            .into()
        })
    }

    fn saturates(&self) -> Option<Arc<str>> {
        let host = self.saturated?;
        let culprit = self.total_pps > 0.0 && self.cause.rates.total() >= CULPRIT_SHARE * self.total_pps;
        culprit.then(|| {
            format!(
                "this host is saturated: {} packets/s are lost before they are looked at, its busiest CPU spends {:.0} % in softirqs",
                whole(host.receive_drops),
                host.softirq * 100.0
            )
            .into()
        })
    }
}

fn arriving(seen: &Observation) -> f64 {
    seen.rates.syn + seen.rates.blackholed
}

fn whole(rate: f64) -> String {
    format!("{rate:.0}")
}
