//! What is decided about, in words for people.

use super::{Content, Target};
use crate::{config::prefix, overrides::ThresholdTarget, tables::ListAction};

impl Target {
    /// As in "root on lb2 decided about ..".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Entry(net) => format!("the source list entry {}", prefix::display(*net)),
            Self::Blackhole(address) => format!("the blackhole of {address}"),
            Self::Rung(address) => format!("the rung of {address}"),
            Self::Ceiling(address) => format!("the highest rung that the ladder may take for {address}"),
            Self::Threshold(ThresholdTarget::Source) => "the threshold of every source".to_owned(),
            Self::Threshold(ThresholdTarget::EveryAddress) => "the threshold of every address".to_owned(),
            Self::Threshold(target) => format!("the threshold of {target}"),
            Self::Mode => "the mode".to_owned(),
        }
    }

    /// The word for its kind, as metrics and tables have it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Entry(_) => "entry",
            Self::Blackhole(_) => "blackhole",
            Self::Rung(_) => "rung",
            Self::Ceiling(_) => "ceiling",
            Self::Threshold(_) => "threshold",
            Self::Mode => "mode",
        }
    }

    /// What it is about, without its kind; empty for the mode.
    #[must_use]
    pub fn about(&self) -> String {
        match self {
            Self::Entry(net) => prefix::display(*net),
            Self::Blackhole(address) | Self::Rung(address) | Self::Ceiling(address) => address.to_string(),
            Self::Threshold(target) => target.to_string(),
            Self::Mode => String::new(),
        }
    }
}

impl Content {
    /// What holds, in a word or two.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Entry(ListAction::Allow) => "allowed".to_owned(),
            Self::Entry(ListAction::Block) => "blocked".to_owned(),
            Self::Blackhole { all: false } => "blackholed".to_owned(),
            Self::Blackhole { all: true } => "blackholed, all of it".to_owned(),
            Self::Rung(rung) => rung.to_string(),
            Self::Threshold {
                syn_rate,
                syn_burst,
                vectors,
            } => {
                let syn_rate = syn_rate.map(|rate| rate.to_string());
                let syn_burst = syn_burst.map(|burst| format!("burst {burst}"));
                let vectors = (!vectors.is_empty()).then(|| vectors.to_string());
                let words: Vec<String> = syn_rate.into_iter().chain(syn_burst).chain(vectors).collect();
                words.join(", ")
            }
            Self::Mode(mode) => mode.to_string(),
        }
    }
}
