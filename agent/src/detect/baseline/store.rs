//! The baselines of all subjects, and which of them the ledger has not kept yet.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Baseline, Usual};
use crate::detect::{Subject, lesson::Lesson};

/// The baselines of all subjects.
#[derive(Debug, Clone, Default)]
pub struct Baselines {
    by_subject: BTreeMap<Subject, Baseline>,
    changed: BTreeSet<Subject>,
}

impl Baselines {
    /// Those that were kept.
    #[must_use]
    pub fn kept(kept: impl IntoIterator<Item = (Subject, Baseline)>) -> Self {
        Self {
            by_subject: kept.into_iter().collect(),
            changed: BTreeSet::new(),
        }
    }

    /// Takes in lessons.
    pub fn learn(&mut self, lessons: impl IntoIterator<Item = Lesson>) {
        for lesson in lessons {
            if self.by_subject.entry(lesson.subject).or_default().learn(&lesson) {
                self.changed.insert(lesson.subject);
            }
        }
    }

    /// Forgets subjects that are protected no more.
    pub fn retain(&mut self, keep: impl Fn(&Subject) -> bool) {
        self.by_subject.retain(|subject, _| keep(subject));
        self.changed.retain(|subject| keep(subject));
    }

    /// What is usual for a subject at an instant; `None` before it was learned.
    #[must_use]
    pub fn usual(&self, subject: &Subject, at: Timestamp) -> Option<Usual> {
        self.by_subject.get(subject)?.usual(at)
    }

    /// One subject's.
    #[must_use]
    pub fn get(&self, subject: &Subject) -> Option<&Baseline> {
        self.by_subject.get(subject)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &Baseline)> {
        self.by_subject.iter()
    }

    /// Takes out what changed since it was last asked: at most once an hour for each subject. The ledger keeps these.
    pub fn take_changed(&mut self) -> Vec<(Subject, Baseline)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .filter_map(|subject| Some((subject, self.by_subject.get(&subject)?.clone())))
            .collect()
    }
}
