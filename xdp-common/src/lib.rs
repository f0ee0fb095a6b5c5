//! What the XDP program and the agent both know. Every type that crosses a map is declared here, once.
#![no_std]

pub mod address;
pub mod address_index;
pub mod amplification;
pub mod budget;
pub mod connection;
pub mod cost;
pub mod counter;
pub mod distinct;
pub mod explained;
pub mod group;
pub mod known;
pub mod layout;
pub mod list;
pub mod list_filter;
pub mod list_table;
pub mod listener;
pub mod map_name;
pub mod policy;
pub mod rate;
pub mod reason;
pub mod retry;
pub mod sample;
pub mod settings;
pub mod sketch;
pub mod source;
pub mod tally;
pub mod turn;
pub mod vector;
pub mod word;

pub use address::Address;
pub use amplification::Preset;
pub use counter::{AddressCpu, CpuState};
pub use explained::Explained;
pub use list::{ListAction, ListEntry};
pub use list_table::{ListRecord, Listed};
pub use policy::{AddressPolicy, Method, Rung};
pub use rate::{Limit, LocalBucket};
pub use reason::{Action, Reason};
pub use sample::Sample;
pub use settings::{Mode, Settings};
pub use source::{SourceLocal, SourceRecord};
pub use vector::{Admission, Vector};
