//! One measured figure, and all of them.

use serde::Serialize;

use super::{customers::Matrix, machine::Machine};

/// What is asked of a figure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// The ratio to the baseline is at most this.
    RatioAtMost(f64),
    /// The ratio to the baseline is at least this.
    RatioAtLeast(f64),
    /// The value is at most this.
    AtMost(f64),
    /// The value is at least this.
    AtLeast(f64),
    /// Nothing: the figure is there to compare others with.
    Orientation,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name, for `--only`.
    pub name: String,
    /// What was measured.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it is compared with, measured in the same run.
    pub baseline: Option<f64>,
    /// Value by baseline.
    pub ratio: Option<f64>,
    /// What it should be; `orientation` if it is there to compare others with.
    pub target: String,
    /// Whether it is.
    pub met: bool,
}

/// Everything that was measured, and where.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// The machine.
    pub machine: Machine,
    /// The figures.
    pub results: Vec<Row>,
    /// What customers met, defence by defence; none if no row of it was asked for.
    pub customers: Option<Matrix>,
}

impl Row {
    /// A figure with a baseline.
    pub(super) fn compared(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        baseline: f64,
        target: Target,
    ) -> Self {
        let ratio = value / baseline;
        Self {
            name: name.into(),
            value,
            unit,
            baseline: Some(baseline),
            ratio: Some(ratio),
            target: target.text(unit),
            met: target.met(value, ratio),
        }
    }

    /// A figure by itself.
    pub(super) fn absolute(name: impl Into<String>, value: f64, unit: &'static str, target: Target) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            baseline: None,
            ratio: None,
            target: target.text(unit),
            met: target.met(value, f64::NAN),
        }
    }
}

impl Target {
    fn text(self, unit: &str) -> String {
        match self {
            Self::RatioAtMost(most) => format!("ratio <= {most}"),
            Self::RatioAtLeast(least) => format!("ratio >= {least}"),
            Self::AtMost(most) => format!("<= {most} {unit}"),
            Self::AtLeast(least) => format!(">= {least} {unit}"),
            Self::Orientation => "orientation".to_owned(),
        }
    }

    fn met(self, value: f64, ratio: f64) -> bool {
        match self {
            Self::RatioAtMost(most) => ratio <= most,
            Self::RatioAtLeast(least) => ratio >= least,
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Orientation => true,
        }
    }
}
