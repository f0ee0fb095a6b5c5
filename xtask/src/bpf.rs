//! Compiles the BPF packages: finds a toolchain, runs its cargo, hands the objects over.
//!
//! The one place that knows the BPF toolchains. Build scripts call [`embed`]; `cargo xtask` calls [`Facts::gather`],
//! [`decide`] and [`compile`].
//!
//! Why not `aya-build`: it fixes the compiler flags, it needs `RUSTC_BOOTSTRAP` in the environment of the whole build
//! script (an `unsafe` write), it repeats the whole BPF build for each build script and each profile, and it can
//! neither run clippy nor show progress. What is left to do by hand is one cargo command.

mod command;
mod embed;
mod paths;
mod probe;
mod toolchain;

pub use command::{Machine, Task, compile};
pub use embed::{embed, workspace_root};
pub use paths::{path_flags, renamed_paths};
pub use probe::find_program;
pub use toolchain::{Compiler, Facts, LLVM_MAJOR, Linker, Missing, Origin, Toolchain, Version, decide};

/// A package whose binaries are BPF objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name in the workspace.
    pub name: &'static str,
    /// Its directory, relative to the root of the workspace.
    pub directory: &'static str,
    /// The feature that brings in the kernel side; without it the package is a host library.
    pub feature: &'static str,
}

/// Levee's own program: object `levee`.
pub const LEVEE: Package = Package {
    name: "xdp-ebpf",
    directory: "xdp-ebpf",
    feature: "bpf",
};

/// The lab's programs: flood generator, wires, comparators of the benchmarks.
pub const LAB: Package = Package {
    name: "lab-ebpf",
    directory: "tests/ebpf",
    feature: "bpf",
};
