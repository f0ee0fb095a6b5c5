//! Who sends most while attacks go on: once a second, what the tally says is added to each attack that is open.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use ipnet::IpNet;

use super::Engine;
use crate::{
    clock::Now,
    detect::{Attack, Talker, Talkers},
    ledger::{AttackTalker, AttackTalkers, Ledger},
    tables::MonotonicNs,
};

/// Attacks that are followed at the same time; of a carpet bombing's thousands the first, for all see the same tally.
const ATTACKS: usize = 64;
/// Sources (and prefixes) of each second.
const HEAVIEST: usize = 50;
/// Sources (and prefixes) that are remembered of an attack.
const REMEMBERED: usize = 1_000;
/// Sources (and prefixes) that the ledger keeps of it.
const KEPT: usize = 20;
/// Seconds between two writes.
const EVERY: u32 = 10;
/// A pause that is longer counts as so long: nothing is known of it.
const LONGEST: Duration = Duration::from_secs(5);

/// Who sent what in the attacks that go on.
#[derive(Debug, Default)]
pub(super) struct Who {
    at: Option<MonotonicNs>,
    attacks: BTreeMap<u64, Gathered>,
}

/// Of one attack.
#[derive(Debug, Default)]
struct Gathered {
    sources: HashMap<IpNet, AttackTalker>,
    prefixes: HashMap<IpNet, AttackTalker>,
    turns: u32,
}

impl Gathered {
    /// Goes on with what the ledger has.
    fn known(talkers: AttackTalkers) -> Self {
        let by_prefix = |list: Vec<AttackTalker>| list.into_iter().map(|talker| (talker.prefix, talker)).collect();
        Self {
            sources: by_prefix(talkers.sources),
            prefixes: by_prefix(talkers.prefixes),
            turns: 0,
        }
    }

    fn add(&mut self, talkers: &Talkers, seconds: f64) {
        add(&mut self.sources, &talkers.sources, seconds);
        add(&mut self.prefixes, &talkers.prefixes, seconds);
        self.turns += 1;
    }

    fn heaviest(&self) -> AttackTalkers {
        AttackTalkers {
            sources: heaviest(&self.sources, KEPT),
            prefixes: heaviest(&self.prefixes, KEPT),
        }
    }
}

impl Who {
    /// Adds what the tally says now to the attacks that go on, and gives what is to be written.
    fn next(&mut self, open: &[&Attack], talkers: &Talkers, now: Now, ledger: &Ledger) -> Vec<(u64, AttackTalkers)> {
        let since = self.at.replace(now.mono).unwrap_or(now.mono);
        let passed = Duration::from_nanos(now.mono.0.saturating_sub(since.0)).min(LONGEST);
        let mut write = Vec::new();
        let over: Vec<u64> = self
            .attacks
            .keys()
            .copied()
            .filter(|id| open.iter().all(|attack| attack.id != *id))
            .collect();
        for id in over {
            write.extend(self.attacks.remove(&id).map(|gathered| (id, gathered.heaviest())));
        }
        for attack in open {
            let room = self.attacks.len() < ATTACKS;
            let gathered = match self.attacks.entry(attack.id) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) if room => {
                    entry.insert(Gathered::known(kept(ledger, attack.id)))
                }
                std::collections::btree_map::Entry::Vacant(_) => continue,
            };
            gathered.add(talkers, passed.as_secs_f64());
            if gathered.turns.is_multiple_of(EVERY) {
                write.push((attack.id, gathered.heaviest()));
            }
        }
        write
    }
}

/// What an earlier agent wrote of an attack that goes on. One that has just begun has nothing.
fn kept(ledger: &Ledger, attack: u64) -> AttackTalkers {
    if !ledger.is_earlier(attack) {
        return AttackTalkers::default();
    }
    let known = ledger.history().ask_now(move |reader| reader.talkers(attack));
    known.unwrap_or_else(|error| {
        tracing::warn!("{error}");
        AttackTalkers::default()
    })
}

fn add(known: &mut HashMap<IpNet, AttackTalker>, talkers: &[Talker], seconds: f64) {
    for talker in talkers.iter().take(HEAVIEST) {
        let sum = known.entry(talker.prefix).or_insert(AttackTalker {
            prefix: talker.prefix,
            packets: 0.0,
            syns: 0.0,
            drops: 0.0,
            peak_pps: 0.0,
        });
        sum.packets += talker.rates.packets_pps * seconds;
        sum.syns += talker.rates.syn_pps * seconds;
        sum.drops += talker.rates.drop_pps * seconds;
        sum.peak_pps = sum.peak_pps.max(talker.rates.packets_pps);
    }
    if known.len() > REMEMBERED {
        *known = heaviest(known, REMEMBERED / 2)
            .into_iter()
            .map(|talker| (talker.prefix, talker))
            .collect();
    }
}

fn heaviest(known: &HashMap<IpNet, AttackTalker>, at_most: usize) -> Vec<AttackTalker> {
    let mut all: Vec<AttackTalker> = known.values().copied().collect();
    all.sort_by(|a, b| b.packets.total_cmp(&a.packets).then(a.prefix.cmp(&b.prefix)));
    all.truncate(at_most);
    all
}

impl Engine {
    /// Once a second: has the ledger keep who sends most in the attacks that go on.
    pub(super) fn keep_who(&mut self, now: Now) {
        let attacks = self.detecting.attacks().iter();
        let open: Vec<&Attack> = attacks.filter(|attack| attack.ended.is_none()).collect();
        for (attack, talkers) in self.who.next(&open, &self.talkers, now, &self.ledger) {
            self.ledger.put_talkers(attack, &talkers);
        }
    }
}
