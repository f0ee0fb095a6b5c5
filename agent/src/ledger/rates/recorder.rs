//! Ticks become minutes for everybody, and seconds for whoever is attacked. Pure: it is told what was seen and when.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::{Interval, RatePeaks, RateRow, SecondRow, Seconds, numbers::MEANS};
use crate::detect::{Attack, HostObservation, Observation, Rates, Standing, Subject, Tick};

/// A second is over once so much of it was observed: ticks do not come on the dot.
const SECOND: f64 = 0.95;
/// Seconds before an attack that are kept, and after it.
const AROUND: usize = 30;
/// Seconds of an attack in one row.
const TOGETHER: usize = 10;
/// Subjects whose seconds are kept at the same time; of a carpet bombing's thousands the first.
const WATCHED: usize = 64;

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ledger) enum Recorded {
    /// An interval is over.
    Interval(Interval),
    /// Seconds of somebody who is attacked.
    Seconds(Seconds),
}

/// Sums of one subject.
#[derive(Debug, Clone, Copy)]
struct Sum {
    events: [f64; MEANS],
    peaks: RatePeaks,
    standing: Standing,
}

/// What was observed of one second.
#[derive(Debug, Clone)]
struct Second {
    from: Timestamp,
    /// By place in `Recorder::subjects`; only those with traffic.
    rows: Vec<(u32, [f32; MEANS], Standing)>,
}

/// Sums over an interval.
#[derive(Debug, Default)]
struct Sums {
    from: Option<Timestamp>,
    seconds: f64,
    host: HostSums,
    subjects: Vec<Option<Sum>>,
}

/// Sums of the host's, weighted by time.
#[derive(Debug, Clone, Copy, Default)]
struct HostSums {
    receive_drops: f64,
    softirq: f64,
    distinct: f64,
    distinct_seconds: f64,
    concentration: f64,
}

/// Whose seconds are kept.
#[derive(Debug, Default)]
struct Watched {
    /// Attacks that go on.
    attacks: usize,
    /// Seconds that are still kept after the last one.
    left: usize,
    rows: Vec<SecondRow>,
}

/// Records ticks.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Recorder {
    subjects: Vec<Subject>,
    second: Sums,
    minute: Sums,
    before: VecDeque<Second>,
    watched: BTreeMap<Subject, Watched>,
    /// Attacks that are known to go on.
    open: BTreeMap<u64, Subject>,
    out: Vec<Recorded>,
}

impl Recorder {
    /// Takes in a tick; gives what is to be written now.
    pub(in crate::ledger) fn take(&mut self, tick: &Tick) -> Vec<Recorded> {
        let same = self.subjects.len() == tick.subjects.len()
            && self
                .subjects
                .iter()
                .zip(&tick.subjects)
                .all(|(known, seen)| *known == seen.subject);
        if !same {
            self.end_second();
            self.end_minute();
            self.before.clear();
            self.subjects = tick.subjects.iter().map(|seen| seen.subject).collect();
        }
        // A negative or absurd length says nothing.
        if !(tick.seconds > 0.0 && tick.seconds.is_finite()) {
            return std::mem::take(&mut self.out);
        }
        self.second.add_tick(tick);
        if self.second.seconds >= SECOND {
            self.end_second();
            let minute = |at: Timestamp| at.as_second().div_euclid(60);
            if self
                .minute
                .from
                .is_some_and(|from| minute(from) != minute(tick.at.wall))
            {
                self.end_minute();
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Takes note of an attack that began, changed or ended: its subject's seconds are kept as long as it goes on.
    pub(in crate::ledger) fn attack(&mut self, attack: &Attack) {
        let subject = attack.subject;
        if attack.ended.is_none() {
            if self.open.contains_key(&attack.id) {
                return;
            }
            let room = self.watched.len() < WATCHED || self.watched.contains_key(&subject);
            if room {
                self.open.insert(attack.id, subject);
                self.watch(subject);
            }
        } else if self.open.remove(&attack.id).is_some()
            && let Some(watched) = self.watched.get_mut(&subject)
        {
            watched.attacks = watched.attacks.saturating_sub(1);
            watched.left = AROUND;
        }
    }

    /// What is there so far: before the agent stops.
    pub(in crate::ledger) fn end(&mut self) -> Vec<Recorded> {
        self.end_second();
        self.end_minute();
        for (subject, watched) in std::mem::take(&mut self.watched) {
            self.out.extend(seconds(subject, watched.rows));
        }
        self.open.clear();
        std::mem::take(&mut self.out)
    }

    fn watch(&mut self, subject: Subject) {
        let place = self.subjects.iter().position(|known| *known == subject);
        let before = &self.before;
        let watched = self.watched.entry(subject).or_insert_with(|| Watched {
            rows: place.map(|place| look_back(before, place)).unwrap_or_default(),
            ..Watched::default()
        });
        watched.attacks += 1;
        self.out.extend(seconds(subject, std::mem::take(&mut watched.rows)));
    }

    /// Gives the second to the minute, and to those who are watched.
    fn end_second(&mut self) {
        let second = std::mem::take(&mut self.second);
        let Some(from) = second.from.filter(|_| second.seconds > 0.0) else {
            return;
        };
        self.minute.add_second(from, &second);
        let mut kept = Second { from, rows: Vec::new() };
        for (place, sum) in (0_u32..).zip(&second.subjects) {
            if let Some(sum) = sum {
                kept.rows
                    .push((place, single(&sum.means(second.seconds)), sum.standing));
            }
        }
        for (subject, watched) in &mut self.watched {
            let place = self.subjects.iter().position(|known| known == subject);
            watched.rows.extend(place.and_then(|place| row_of(&kept, place)));
            if watched.attacks == 0 {
                watched.left = watched.left.saturating_sub(1);
            }
            if watched.rows.len() >= TOGETHER || watched.attacks == 0 && watched.left == 0 {
                self.out.extend(seconds(*subject, std::mem::take(&mut watched.rows)));
            }
        }
        self.watched
            .retain(|_, watched| watched.attacks > 0 || watched.left > 0);
        self.before.push_back(kept);
        if self.before.len() > AROUND {
            self.before.pop_front();
        }
    }

    fn end_minute(&mut self) {
        let minute = std::mem::take(&mut self.minute);
        let Some(from) = minute.from else { return };
        let rows = self.subjects.iter().zip(&minute.subjects).filter_map(|(subject, sum)| {
            let sum = sum.as_ref()?;
            Some(RateRow {
                subject: *subject,
                rates: Rates::of_numbers(&sum.means(minute.seconds)),
                peaks: sum.peaks,
                standing: sum.standing,
            })
        });
        self.out.push(Recorded::Interval(Interval {
            from,
            seconds: minute.seconds,
            host: minute.host.mean(minute.seconds),
            rows: rows.collect(),
        }));
    }
}

impl Sums {
    fn add_tick(&mut self, tick: &Tick) {
        if self.from.is_none() {
            let length = std::time::Duration::try_from_secs_f64(tick.seconds).unwrap_or_default();
            self.from = Some(tick.at.wall.checked_sub(length).unwrap_or(tick.at.wall));
            self.subjects = vec![None; tick.subjects.len()];
        }
        self.seconds += tick.seconds;
        self.host.add(&tick.host, tick.seconds);
        for (sum, seen) in self.subjects.iter_mut().zip(&tick.subjects) {
            if sum.is_none() && is_idle(seen) {
                continue;
            }
            let sum = sum.get_or_insert_with(|| Sum::new(seen.standing));
            sum.hold(&seen.standing);
            for (events, rate) in sum.events.iter_mut().zip(seen.rates.numbers()) {
                *events += if rate.is_finite() { rate * tick.seconds } else { 0.0 };
            }
        }
    }

    fn add_second(&mut self, from: Timestamp, second: &Self) {
        self.from.get_or_insert(from);
        self.subjects.resize(second.subjects.len(), None);
        self.seconds += second.seconds;
        self.host.add_sums(&second.host);
        for (sum, more) in self.subjects.iter_mut().zip(&second.subjects) {
            let Some(more) = more else { continue };
            let sum = sum.get_or_insert_with(|| Sum::new(more.standing));
            sum.hold(&more.standing);
            for (events, more) in sum.events.iter_mut().zip(more.events) {
                *events += more;
            }
            let rates = Rates::of_numbers(&more.means(second.seconds));
            sum.peaks.syn = sum.peaks.syn.max(rates.syn);
            sum.peaks.unproven = sum.peaks.unproven.max(rates.unproven());
            sum.peaks.packets = sum.peaks.packets.max(rates.total());
        }
    }
}

impl Sum {
    fn new(standing: Standing) -> Self {
        Self {
            events: [0.0; MEANS],
            peaks: RatePeaks::default(),
            standing: Standing {
                excess: false,
                ..standing
            },
        }
    }

    /// The highest rung, an excess at any time, the rest as it is at the end.
    fn hold(&mut self, standing: &Standing) {
        self.standing = Standing {
            excess: self.standing.excess || standing.excess,
            rung: self.standing.rung.max(standing.rung),
            ..*standing
        };
    }

    fn means(&self, seconds: f64) -> [f64; MEANS] {
        self.events
            .map(|events| if seconds > 0.0 { events / seconds } else { 0.0 })
    }
}

impl HostSums {
    fn add(&mut self, host: &HostObservation, seconds: f64) {
        self.receive_drops += host.receive_drops * seconds;
        self.softirq += host.softirq * seconds;
        self.concentration += host.concentration * seconds;
        if let Some(distinct) = host.distinct_sources {
            self.distinct += distinct * seconds;
            self.distinct_seconds += seconds;
        }
    }

    fn add_sums(&mut self, more: &Self) {
        self.receive_drops += more.receive_drops;
        self.softirq += more.softirq;
        self.concentration += more.concentration;
        self.distinct += more.distinct;
        self.distinct_seconds += more.distinct_seconds;
    }

    fn mean(&self, seconds: f64) -> HostObservation {
        HostObservation {
            receive_drops: self.receive_drops / seconds,
            softirq: self.softirq / seconds,
            distinct_sources: (self.distinct_seconds > 0.0).then(|| self.distinct / self.distinct_seconds),
            concentration: self.concentration / seconds,
        }
    }
}

/// Nothing came to it and went from it.
fn is_idle(seen: &Observation) -> bool {
    seen.rates.numbers().iter().all(|rate| *rate == 0.0)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seven digits are enough, and half the memory"
)]
fn single(means: &[f64; MEANS]) -> [f32; MEANS] {
    means.map(|mean| mean as f32)
}

/// A subject in a second; `None` if it had no traffic.
fn row_of(second: &Second, place: usize) -> Option<SecondRow> {
    let place = u32::try_from(place).ok()?;
    let index = second.rows.binary_search_by_key(&place, |(place, ..)| *place).ok()?;
    let (_, means, standing) = &second.rows[index];
    Some(SecondRow {
        from: second.from,
        rates: Rates::of_numbers(&means.map(f64::from)),
        standing: *standing,
    })
}

fn look_back(before: &VecDeque<Second>, place: usize) -> Vec<SecondRow> {
    before.iter().filter_map(|second| row_of(second, place)).collect()
}

fn seconds(subject: Subject, rows: Vec<SecondRow>) -> Option<Recorded> {
    (!rows.is_empty()).then_some(Recorded::Seconds(Seconds { subject, rows }))
}
