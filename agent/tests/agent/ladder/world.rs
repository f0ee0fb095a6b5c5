//! A world for the ladder: one address, a kernel side that goes to verify by itself, and detection, in steps of half a second.

use std::{collections::BTreeSet, time::Duration};

use agent::{
    clock::Now,
    config::Config,
    decide::{
        KernelState,
        ladder::{Ladder, Outcome, View},
        standing,
    },
    detect::{Attack, AttackVector, HostObservation, Observation, Peaks, Rates, Standing, Subject, Tick, What},
    fleet::Elsewhere,
    overrides::{Change, Origin, Overrides, RungOverride},
    tables::{InVerify, Rung},
};

use crate::support::{address, config, noon, tcp};

pub(crate) const ADDRESS: &str = "203.0.113.7";
/// SYNs per second.
pub(crate) const THRESHOLD: f64 = 100_000.0;
/// Detection ends an attack after so long a calm.
pub(crate) const ATTACK_HOLD: Duration = Duration::from_secs(30);
/// Time between two ticks: longer than in life, so that hours take moments.
pub(crate) const TICK: Duration = Duration::from_millis(500);

/// What comes in during a tick.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) syn: f64,
    /// Half of the SYNs go unanswered, and customers are hurt.
    pub(crate) beyond_answers: bool,
    pub(crate) saturated: bool,
}

pub(crate) const CALM: Traffic = Traffic {
    syn: 1_000.0,
    beyond_answers: false,
    saturated: false,
};
pub(crate) const FLOOD: Traffic = Traffic { syn: 300_000.0, ..CALM };
pub(crate) const OVERLOAD: Traffic = Traffic {
    beyond_answers: true,
    ..FLOOD
};
pub(crate) const SATURATION: Traffic = Traffic {
    saturated: true,
    ..OVERLOAD
};

/// One address, a kernel side that goes to verify by itself, and detection.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) overrides: Overrides,
    pub(crate) ladder: Ladder,
    pub(crate) verify: Option<InVerify>,
    /// What arrives at the other nodes.
    pub(crate) elsewhere: Option<Elsewhere>,
    pub(crate) attack: Option<(Attack, Now)>,
    pub(crate) ids: u64,
    pub(crate) now: Now,
    /// The rung that the ladder has in force, and since when.
    pub(crate) taken: Option<(Rung, Now)>,
    /// Every step so far.
    pub(crate) steps: Vec<(Now, Option<Rung>)>,
    pub(crate) events: Vec<What>,
}

pub(crate) fn after(now: Now, span: Duration) -> Now {
    let then = now.plus(span);
    Now {
        wall: then.wall,
        mono: then.mono,
    }
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let overrides = Overrides::default();
        Self {
            ladder: Ladder::new(&overrides, noon()),
            config,
            overrides,
            verify: None,
            elsewhere: None,
            attack: None,
            ids: 0,
            now: noon(),
            taken: None,
            steps: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn kernel(&self) -> KernelState {
        KernelState::wanted(&self.config, &self.overrides, &tcp())
    }

    pub(crate) fn rung(&self) -> Rung {
        standing::rung(&self.kernel().addresses[&address(ADDRESS)], self.verify, self.now.mono)
    }

    /// One tick.
    pub(crate) fn meet(&mut self, traffic: Traffic) -> Outcome {
        self.now = after(self.now, TICK);
        self.overrides = self.overrides.with(&self.overrides.expired(self.now));
        self.follow_kernel(traffic);
        self.detect(traffic);
        let kernel = self.kernel();
        let rung = self.rung();
        let blackholed = rung >= Rung::Blackhole;
        let syn = if blackholed { 0.0 } else { traffic.syn };
        let rates = Rates {
            syn,
            unanswered: if traffic.beyond_answers { syn * 0.7 } else { 0.0 },
            blackholed: traffic.syn - syn,
            dropped: traffic.syn,
            ..Rates::default()
        };
        let tick = Tick {
            elsewhere: self.elsewhere.iter().map(|there| (address(ADDRESS), *there)).collect(),
            at: self.now,
            seconds: TICK.as_secs_f64(),
            subjects: vec![Observation {
                subject: Subject::Address(address(ADDRESS)),
                rates,
                standing: Standing {
                    syn_threshold: Some(THRESHOLD),
                    excess: traffic.syn > THRESHOLD,
                    rung,
                    counts_handshakes: true,
                },
            }],
            host: HostObservation {
                receive_drops: if traffic.saturated { 1e6 } else { 0.0 },
                ..HostObservation::default()
            },
        };
        let attacks: Vec<Attack> = self.attack.iter().map(|(attack, _)| attack.clone()).collect();
        let outcome = self.ladder.tick(&View {
            tick: &tick,
            attacks: &attacks,
            saturated: traffic.saturated,
            protected: &self.config.protected,
            kernel: &kernel,
            overrides: &self.overrides,
        });
        self.put_into_force(&outcome);
        outcome
    }

    pub(crate) fn put_into_force(&mut self, outcome: &Outcome) {
        for step in &outcome.steps {
            self.steps.push((self.now, step.rung));
            self.taken = step.rung.map(|rung| (rung, self.now));
        }
        let steps: Vec<Change> = outcome.steps.iter().map(|step| step.change.clone()).collect();
        self.overrides = self.overrides.with(&steps).with(&outcome.renewals);
        self.events
            .extend(outcome.events.iter().map(|event| event.what.clone()));
    }

    pub(crate) fn follow_kernel(&mut self, traffic: Traffic) {
        let on = self.verify.filter(|verify| verify.is_on(self.now.mono));
        let stays = on.is_some() && traffic.syn >= THRESHOLD / 2.0;
        if traffic.syn >= THRESHOLD || stays {
            self.verify = Some(InVerify {
                since: on.map_or(self.now.mono, |verify| verify.since),
                until: self.now.plus(self.config.verify.hold.duration()).mono,
            });
        }
    }

    pub(crate) fn detect(&mut self, traffic: Traffic) {
        let there = self.elsewhere.map_or(0.0, |there| there.unproven);
        if traffic.syn + there >= THRESHOLD {
            let id = self.ids + 1;
            let (attack, last) = self.attack.get_or_insert_with(|| {
                let attack = Attack {
                    id,
                    subject: Subject::Address(address(ADDRESS)),
                    started: self.now.wall,
                    detected: self.now.wall,
                    last_excess: self.now.wall,
                    ended: None,
                    vectors: BTreeSet::from([AttackVector::Syn]),
                    rungs: BTreeSet::new(),
                    peaks: Peaks::default(),
                    impact_seconds: 0.0,
                    fleet: self.elsewhere,
                };
                (attack, self.now)
            });
            *last = self.now;
            self.ids = attack.id;
            if traffic.beyond_answers {
                attack.impact_seconds += TICK.as_secs_f64();
            }
        }
        let hold = u64::try_from(ATTACK_HOLD.as_nanos()).expect("short");
        let over = |last: Now| self.now.mono.0 - last.mono.0 >= hold;
        self.attack.take_if(|(_, last)| over(*last));
    }

    pub(crate) fn meet_for(&mut self, traffic: Traffic, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.meet(traffic);
        }
    }

    pub(crate) fn force(&mut self, rung: Rung) {
        let origin = self.origin();
        let forced = RungOverride { rung, origin };
        self.overrides.apply(&Change::PutRung(address(ADDRESS), forced));
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin {
            actor: "uid=0 (root)".to_owned(),
            reason: None,
            since: self.now.wall,
            until: None,
        }
    }
}

/// Whatever the sections say, the steps are short: hours in moments.
pub(crate) fn policy(highest: &str, dry_run: &str) -> Config {
    config(&format!(
        "[verify]\nhold = \"5s\"\n[ladder]\nhighest = \"{highest}\"\ndry_run = [{dry_run}]\ncalm = \"20s\"\nhold_max = \"10m\"\nttl = \"40s\"\n\
         [ladder.known]\nafter = \"5s\"\nhold = \"30s\"\n[ladder.blackhole]\nafter = \"10s\"\nhold = \"1m\"\n\
         [ladder.upstream]\nafter = \"10s\"\nhold = \"2m\"\n"
    ))
}
