//! What the counters say: pure functions of readings and the time between them.

mod attack;
mod bars;
pub mod baseline;
mod detector;
mod evidence;
mod host;
mod kind;
mod lesson;
mod meter;
mod observation;
mod policy;
mod pressing;
pub mod replay;
mod sentence;
mod sight;
mod signal;
mod subject;
mod talkers;
mod watched;
mod wide;

pub use attack::{Attack, AttackVector, Event, NumberedEvent, Peaks, Severity, What};
pub use bars::Bars;
pub use baseline::Baselines;
pub use detector::Detector;
pub use kind::by_kind;
pub use lesson::Lesson;
pub use meter::{AddressMeter, Meter, by_action, syns};
pub use observation::{HostObservation, Observation, Rates, Standing, Tick};
pub use policy::DetectPolicy;
pub use pressing::Pressing;
pub use sentence::sentence;
pub use sight::{Sight, stands_on};
pub use signal::{Parts, Signals};
pub use subject::Subject;
pub use talkers::{AT_MOST, SPAN, Talker, Talkers, Tally, TrafficRates};
