//! What leaves the agent for other systems: Prometheus metrics.

mod groups;
mod metrics;
pub mod server;
