//! What is fuzzed: each target takes any bytes, and panics where a property does not hold. `cargo xtask fuzz` has a fuzzer
//! choose the bytes by the code that they reach; `tests/tests/fuzz.rs` gives each target what was kept and what once failed.
//!
//! Targets hold their own idea of what is right, and not only that nothing panics: another reading of the same bytes, or the
//! same thing said twice.

mod api;
mod config;
pub mod corpus;
mod fleet;
mod headers;
mod judge;
mod kernel;
mod lists;
mod options;
mod parse;
mod replies;
mod seeds;
mod state;
#[expect(dead_code, reason = "what the agent's own tests share, of which this needs a part")]
#[path = "../../agent/tests/agent/support.rs"]
mod support;
mod units;

pub use seeds::seeds;

/// Something that takes any bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its directories.
    pub name: &'static str,
    /// What is fuzzed, and what must hold.
    pub about: &'static str,
    /// The longest input, bytes: longer ones say nothing new.
    pub most: usize,
    /// It loads programs: only root can.
    pub root: bool,
    /// Panics when a property does not hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "parse",
        about: "frames: what the parser reads, etherparse reads too, and it points into the frame",
        most: 256,
        root: false,
        run: parse::run,
    },
    Target {
        name: "options",
        about: "TCP options: the fast reader, the careful one and a naive one agree",
        most: 48,
        root: false,
        run: options::run,
    },
    Target {
        name: "replies",
        about: "SYNs in verify: answers are sound, a challenge's reset is taken back, and a changed one is not",
        most: 128,
        root: false,
        run: replies::run,
    },
    Target {
        name: "judge",
        about: "sequences of frames over the host's tables: lists, blackholes and rates hold, and the same again is judged the same",
        most: 512,
        root: false,
        run: judge::run,
    },
    Target {
        name: "kernel",
        about: "sequences of frames through the loaded program and its model: the same verdicts and counters",
        most: 512,
        root: true,
        run: kernel::run,
    },
    Target {
        name: "headers",
        about: "what is told of sampled and captured headers: one printable line",
        most: 256,
        root: false,
        run: headers::run,
    },
    Target {
        name: "config",
        about: "configuration: what is accepted is written and read back to the same, and what is not is named",
        most: 2_048,
        root: false,
        run: config::run,
    },
    Target {
        name: "units",
        about: "rates, times, prefixes and what else is written in flags and keys: printed and read back to the same",
        most: 64,
        root: false,
        run: units::run,
    },
    Target {
        name: "lists",
        about: "list files and feeds: what is accepted is written and read back to the same",
        most: 2_048,
        root: false,
        run: lists::run,
    },
    Target {
        name: "fleet",
        about: "keys and values of etcd: read, written, and read back to the same; garbage is named in printable words",
        most: 2_048,
        root: false,
        run: fleet::run,
    },
    Target {
        name: "api",
        about: "requests to the control socket: each is answered, in JSON where it is a refusal, and the engine lives on",
        most: 1_024,
        root: false,
        run: api::run,
    },
    Target {
        name: "state",
        about: "files in the state directory: kept aside or read, never a panic, and what is written next is read back",
        most: 8_192,
        root: false,
        run: state::run,
    },
];

/// The target of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
