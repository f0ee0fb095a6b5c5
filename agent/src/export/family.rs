//! What a metric family is: its name, its labels, what it says, and a question that it answers. The exporter writes families and
//! `docs/metrics.md` describes them from the same constants, so that neither can say something that the other does not.

/// How its values move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the maps are made anew (then it begins again at 0).
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Kind {
    /// The word for it in the exposition.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A family, whatever number of labels it has.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// Its name without the `_total` of a counter.
    pub name: &'static str,
    /// How its values move.
    pub kind: Kind,
    /// What is counted or measured.
    pub unit: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
    /// A question that it answers ..
    pub question: &'static str,
    /// .. and how it is put in PromQL.
    pub promql: &'static str,
}

impl Description {
    /// The name of its samples.
    #[must_use]
    pub fn sample(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge => self.name.to_owned(),
        }
    }

    /// The unit that OpenMetrics knows of it: one that its name ends with, with what comes before.
    pub(super) fn base_and_unit(&self) -> Option<(&'static str, &'static str)> {
        let base = self.name.strip_suffix(self.unit)?.strip_suffix('_')?;
        Some((base, self.unit))
    }
}

/// A family with so many labels: who writes it cannot give too few or too many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family<const LABELS: usize>(pub(super) Description);

/// Families that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What is to be known of all of them.
    pub about: &'static str,
    /// Each of them.
    pub families: &'static [&'static Description],
}

/// Makes constants of families, and the section that lists all of them.
macro_rules! section {
    ($section:ident, $title:literal, $about:literal: $(
        $name:ident = $kind:ident $metric:literal $unit:literal [$($label:literal),*] $help:literal, $question:literal => $promql:literal;
    )+) => {
        $(pub(in crate::export) const $name: $crate::export::family::Family<{
            let labels: &[&str] = &[$($label),*];
            labels.len()
        }> = $crate::export::family::Family($crate::export::family::Description {
            name: $metric,
            kind: $crate::export::family::Kind::$kind,
            unit: $unit,
            labels: &[$($label),*],
            help: $help,
            question: $question,
            promql: $promql,
        });)+
        pub(super) const $section: $crate::export::family::Section = $crate::export::family::Section {
            title: $title,
            about: $about,
            families: &[$(&$name.0),+],
        };
    };
}

pub(super) use section;
