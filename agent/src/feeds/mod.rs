//! The large lists of the configuration: where they are read from, what is kept of them, and how they become one table.

pub mod fetch;
pub mod first;
pub mod flatten;
pub mod guard;
pub mod keeper;
pub mod parse;
pub mod prefixes;
pub mod state;
pub mod store;
pub mod task;
mod wide;
