//! What one CPU may do for SYNs that must prove themselves. An answer costs about three times what it costs to look at a
//! SYN and drop it (docs/benchmarks.md): so a look takes one unit, an answer three, and under a flood that is too large
//! the CPU answers the fewer, the more it has to look at. Retransmissions have a share of their own, which no flood of
//! first SYNs can use up.

/// Units that an answer to a first SYN costs, its look included; a look alone costs one.
const ANSWER: i64 = 3;
/// Of so many answers, one may be to a retransmission beyond all others.
const AGAIN: i64 = 4;
/// At most so much time is saved up, ns; but always enough for one answer.
const SAVED_NS: i64 = 20_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// What is left of it, in time: a unit is the time in which the budget brings one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// For SYNs, ns; below zero while looks alone took more than there was.
    pub saved_ns: i64,
    /// For answers to retransmissions, ns.
    pub again_ns: i64,
    /// A unit, ns.
    pub unit_ns: i64,
}

impl Budget {
    /// Adds what `elapsed_ns` brings at `answers_per_s` (0: no bound). Called once a jiffy.
    #[inline(always)]
    pub const fn refill(&mut self, elapsed_ns: u64, answers_per_s: u32) {
        let elapsed_ns = if elapsed_ns < SAVED_NS as u64 {
            elapsed_ns as i64
        } else {
            SAVED_NS
        };
        self.unit_ns = if answers_per_s == 0 {
            0
        } else {
            SECOND_NS / (answers_per_s as i64 * ANSWER)
        };
        self.saved_ns = bounded(self.saved_ns + elapsed_ns, at_least(ANSWER * self.unit_ns));
        self.again_ns = bounded(self.again_ns + elapsed_ns, at_least(AGAIN * ANSWER * self.unit_ns));
    }

    /// Whether a first SYN may be answered now.
    #[inline(always)]
    pub const fn can_answer(&self) -> bool {
        self.saved_ns > 0 || self.unit_ns == 0
    }

    /// Looks at a SYN; true when it may be answered, which is then paid.
    #[inline(always)]
    pub const fn answer(&mut self) -> bool {
        let may = self.can_answer();
        self.saved_ns -= if may { ANSWER * self.unit_ns } else { self.unit_ns };
        may
    }

    /// True when a retransmission may be answered, which is then paid.
    #[inline(always)]
    pub const fn answer_again(&mut self) -> bool {
        let may = self.again_ns > 0 || self.unit_ns == 0;
        if may {
            self.again_ns -= AGAIN * ANSWER * self.unit_ns;
        }
        may
    }

    /// True when little is left for retransmissions: then only the likeliest are looked for.
    #[inline(always)]
    pub const fn is_short(&self) -> bool {
        self.again_ns < SAVED_NS / 4
    }
}

/// What can be saved up, so that it is enough for `ns`.
const fn at_least(ns: i64) -> i64 {
    if ns > SAVED_NS { ns } else { SAVED_NS }
}

/// Between owing and having `most`.
const fn bounded(ns: i64, most: i64) -> i64 {
    if ns > most {
        most
    } else if ns < -most {
        -most
    } else {
        ns
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    const JIFFY: u64 = 4_000_000;

    /// Answers in a second to `syns` first SYNs per second.
    fn answers(answers_per_s: u32, syns: u64) -> u64 {
        let mut budget = Budget::default();
        let mut answers = 0;
        for _ in 0..250 {
            budget.refill(JIFFY, answers_per_s);
            for _ in 0..syns / 250 {
                answers += u64::from(budget.answer());
            }
        }
        answers
    }

    #[test]
    fn within_the_budget_all_are_answered() {
        assert_eq!(answers(1_000_000, 900_000), 900_000);
        assert_eq!(answers(0, 5_000_000), 5_000_000);
    }

    #[test]
    fn the_more_there_is_to_look_at_the_fewer_are_answered() {
        let at_two = answers(1_000_000, 2_000_000);
        assert!((450_000..550_000).contains(&at_two), "{at_two}");
        assert!(answers(1_000_000, 4_000_000) < 10_000);
    }

    #[test]
    fn retransmissions_have_their_own_share() {
        let mut budget = Budget::default();
        let mut again = 0;
        for _ in 0..250 {
            budget.refill(JIFFY, 1_000_000);
            for _ in 0..40_000 {
                budget.answer();
            }
            for _ in 0..10_000 {
                again += u64::from(budget.answer_again());
            }
        }
        assert!((240_000..260_000).contains(&again), "{again}");
    }

    #[test]
    fn a_small_budget_brings_answers_too() {
        // Looks cost, too, so it is fewer than ten.
        let sparse = (0..250u32)
            .scan(Budget::default(), |budget, jiffy| {
                budget.refill(JIFFY, 10);
                Some(jiffy % 10 == 0 && budget.answer())
            })
            .filter(|&answered| answered)
            .count();
        assert!((2..=10).contains(&sparse), "{sparse}");
        let mut budget = Budget::default();
        let again = (0..250)
            .filter(|_| {
                budget.refill(JIFFY, 40);
                budget.answer_again()
            })
            .count();
        assert!((9..=11).contains(&again), "{again}");
    }

    #[test]
    fn an_idle_cpu_saves_little() {
        let mut budget = Budget::default();
        budget.refill(u64::MAX, 1_000_000);
        let answers = (0..1_000_000).filter(|_| budget.answer()).count();
        assert!(answers <= 20_100, "{answers}");
    }
}
