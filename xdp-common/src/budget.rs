//! What one CPU may do for SYNs that must prove themselves. An answer costs about three times what it costs to look at a
//! SYN and drop it (docs/benchmarks.md): so a look takes one unit, an answer three, and under a flood that is too large
//! the CPU answers the fewer, the more it has to look at. Retransmissions have a share of their own, which no flood of
//! first SYNs can use up.

/// Units that an answer costs beside the look.
const ANSWER: u64 = 2;
/// Units of an answer to a SYN, its look included.
const UNITS: u64 = 1 + ANSWER;
/// Of so many answers, one may be to a retransmission beyond all others.
const AGAIN: u64 = 4;
/// At most so much time's worth is saved up, ns.
const SAVED_NS: u64 = 20_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// What is left of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Units; below zero while looks alone took more than there was.
    pub units: i64,
    /// Answers to retransmissions.
    pub again: u64,
}

impl Budget {
    /// Adds what `elapsed_ns` brings at `answers_per_s` (0: no bound). Called once a jiffy.
    #[inline(always)]
    pub const fn refill(&mut self, elapsed_ns: u64, answers_per_s: u32) {
        let elapsed_ns = if elapsed_ns < SAVED_NS { elapsed_ns } else { SAVED_NS };
        let rate = if answers_per_s == 0 { u32::MAX } else { answers_per_s } as u64;
        let most = rate * SAVED_NS / SECOND_NS + 1;
        let added = rate * elapsed_ns / SECOND_NS;
        let units = self.units + (added * UNITS) as i64;
        let units_most = (most * UNITS) as i64;
        let again = self.again + added / AGAIN + 1;
        // What was looked at beyond the budget is owed, up to what can be saved.
        self.units = if units < -units_most {
            -units_most
        } else if units > units_most {
            units_most
        } else {
            units
        };
        self.again = if again < most { again } else { most };
    }

    /// Looks at a SYN; true when it may be answered, which is then paid.
    #[inline(always)]
    pub const fn answer(&mut self) -> bool {
        let may = self.units > 0;
        self.units -= if may { UNITS as i64 } else { 1 };
        may
    }

    /// True when a retransmission may be answered, which is then paid.
    #[inline(always)]
    pub const fn answer_again(&mut self) -> bool {
        let may = self.again > 0;
        self.again -= may as u64;
        may
    }

    /// True when little is left for retransmissions: then only the likeliest are looked for.
    #[inline(always)]
    pub const fn is_short(&self, answers_per_s: u32) -> bool {
        self.again < answers_per_s as u64 * (SAVED_NS / AGAIN) / SECOND_NS
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
    fn an_idle_cpu_saves_little() {
        let mut budget = Budget::default();
        budget.refill(u64::MAX, 1_000_000);
        let answers = (0..1_000_000).filter(|_| budget.answer()).count();
        assert!(answers <= 20_001, "{answers}");
    }
}
