//! What leaves the agent for other systems: Prometheus metrics.

mod attacks;
mod groups;
mod metrics;
pub mod server;
