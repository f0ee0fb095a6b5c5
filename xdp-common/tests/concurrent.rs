//! Several CPUs at one bucket, in every order that the memory model allows (loom): the same functions that the XDP program runs,
//! over a word of loom's.
//!
//! What must hold: no admission is made of nothing. A CPU takes a batch with one compare-and-swap and spends it from its own
//! memory; whatever the others do meanwhile, all that was admitted and all that is held was taken from the word once.

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use xdp_common::{Limit, LocalBucket, cost::CostLimit, word::SharedWord};

const START: u64 = 1 << 40;

/// As the kernel's: every operation relaxed.
struct Word(AtomicU64);

impl SharedWord for Word {
    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn store(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn add(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn replace(&self, seen: u64, next: u64) -> Result<(), u64> {
        let order = Ordering::Relaxed;
        self.0.compare_exchange(seen, next, order, order).map(|_| ())
    }
}

fn limit(interval_ns: u64, burst: u64, batch: u32) -> Limit {
    Limit {
        interval_ns,
        burst_ns: (burst - 1) * interval_ns,
        batch,
        promote_at: u32::MAX,
    }
}

/// So many CPUs with so many packets each at their own instants; what they admitted, and hold.
fn race(limit: Limit, instants: &'static [&'static [u64]]) -> (u64, u64) {
    let word = Arc::new(Word(AtomicU64::new(0)));
    let cpus: Vec<_> = instants
        .iter()
        .map(|packets| {
            let word = Arc::clone(&word);
            thread::spawn(move || {
                let mut local = LocalBucket::default();
                let admitted = packets.iter().filter(|now| local.admit(&*word, &limit, **now)).count();
                (admitted as u64, local.credit)
            })
        })
        .collect();
    let each = cpus.into_iter().map(|cpu| cpu.join().expect("it ends"));
    each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Two CPUs with batches, and three without, at one instant: the burst and not one more, however they meet.
#[test]
fn a_burst_is_spent_once() {
    loom::model(|| {
        let (admitted, held) = race(limit(10, 3, 2), &[&[START, START], &[START, START]]);
        assert!(admitted + held <= 3, "{admitted} admitted, {held} held of 3");
        assert!(admitted >= 2, "somebody gets in");
    });
    loom::model(|| {
        let (admitted, held) = race(limit(10, 2, 1), &[&[START], &[START], &[START]]);
        assert_eq!((admitted, held), (2, 0), "of 2");
    });
}

/// Enough for all: a lost race is tried again, so two CPUs never refuse each other what there is.
#[test]
fn what_is_there_is_given() {
    loom::model(|| {
        let (admitted, held) = race(limit(10, 8, 2), &[&[START, START], &[START, START]]);
        assert_eq!(admitted, 4, "{held} held");
    });
}

/// Clocks that differ by a jiffy: no more than the later of them brings.
#[test]
fn clocks_that_differ_make_nothing() {
    loom::model(|| {
        const LATER: u64 = START + 25;
        let (admitted, held) = race(limit(10, 2, 2), &[&[START, START], &[LATER, LATER, LATER]]);
        assert!(
            admitted + held <= 2 + 2,
            "{admitted} admitted, {held} held: burst 2, and 25 ns bring 2"
        );
    });
}

/// Bytes: two CPUs with a frame each that is larger than what is left. One of them may take more than there is, and then
/// nobody does until that is made good.
#[test]
fn of_the_last_bytes_one_takes_too_much_at_most() {
    loom::model(|| {
        let limit = CostLimit::bits(8_000);
        let word = Arc::new(Word(AtomicU64::new(START + limit.burst_ns - 10_000_000)));
        let cpus: Vec<_> = (0..2)
            .map(|_| {
                let word = Arc::clone(&word);
                thread::spawn(move || {
                    let mut credit = 0;
                    limit.spend(&mut credit, &*word, 1_500, START) == 0
                })
            })
            .collect();
        let admitted = cpus
            .into_iter()
            .map(|cpu| cpu.join().expect("it ends"))
            .filter(|admitted| *admitted);
        assert_eq!(admitted.count(), 1, "of two");
    });
}
