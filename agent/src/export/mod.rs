//! What leaves the agent for other systems: Prometheus metrics.

mod attacks;
mod groups;
mod metrics;
mod notify;
pub mod server;
