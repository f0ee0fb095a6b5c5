//! What the counters say: pure functions of readings and the time between them.

mod meter;

pub use meter::{AddressMeter, Meter, by_action, syns};
