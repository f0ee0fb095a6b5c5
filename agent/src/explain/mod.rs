//! What would become of a packet now, and why: a frame is built as the packet would come ([`probe`]), the judge is asked (see
//! [`crate::tables::Explains`]), and what is known besides makes a story of its answer ([`mod@story`]).

pub mod probe;
pub mod story;

mod advice;
mod stages;

pub use probe::{Flag, Probe, Proto};
pub use story::{Facts, story};
