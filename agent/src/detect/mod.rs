//! What the counters say: pure functions of readings and the time between them.

mod attack;
mod meter;
mod observation;
mod subject;
mod talkers;

pub use attack::{Attack, AttackVector, Event, Peaks, Severity, What};
pub use meter::{AddressMeter, Meter, by_action, syns};
pub use observation::{HostObservation, Observation, Rates, Standing, Tick};
pub use subject::Subject;
pub use talkers::{AT_MOST, SPAN, Talker, Talkers, Tally, TrafficRates};
