//! `cargo xtask test`: all tests, in the kernel too.

use std::ffi::OsString;

use anyhow::{Result, bail};
use xtask::bpf::{Task, Toolchain};

use crate::{
    build, fuzz, kernels, releases,
    run::{announce, cargo, is_root, run},
    setup,
};

/// Tests end the agent at points that no other build has. One build with them is cheaper than two, and where nobody arms them
/// they do nothing.
const FAIL_POINTS: &str = "agent/fail-points";

/// Run all tests: unit tests, and those that load programs into the kernel and build networks (as root); a minute of fuzzing, and
/// a minute on Debian's oldest kernel, unless arguments say which tests.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// On the kernels that people run, too: Debian's, in QEMU, and this machine's own; writes docs/kernels.md. Takes an hour
    #[arg(long, conflicts_with_all = ["arguments", "harness"])]
    kernels: bool,
    /// With --kernels: this kernel alone: 6.1, 6.12, or host for this machine's own; may be repeated
    #[arg(long, requires = "kernels", value_name = "KERNEL")]
    only: Vec<String>,
    /// With --kernels: steps whose names begin with this alone, and nothing is written; may be repeated
    #[arg(long, requires = "kernels", value_name = "STEP")]
    step: Vec<String>,
    /// With --kernels: the one boot of 6.1 that ends `cargo xtask test`, and nothing else
    #[arg(long, requires = "kernels", conflicts_with_all = ["only", "step"])]
    short: bool,
    /// Build the previous release from this repository's history, and go from it to this version and back, under a flood
    #[arg(long, conflicts_with_all = ["arguments", "harness"])]
    upgrade: bool,
    /// Arguments for `cargo test`, such as `-p agent` or `--test verdicts`
    #[arg(allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
    /// Arguments for the test programs, such as `--nocapture` or the name of a test
    #[arg(last = true, value_name = "TEST ARGUMENTS")]
    harness: Vec<OsString>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    if args.kernels {
        return kernels::main(&kernels::Wish {
            only: &args.only,
            steps: &args.step,
            short: args.short,
        });
    }
    if !is_root() {
        bail!(
            "tests load BPF programs and make network namespaces: run `cargo xtask test` as root. Without root, `cargo \
             test -p xdp-common -p xdp-ebpf -p xtask` runs what needs no kernel."
        );
    }
    let toolchain = setup::ensure()?;
    if args.upgrade {
        return upgrade(&toolchain);
    }
    build::programs(&toolchain, Task::Build)?;
    if names_packages(&args.arguments) {
        // Tests of one package start programs of others; for the whole workspace cargo builds these anyway.
        build_programs()?;
    }
    announce("tests");
    let tested = run(cargo().args(cargo_arguments(args)));
    if args.arguments.is_empty() && args.harness.is_empty() {
        // Whatever the tests said: one run tells everything.
        let fuzzed = fuzz::short();
        let booted = kernels::short();
        tested?;
        fuzzed?;
        booted?;
    } else {
        tested?;
    }
    announce("all tests passed");
    Ok(())
}

/// The agent and the lab, as tests start them.
fn build_programs() -> Result<()> {
    announce("the programs that tests start");
    run(cargo().args([
        "build",
        "--package",
        "agent",
        "--package",
        "tests",
        "--bins",
        "--features",
        FAIL_POINTS,
    ]))
}

/// The long form of tests/tests/upgrade.rs.
fn upgrade(toolchain: &Toolchain) -> Result<()> {
    let previous = releases::previous()?;
    let agent = previous.build()?;
    build::programs(toolchain, Task::Build)?;
    build_programs()?;
    announce(&format!("from {} to this version, and back", previous.version));
    run(cargo()
        .args([
            "test",
            "--package",
            "tests",
            "--test",
            "upgrade",
            "--features",
            FAIL_POINTS,
        ])
        .args(["--", "--include-ignored", "--nocapture"])
        .env("LEVEE_PREVIOUS", agent)
        .env("LEVEE_PREVIOUS_VERSION", previous.version))
}

/// What `cargo` is called with: the whole workspace, unless the caller names packages.
fn cargo_arguments(args: &Args) -> Vec<OsString> {
    // One run tells everything that fails, and fails.
    let mut arguments = vec![OsString::from("test"), OsString::from("--no-fail-fast")];
    if !names_packages(&args.arguments) {
        arguments.push("--workspace".into());
    }
    if !names_packages(&args.arguments) || names_agent(&args.arguments) {
        arguments.extend(["--features".into(), FAIL_POINTS.into()]);
    }
    arguments.extend_from_slice(&args.arguments);
    if !args.harness.is_empty() {
        arguments.push("--".into());
        arguments.extend_from_slice(&args.harness);
    }
    arguments
}

/// Whether the agent is among the packages, by itself or as what the lab is built upon.
fn names_agent(arguments: &[OsString]) -> bool {
    let packages = ["agent", "tests"];
    arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .any(|argument| {
            let name = argument.trim_start_matches("--package=").trim_start_matches("-p");
            packages.contains(&name) || argument == "--workspace"
        })
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
        assert_eq!(
            cargo_line(""),
            "test --no-fail-fast --workspace --features agent/fail-points"
        );
        assert_eq!(
            cargo_line("--test verdicts"),
            "test --no-fail-fast --workspace --features agent/fail-points --test verdicts"
        );
        assert_eq!(
            cargo_line("-p agent"),
            "test --no-fail-fast --features agent/fail-points -p agent"
        );
        assert_eq!(
            cargo_line("--package=tests"),
            "test --no-fail-fast --features agent/fail-points --package=tests"
        );
        assert_eq!(
            cargo_line("-p xdp-common"),
            "test --no-fail-fast -p xdp-common",
            "no feature of a package that is not there"
        );
    }

    #[test]
    fn hands_on_what_is_for_the_test_programs() {
        assert_eq!(
            cargo_line("-- --nocapture"),
            "test --no-fail-fast --workspace --features agent/fail-points -- --nocapture"
        );
        assert_eq!(
            cargo_line("-p agent name -- --nocapture -p"),
            "test --no-fail-fast --features agent/fail-points -p agent name -- --nocapture -p"
        );
    }
}
