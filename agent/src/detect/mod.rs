//! What the counters say: pure functions of readings and the time between them.

mod meter;
mod talkers;

pub use meter::{AddressMeter, Meter, by_action, syns};
pub use talkers::{AT_MOST, SPAN, Talker, Talkers, Tally, TrafficRates};
