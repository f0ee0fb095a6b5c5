//! `agent top`: what an on-call engineer looks at. `app` and what it is made of are pure: keys, sizes and answers of the agent in,
//! effects out. `draw` is pure too: state in, a buffer of cells out. `run` joins them with the terminal, the signals and the agent,
//! which is asked in the background, so that a slow or dead agent never holds up the keys.

pub mod app;
mod ask;
pub mod cursor;
pub mod dialog;
pub mod draw;
mod follow;
mod keyboard;
pub mod keys;
pub mod look;
pub mod message;
pub mod order;
mod run;
mod screen;
mod signals;
pub mod time;

pub use run::{Options, needs_terminal, run};
