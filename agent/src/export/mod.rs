//! What leaves the agent for other systems: Prometheus metrics.

mod metrics;
pub mod server;
