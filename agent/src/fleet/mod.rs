//! Many load balancers as one: what people decide for all of them, and what all of them see together, in an etcd that all of
//! them reach. A node that is cut off goes on by itself, and agrees with the others again afterwards.
//!
//! ```text
//! command → decision → etcd → every node's board → differences → engine
//! tick → report → etcd → the node that adds up → sums → every node's detector
//! ```
//!
//! Nothing that comes from etcd is trusted: it is bounded, checked, and named where it makes no sense.

mod adder;
mod backoff;
mod board;
mod bring;
mod client;
mod clocks;
mod decision;
mod desk;
mod draft;
mod garbage;
mod keys;
mod leader;
mod mirror;
mod node;
pub mod pace;
mod publish;
mod publisher;
mod queue;
mod report;
mod session;
mod state;
mod store;
pub mod stores;
mod sums;
mod task;
mod words;

pub use adder::{Adder, BELIEVED};
pub use backoff::Backoff;
pub use board::{Board, KEPT, MOST_DECISIONS, QUEUED, Stamp};
pub use bring::{FROM_FLEET, bring, is_from_fleet, origin_of, recall};
pub use decision::{By, Content, Decision, Target};
pub use draft::Draft;
pub use garbage::Garbage;
pub use keys::{Key, Keys, is_node};
pub use node::{ListVersion, NodeInfo};
pub(crate) use publisher::NOTED;
pub use publisher::{Publisher, Write, report_of};
pub use report::{Pressure, Report};
pub use state::{Elsewhere, FleetState, Link, Node, Order, Queued, Shared};
pub use sums::{Sum, Sums};
pub use task::Task;
