//! What leaves the agent for other systems: Prometheus metrics. `families` says what there is, the other files fill it with values
//! from the latest snapshot, `exposition` gives it the form that the reader asks for.

mod addresses;
mod agent;
mod attacks;
pub mod document;
mod exporter;
mod exposition;
pub mod families;
pub mod family;
mod fleet;
mod groups;
mod kernel;
mod lists;
mod notify;
mod process;
pub mod server;
mod traffic;
mod upstream;
mod writer;
