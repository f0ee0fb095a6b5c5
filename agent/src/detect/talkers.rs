//! Who talks most to protected addresses: rates of sources and prefixes over the last seconds, from readings of the
//! tally.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use ipnet::IpNet;

use crate::{
    clock::Now,
    tables::MonotonicNs,
    traffic::{Tallied, TallyReading, Traffic},
};

/// Rates are over so long.
pub const SPAN: Duration = Duration::from_secs(10);
/// Sources (and prefixes) that are kept of each reading, and told at most: the heaviest.
pub const AT_MOST: usize = 1_000;
/// The program reads the clock once a jiffy, which is 10 ms at most.
const CLOCK_SKEW_NS: u64 = 20_000_000;

/// Traffic per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TrafficRates {
    /// Packets per second.
    pub packets_pps: f64,
    /// Bits of their frames per second.
    pub bits_per_s: f64,
    /// SYNs per second.
    pub syn_pps: f64,
    /// Packets per second whose verdict is drop.
    pub drop_pps: f64,
}

/// One source or prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct Talker {
    /// Who.
    pub prefix: IpNet,
    /// How much.
    pub rates: TrafficRates,
    /// Of all packets to protected addresses, 0 to 1.
    pub share: f64,
    /// Since when it is recorded without a break.
    pub since: MonotonicNs,
    /// When a packet of it was last looked at.
    pub last: MonotonicNs,
}

/// What the readings of the last seconds say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Talkers {
    /// Seconds that the rates are over; 0 before the second reading.
    pub seconds: f64,
    /// All traffic to protected addresses.
    pub total: TrafficRates,
    /// Heaviest sources, heaviest first.
    pub sources: Vec<Talker>,
    /// Heaviest prefixes, heaviest first.
    pub prefixes: Vec<Talker>,
    /// Different sources within a second; `None` before it was counted.
    pub distinct_sources: Option<f64>,
}

impl Talkers {
    /// The share of all packets that the heaviest `count` sources have together, 0 to 1.
    #[must_use]
    pub fn concentration(&self, count: usize) -> f64 {
        let shares = self.sources.iter().take(count).map(|talker| talker.share);
        // The sum of nothing is -0 by `sum`, and JSON would say so.
        shares.fold(0.0, |sum: f64, share| sum + share).min(1.0)
    }
}

/// The readings of the last seconds.
#[derive(Debug, Default)]
pub struct Tally {
    at: Option<MonotonicNs>,
    totals: Vec<Traffic>,
    sources: Records,
    prefixes: Records,
    spans: VecDeque<Span>,
}

/// Records at the reading before, by CPU and key: when they began, what they had counted.
type Records = HashMap<(usize, IpNet), (MonotonicNs, Traffic)>;

/// What came between two readings.
#[derive(Debug)]
struct Span {
    seconds: f64,
    total: Traffic,
    sources: Vec<Heard>,
    prefixes: Vec<Heard>,
}

/// Of one key.
#[derive(Debug, Clone, Copy)]
struct Heard {
    prefix: IpNet,
    traffic: Traffic,
    since: MonotonicNs,
    last: MonotonicNs,
}

impl Tally {
    /// Takes in the next reading, and tells the rates over the last [`SPAN`].
    pub fn next(&mut self, reading: &TallyReading, now: Now) -> Talkers {
        if let Some(before) = self.at.filter(|before| now.mono > *before) {
            let seconds = Duration::from_nanos(now.mono.0 - before.0).as_secs_f64();
            let mut total = Traffic::default();
            for (now, then) in reading.totals.iter().zip(&self.totals) {
                total.add(now.since(*then));
            }
            self.spans.push_back(Span {
                seconds,
                total,
                sources: heard(&reading.sources, &self.sources, before),
                prefixes: heard(&reading.prefixes, &self.prefixes, before),
            });
            while self.spans.len() > 1 && self.seconds() > SPAN.as_secs_f64() + seconds / 2.0 {
                self.spans.pop_front();
            }
        }
        self.at = Some(now.mono);
        self.totals.clone_from(&reading.totals);
        self.sources = records(&reading.sources);
        self.prefixes = records(&reading.prefixes);
        self.talkers(reading.distinct_sources)
    }

    fn seconds(&self) -> f64 {
        self.spans.iter().map(|span| span.seconds).sum()
    }

    fn talkers(&self, distinct_sources: Option<f64>) -> Talkers {
        let seconds = self.seconds();
        let mut total = Traffic::default();
        for span in &self.spans {
            total.add(span.total);
        }
        let talkers = |of: fn(&Span) -> &Vec<Heard>| top(self.spans.iter().flat_map(of), total, seconds);
        Talkers {
            seconds,
            total: rates(total, seconds),
            sources: talkers(|span| &span.sources),
            prefixes: talkers(|span| &span.prefixes),
            distinct_sources,
        }
    }
}

fn records(tallied: &[Tallied]) -> Records {
    tallied
        .iter()
        .map(|record| ((record.cpu, record.prefix), (record.since, record.traffic)))
        .collect()
}

/// What each key sent since the reading before, all CPUs together; the heaviest.
fn heard(tallied: &[Tallied], before: &Records, read: MonotonicNs) -> Vec<Heard> {
    let news = tallied.iter().filter_map(|record| {
        let traffic = match before.get(&(record.cpu, record.prefix)) {
            Some((since, then)) if *since == record.since => record.traffic.since(*then),
            // It began after that reading, and counts as a whole.
            _ if record.since.0 + CLOCK_SKEW_NS >= read.0 => record.traffic,
            _ => return None,
        };
        (traffic.packets > 0).then_some(Heard {
            prefix: record.prefix,
            traffic,
            since: record.since,
            last: record.last,
        })
    });
    let mut sums: Vec<Heard> = summed(news, |heard| heard.prefix, add).into_values().collect();
    sums.sort_unstable_by_key(|heard| std::cmp::Reverse(heard.traffic.packets));
    sums.truncate(AT_MOST);
    sums
}

fn summed<T, K: Eq + Hash>(items: impl Iterator<Item = T>, key: fn(&T) -> K, add: fn(&mut T, T)) -> HashMap<K, T> {
    let mut sums = HashMap::new();
    for item in items {
        match sums.entry(key(&item)) {
            std::collections::hash_map::Entry::Occupied(mut sum) => add(sum.get_mut(), item),
            std::collections::hash_map::Entry::Vacant(place) => drop(place.insert(item)),
        }
    }
    sums
}

fn add(sum: &mut Heard, more: Heard) {
    sum.traffic.add(more.traffic);
    sum.since = sum.since.min(more.since);
    sum.last = sum.last.max(more.last);
}

/// The heaviest keys of some spans, which took so many seconds together.
#[expect(clippy::cast_precision_loss, reason = "a share for people: 53 bits are plenty")]
fn top<'a>(heard: impl Iterator<Item = &'a Heard>, total: Traffic, seconds: f64) -> Vec<Talker> {
    let sums = summed(heard.copied(), |heard| heard.prefix, add);
    let mut talkers: Vec<Talker> = sums
        .into_values()
        .map(|sum| Talker {
            prefix: sum.prefix,
            rates: rates(sum.traffic, seconds),
            share: (sum.traffic.packets as f64 / total.packets.max(1) as f64).min(1.0),
            since: sum.since,
            last: sum.last,
        })
        .collect();
    // Equal rates go by address, so that the order does not change by itself.
    talkers.sort_unstable_by(|a, b| {
        let rate = |talker: &Talker| talker.rates.packets_pps;
        rate(b).total_cmp(&rate(a)).then_with(|| a.prefix.cmp(&b.prefix))
    });
    talkers.truncate(AT_MOST);
    talkers
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people: 53 bits are plenty")]
fn rates(traffic: Traffic, seconds: f64) -> TrafficRates {
    if seconds <= 0.0 {
        return TrafficRates::default();
    }
    let per_second = |events: u64| events as f64 / seconds;
    TrafficRates {
        packets_pps: per_second(traffic.packets),
        bits_per_s: 8.0 * per_second(traffic.bytes),
        syn_pps: per_second(traffic.syns),
        drop_pps: per_second(traffic.drops),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Now {
        Now {
            wall: Timestamp::UNIX_EPOCH,
            mono: MonotonicNs(seconds * SECOND),
        }
    }

    fn traffic(packets: u64) -> Traffic {
        Traffic {
            packets,
            bytes: packets * 100,
            syns: packets / 2,
            drops: 0,
        }
    }

    fn record(cpu: usize, prefix: &str, packets: u64, since: u64) -> Tallied {
        Tallied {
            cpu,
            prefix: prefix.parse().expect("prefix"),
            traffic: traffic(packets),
            since: MonotonicNs(since * SECOND),
            last: MonotonicNs(since * SECOND),
        }
    }

    fn reading(totals: &[u64], sources: Vec<Tallied>) -> TallyReading {
        TallyReading {
            totals: totals.iter().map(|packets| traffic(*packets)).collect(),
            sources,
            ..TallyReading::default()
        }
    }

    #[test]
    fn rates_are_of_what_came_between_readings_on_all_cpus() {
        let mut tally = Tally::default();
        let before = [record(0, "192.0.2.1/32", 1_000, 50), record(1, "192.0.2.1/32", 50, 50)];
        let first = tally.next(&reading(&[5_000, 500], before.to_vec()), at(100));
        assert_eq!(first, Talkers::default(), "one reading has no rates");
        let after = vec![record(0, "192.0.2.1/32", 1_300, 50), record(1, "192.0.2.1/32", 150, 50)];
        let second = tally.next(&reading(&[5_700, 600], after), at(102));
        let [talker] = &second.sources[..] else {
            panic!("{second:?}")
        };
        assert!((talker.rates.packets_pps - 200.0).abs() < 1e-6, "{talker:?}");
        assert!((talker.rates.bits_per_s - 160_000.0).abs() < 1e-6, "{talker:?}");
        assert!((talker.share - 0.5).abs() < 1e-6, "{talker:?}");
        assert!((second.total.packets_pps - 400.0).abs() < 1e-6, "{second:?}");
        assert!((second.concentration(10) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_record_that_began_anew_counts_from_its_beginning() {
        let mut tally = Tally::default();
        tally.next(&reading(&[0], vec![record(0, "192.0.2.1/32", 1_000, 50)]), at(100));
        let again = vec![
            record(0, "192.0.2.1/32", 70, 101),
            record(0, "192.0.2.2/32", 30, 101),
            // Was not there before, but began before: nobody knows how much of it is new.
            record(0, "192.0.2.3/32", 9_000, 60),
        ];
        let talkers = tally.next(&reading(&[200], again), at(102)).sources;
        let rates: Vec<_> = talkers.iter().map(|talker| talker.rates.packets_pps).collect();
        assert_eq!(rates, [35.0, 15.0]);
    }

    #[test]
    fn counters_may_go_past_their_end() {
        let mut tally = Tally::default();
        let mut source = record(0, "192.0.2.1/32", 0, 50);
        source.traffic.bytes = u64::MAX - 99;
        source.traffic.packets = u64::MAX;
        let mut first = reading(&[0], vec![source]);
        first.totals[0].packets = u64::MAX;
        tally.next(&first, at(100));
        source.traffic.bytes = 100;
        source.traffic.packets = 1;
        let mut second = reading(&[0], vec![source]);
        second.totals[0].packets = 1;
        let talkers = tally.next(&second, at(101));
        assert!((talkers.sources[0].rates.bits_per_s - 1_600.0).abs() < 1e-6);
        assert!((talkers.total.packets_pps - 2.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_longer_ago_than_the_span_is_forgotten() {
        let mut tally = Tally::default();
        tally.next(&reading(&[0], vec![]), at(100));
        tally.next(&reading(&[1_000], vec![record(0, "192.0.2.1/32", 1_000, 100)]), at(101));
        for second in 102..=110 {
            tally.next(
                &reading(&[1_000], vec![record(0, "192.0.2.1/32", 1_000, 100)]),
                at(second),
            );
        }
        let talkers = tally.next(&reading(&[1_000], vec![]), at(111));
        assert!(
            talkers.sources.is_empty() && talkers.total.packets_pps < 1e-6,
            "{talkers:?}"
        );
        assert!((talkers.seconds - 10.0).abs() < 1e-6);
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        let mut tally = Tally::default();
        let source = |n: u32| Tallied {
            prefix: IpNet::new(std::net::Ipv4Addr::from(n).into(), 32).expect("prefix"),
            ..record(0, "192.0.2.1/32", u64::from(n), 100)
        };
        tally.next(&reading(&[0], vec![]), at(100));
        let many = (1..=3_000).map(source).collect();
        let talkers = tally.next(&reading(&[10_000_000], many), at(101));
        assert_eq!(talkers.sources.len(), AT_MOST);
        assert!(
            (talkers.sources[0].rates.packets_pps - 3_000.0).abs() < 1e-6,
            "the heaviest stay"
        );
    }
}
