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
    /// Arguments for `cargo test`, such as `-p agent` or `--test verdicts`
    #[arg(allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
    /// Arguments for the test programs, such as `--nocapture` or the name of a test
    #[arg(last = true, value_name = "TEST ARGUMENTS")]
    harness: Vec<OsString>,
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
    if names_packages(&args.arguments) {
        // Tests of one package start programs of others; for the whole workspace cargo builds these anyway.
        announce("the programs that tests start");
        run(cargo().args(["build", "--package", "agent", "--package", "tests", "--bins"]))?;
    }
    announce("tests");
    run(cargo().args(cargo_arguments(args)))?;
    announce("all tests passed");
    Ok(())
}

/// What `cargo` is called with: the whole workspace, unless the caller names packages.
fn cargo_arguments(args: &Args) -> Vec<OsString> {
    let mut arguments = vec![OsString::from("test")];
    if !names_packages(&args.arguments) {
        arguments.push("--workspace".into());
    }
    arguments.extend_from_slice(&args.arguments);
    if !args.harness.is_empty() {
        arguments.push("--".into());
        arguments.extend_from_slice(&args.harness);
    }
    arguments
}

fn names_packages(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package") || argument == "--workspace")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn cargo_line(line: &str) -> String {
        let words = std::iter::once("xtask").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).expect("valid arguments");
        cargo_arguments(&cli.args)
            .join(" ".as_ref())
            .into_string()
            .expect("text")
    }

    #[test]
    fn tests_the_whole_workspace_unless_packages_are_named() {
        assert_eq!(cargo_line(""), "test --workspace");
        assert_eq!(cargo_line("--test verdicts"), "test --workspace --test verdicts");
        assert_eq!(cargo_line("-p agent"), "test -p agent");
        assert_eq!(cargo_line("--package=agent"), "test --package=agent");
    }

    #[test]
    fn hands_on_what_is_for_the_test_programs() {
        assert_eq!(cargo_line("-- --nocapture"), "test --workspace -- --nocapture");
        assert_eq!(
            cargo_line("-p agent name -- --nocapture -p"),
            "test -p agent name -- --nocapture -p"
        );
    }
}
