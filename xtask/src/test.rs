//! `cargo xtask test`: all tests, in the kernel too.

use std::ffi::OsString;

use anyhow::{Result, bail};
use xtask::bpf::Task;

use crate::{
    build,
    run::{announce, cargo, is_root, run},
    setup,
};

/// Run all tests: unit tests, and those that load programs into the kernel and build networks (as root).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments for `cargo test`, such as `-p agent`, `--test verdicts` or `-- --nocapture`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    if !is_root() {
        bail!(
            "tests load BPF programs and make network namespaces: run `cargo xtask test` as root. Without root, `cargo \
             test -p xdp-common -p xdp-ebpf -p xtask` runs what needs no kernel."
        );
    }
    let toolchain = setup::ensure()?;
    build::programs(&toolchain, Task::Build)?;
    announce("the programs that tests start");
    run(cargo().args(["build", "--package", "agent", "--package", "tests", "--bins"]))?;
    announce("tests");
    let mut command = cargo();
    command.arg("test");
    if !names_packages(&args.arguments) {
        command.arg("--workspace");
    }
    run(command.args(&args.arguments))?;
    announce("all tests passed");
    Ok(())
}

/// Whether arguments for `cargo test` say which packages to test.
fn names_packages(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .take_while(|argument| argument != "--")
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package") || argument == "--workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn knows_when_packages_are_named() {
        assert!(names_packages(&arguments("-p agent")));
        assert!(names_packages(&arguments("--package=agent -- --nocapture")));
        assert!(!names_packages(&arguments("--test verdicts")));
        assert!(!names_packages(&arguments("-- -p")));
    }
}
