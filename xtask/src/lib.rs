//! The chores that build scripts share with `cargo xtask`: everything that knows how BPF programs are compiled.

pub mod bpf;
