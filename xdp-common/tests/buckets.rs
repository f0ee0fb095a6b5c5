//! The buckets over a small world, all of it: every order in which a few CPUs with a few packets and pauses can come, for every
//! small limit. What holds for each of them holds because of the arithmetic, which knows no other sizes.
//!
//! What one CPU does to the shared word is one step here; how the steps of several CPUs mix is in `concurrent.rs`.

use std::sync::atomic::AtomicU64;

use xdp_common::{Limit, LocalBucket, cost::CostLimit};

/// An instant far from zero.
const START: u64 = 1 << 40;

/// What may happen next: time passes, or a CPU has a packet.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Packet(usize),
}

/// Every sequence of `len` of these, as the numbers of a counter in as many digits.
fn every(steps: &[Step], len: u32, mut visit: impl FnMut(&[Step])) -> usize {
    let count = steps.len().pow(len);
    for number in 0..count {
        let mut left = number;
        let sequence: Vec<Step> = (0..len)
            .map(|_| {
                let step = steps[left % steps.len()];
                left /= steps.len();
                step
            })
            .collect();
        visit(&sequence);
    }
    count
}

fn limit(interval_ns: u64, burst: u64, batch: u32) -> Limit {
    Limit {
        interval_ns,
        burst_ns: (burst - 1) * interval_ns,
        batch,
        promote_at: u32::MAX,
    }
}

/// The textbook's bucket: `burst` to begin with, one more each interval, never more than `burst`. In units of `1 / interval`.
struct Textbook {
    level: u64,
    at: u64,
}

impl Textbook {
    fn admits(&mut self, limit: &Limit, burst: u64, now: u64) -> bool {
        self.level = (self.level + (now - self.at)).min(burst * limit.interval_ns);
        self.at = now;
        let admits = self.level >= limit.interval_ns;
        if admits {
            self.level -= limit.interval_ns;
        }
        admits
    }
}

/// On one CPU, with batches of one, the bucket is the textbook's: the same answer to every packet of every sequence.
#[test]
fn one_cpu_admits_what_the_textbook_admits() {
    let steps = [Step::Packet(0), Step::Wait(1), Step::Wait(2), Step::Wait(5)];
    let mut sequences = 0;
    for interval in 1..=4 {
        for burst in 1..=3 {
            let limit = limit(interval, burst, 1);
            sequences += every(&steps, 8, |sequence| {
                let (shared, mut local, mut now) = (AtomicU64::new(0), LocalBucket::default(), START);
                let mut textbook = Textbook {
                    level: burst * interval,
                    at: START,
                };
                for step in sequence {
                    match step {
                        Step::Wait(time) => now += time,
                        Step::Packet(_) => assert_eq!(
                            local.admit(&shared, &limit, now),
                            textbook.admits(&limit, burst, now),
                            "{limit:?} at {now}: {sequence:?}"
                        ),
                    }
                }
            });
        }
    }
    println!("{sequences} sequences");
}

/// Several CPUs with batches: up to any instant, all of them together admitted no more than the burst and what the time
/// since the first packet brought. A batch that a CPU still holds is part of that, so nothing is made of nothing.
#[test]
fn all_cpus_together_never_admit_more_than_burst_and_rate() {
    let steps = [
        Step::Packet(0),
        Step::Packet(1),
        Step::Packet(2),
        Step::Wait(1),
        Step::Wait(4),
    ];
    let mut sequences = 0;
    for (interval, burst, batch) in [(1, 1, 1), (1, 3, 2), (2, 2, 2), (3, 4, 3), (3, 1, 1), (2, 6, 4)] {
        let limit = limit(interval, burst, batch);
        sequences += every(&steps, 8, |sequence| {
            let (shared, mut locals, mut now) = (AtomicU64::new(0), [LocalBucket::default(); 3], START);
            let mut admitted = 0;
            for step in sequence {
                match step {
                    Step::Wait(time) => now += time,
                    Step::Packet(cpu) => admitted += u64::from(locals[*cpu].admit(&shared, &limit, now)),
                }
                let held: u64 = locals.iter().map(|local| local.credit).sum();
                let most = burst + (now - START) / interval;
                assert!(
                    admitted + held <= most,
                    "{admitted} admitted and {held} held of {most}: {limit:?}: {sequence:?}"
                );
            }
            let held_by_each = locals.iter().all(|local| local.credit < u64::from(batch));
            assert!(held_by_each, "no CPU holds more than a batch: {locals:?}");
        });
    }
    println!("{sequences} sequences");
}

/// Whatever happened, and whatever another limit left in the word: a bucket that is left alone for as long as it can be ahead
/// admits again, and what a CPU remembers of its being dry is never longer than that.
#[test]
fn no_bucket_stays_shut() {
    for (interval, burst, batch) in [(1, 1, 1), (2, 3, 2), (7, 4, 3), (1_000_000_000, 1, 1)] {
        let limit = limit(interval, burst, batch);
        let furthest = burst * interval + 64 * interval + 20_000_000;
        let lefts = [
            0,
            START - 1,
            START,
            START + 1,
            START + limit.burst_ns,
            START + furthest,
            START + furthest + 1,
        ];
        for left in lefts.into_iter().chain([u64::MAX / 2, u64::MAX]) {
            let (shared, mut local) = (AtomicU64::new(left), LocalBucket::default());
            // Packets without an end, for a while.
            for offset in 0..200 {
                local.admit(&shared, &limit, START + offset);
            }
            let dry = local.dry_until_ns.saturating_sub(START);
            assert!(dry <= furthest + 200, "{limit:?} with {left}: dry for {dry}");
            let later = START + 200 + furthest;
            assert!(local.admit(&shared, &limit, later), "{limit:?} with {left}");
        }
    }
}

/// The instant that a CPU remembers is exact: not before it, and at it.
#[test]
fn a_dry_bucket_admits_at_the_instant_that_it_told() {
    for interval in 1..50 {
        for burst in 1..6 {
            let limit = limit(interval, burst, 1);
            let (shared, mut local) = (AtomicU64::new(0), LocalBucket::default());
            assert!((0..burst).all(|_| local.admit(&shared, &limit, START)));
            assert!(!local.admit(&shared, &limit, START));
            let told = local.dry_until_ns;
            assert_eq!(told, START + interval);
            let mut stranger = LocalBucket::default();
            assert!(
                !stranger.admit(&shared, &limit, told - 1),
                "another CPU, which remembers nothing"
            );
            assert!(local.admit(&shared, &limit, told));
        }
    }
}

/// Every rate and burst that a configuration can name fits the arithmetic: nothing overflows (tests are built to panic then), and
/// the burst passes whole.
#[test]
fn the_ends_of_every_domain_fit() {
    let bursts = [1, 2, 3, 1_000, 99_999_999, 100_000_000];
    for rate in [
        1,
        2,
        3,
        999,
        1_000,
        1_001,
        63_999,
        64_000,
        64_001,
        9_999_999,
        Limit::RATE_MAX,
    ] {
        for burst in bursts {
            let limit = Limit::new(rate, burst);
            assert_eq!(limit.burst(), Some(burst), "rate {rate}");
            assert!((1..=64).contains(&limit.batch) && limit.batch <= burst);
            // A clock of three hundred years, and the first nanosecond.
            for now in [1, START, u64::MAX / 2] {
                let (shared, mut local) = (AtomicU64::new(0), LocalBucket::default());
                let whole = (0..burst.min(5_000)).all(|_| local.admit(&shared, &limit, now));
                assert!(whole, "rate {rate}, burst {burst} at {now}");
            }
        }
    }
}

/// Costs: what was admitted never exceeds what the time brought by more than the burst and one packet of each CPU's last batch
/// (a packet conforms while anything is left).
#[test]
fn costs_are_never_admitted_for_nothing() {
    let steps = [Step::Packet(0), Step::Packet(1), Step::Wait(300), Step::Wait(2_000)];
    // 1,000 bytes last a second at 8 kbit/s; frames of 700 bytes.
    let (limit, cost) = (CostLimit::bits(8_000), 700u32);
    let per_ms = 1;
    let mut sequences = 0;
    sequences += every(&steps, 9, |sequence| {
        let (shared, mut credits, mut now_ms) = (AtomicU64::new(0), [0u32; 2], START / 1_000_000);
        let first = now_ms;
        let mut admitted = 0;
        // The burst is used up first.
        while limit.spend(&mut credits[0], &shared, cost, now_ms * 1_000_000) == 0 {
            admitted += u64::from(cost);
        }
        for step in sequence {
            match step {
                Step::Wait(ms) => now_ms += ms,
                Step::Packet(cpu) => {
                    if limit.spend(&mut credits[*cpu], &shared, cost, now_ms * 1_000_000) == 0 {
                        admitted += u64::from(cost);
                    }
                }
            }
            let held: u64 = credits.iter().map(|credit| u64::from(*credit)).sum();
            let burst = limit.burst_ns / 1_000_000 * per_ms + 1;
            let most = burst + (now_ms - first) * per_ms + u64::from(cost) + 1;
            assert!(admitted + held <= most, "{admitted} and {held} of {most}: {sequence:?}");
        }
    });
    println!("{sequences} sequences");
}
