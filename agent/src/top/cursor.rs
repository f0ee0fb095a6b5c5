//! A cursor in a list that is sorted anew each second. It holds to what was picked, not to a line: whatever moves below it, its target
//! stays. Only a window of the list is known here; the agent has the rest.

/// Where the cursor is, and what of the list is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<K> {
    picked: Option<K>,
    /// Number of the first line on the screen, counted from 0 in the whole list.
    top: usize,
    /// The line to be picked as soon as it is known.
    awaited: Option<usize>,
}

/// The part of a list that is known.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a, K> {
    /// Its keys, in order.
    pub keys: &'a [K],
    /// Lines before it.
    pub start: usize,
    /// Lines in all.
    pub total: usize,
    /// Lines on the screen.
    pub page: usize,
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many lines up.
    Up(usize),
    /// So many lines down.
    Down(usize),
    /// To the first line.
    First,
    /// To the last line.
    Last,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self {
            picked: None,
            top: 0,
            awaited: None,
        }
    }
}

impl<K: Copy + PartialEq> Cursor<K> {
    /// What is picked; it may have left the window.
    #[must_use]
    pub const fn picked(&self) -> Option<K> {
        self.picked
    }

    /// The first line on the screen.
    #[must_use]
    pub const fn top(&self) -> usize {
        self.top
    }

    /// Lets go of what is picked, and shows the beginning of the list.
    pub const fn release(&mut self) {
        self.picked = None;
        self.top = 0;
        self.awaited = None;
    }

    /// Picks the first line on the screen, if there is one.
    pub fn pick_first(&mut self, known: Known<'_, K>) -> Option<K> {
        self.picked = known.at(self.top).or_else(|| known.keys.first().copied());
        self.picked
    }

    /// Moves. The first step of a cursor that is nowhere, or whose target is not in sight, picks what is in sight.
    pub fn step(&mut self, step: Step, known: Known<'_, K>) {
        if known.total == 0 {
            return;
        }
        let last = known.total - 1;
        let here = self.awaited.or_else(|| known.find(self.picked?));
        let in_sight = here.filter(|line| (self.top..self.top + known.page.max(1)).contains(line));
        let line = match (step, in_sight) {
            (Step::First, _) => 0,
            (Step::Last, _) => last,
            (Step::Up(_) | Step::Down(_), None) => self.top.min(last),
            (Step::Up(count), Some(line)) => line.saturating_sub(count),
            (Step::Down(count), Some(line)) => (line + count).min(last),
        };
        self.top = self.top.clamp((line + 1).saturating_sub(known.page), line);
        self.awaited = Some(line);
        self.settle(known);
    }

    /// Takes in a list that has changed: what is on the screen stays within it, and a line that was waited for is picked.
    pub fn settle(&mut self, known: Known<'_, K>) {
        self.top = self.top.min(known.total.saturating_sub(known.page));
        let Some(line) = self.awaited.map(|line| line.min(known.total.saturating_sub(1))) else {
            return;
        };
        if let Some(key) = known.at(line) {
            self.picked = Some(key);
            self.awaited = None;
        }
    }
}

impl<K: Copy + PartialEq> Known<'_, K> {
    /// What stands on a line, if that is known.
    #[must_use]
    pub fn at(&self, line: usize) -> Option<K> {
        self.keys.get(line.checked_sub(self.start)?).copied()
    }

    /// On which line something stands, if it is in the window.
    #[must_use]
    pub fn find(&self, key: K) -> Option<usize> {
        let index = self.keys.iter().position(|one| *one == key)?;
        Some(self.start + index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(keys: &[u32]) -> Known<'_, u32> {
        Known {
            keys,
            start: 0,
            total: keys.len(),
            page: 3,
        }
    }

    #[test]
    fn what_is_picked_stays_picked_when_the_list_is_sorted_anew() {
        let mut cursor = Cursor::default();
        cursor.step(Step::Down(1), known(&[1, 2, 3, 4, 5]));
        cursor.step(Step::Down(1), known(&[1, 2, 3, 4, 5]));
        assert_eq!(cursor.picked(), Some(2));
        cursor.settle(known(&[5, 4, 3, 1, 2]));
        assert_eq!(
            (cursor.picked(), cursor.top()),
            (Some(2), 0),
            "it is out of sight, and still the target"
        );
        cursor.settle(known(&[5, 4]));
        assert_eq!(cursor.picked(), Some(2), "it has left the list");
        cursor.step(Step::Down(1), known(&[5, 4]));
        assert_eq!(cursor.picked(), Some(5), "what is in sight comes next");
    }

    #[test]
    fn the_screen_follows_the_cursor() {
        let keys = [1, 2, 3, 4, 5];
        let mut cursor = Cursor::default();
        cursor.step(Step::Last, known(&keys));
        assert_eq!((cursor.picked(), cursor.top()), (Some(5), 2));
        cursor.step(Step::Up(10), known(&keys));
        assert_eq!((cursor.picked(), cursor.top()), (Some(1), 0));
        cursor.step(Step::Down(3), known(&keys));
        assert_eq!((cursor.picked(), cursor.top()), (Some(4), 1));
        cursor.release();
        assert_eq!((cursor.picked(), cursor.top()), (None, 0));
    }

    #[test]
    fn a_line_that_is_not_known_yet_is_picked_when_it_comes() {
        let mut cursor = Cursor::default();
        let window = |start: usize| Known {
            keys: if start == 0 { &[1, 2, 3] } else { &[98, 99, 100] },
            start,
            total: 100,
            page: 3,
        };
        cursor.step(Step::Last, window(0));
        assert_eq!((cursor.picked(), cursor.top()), (None, 97));
        cursor.settle(window(97));
        assert_eq!(cursor.picked(), Some(100));
    }

    proptest! {
        #[test]
        fn no_step_leaves_the_list(steps in prop::collection::vec(0u8..6, 0..40), lengths in prop::collection::vec(0usize..30, 1..10)) {
            let all: Vec<u32> = (0..30).collect();
            let mut cursor = Cursor::default();
            for (index, step) in steps.iter().enumerate() {
                let keys = &all[..lengths[index % lengths.len()]];
                let step = [Step::Up(1), Step::Down(1), Step::Up(7), Step::Down(7), Step::First, Step::Last][usize::from(*step)];
                cursor.settle(known(keys));
                cursor.step(step, known(keys));
                prop_assert!(cursor.top() == 0 || cursor.top() + 3 <= keys.len());
                if !keys.is_empty() {
                    prop_assert!(cursor.picked().is_some_and(|key| keys.contains(&key)));
                }
            }
        }
    }
}
