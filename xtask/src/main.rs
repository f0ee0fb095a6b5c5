//! `cargo xtask`: the chores of this repository. One file per task.

mod bench;
mod build;
mod check;
mod demo;
mod deny;
mod dist;
mod fuzz;
mod kernels;
mod lab;
mod releases;
mod reproduce;
mod run;
mod setup;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Setup(setup::Args),
    Build(build::Args),
    Check(check::Args),
    Tidy(tidy::Args),
    Deny(deny::Args),
    Test(test::Args),
    Fuzz(fuzz::Args),
    Demo(demo::Args),
    Bench(bench::Args),
    Soak(soak::Args),
    Dist(dist::Args),
    Reproduce(reproduce::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Setup(args) => setup::main(&args),
        Task::Build(args) => build::main(&args),
        Task::Check(args) => check::main(&args),
        Task::Tidy(args) => tidy::main(&args),
        Task::Deny(args) => deny::main(&args),
        Task::Test(args) => test::main(&args),
        Task::Fuzz(args) => fuzz::main(&args),
        Task::Demo(args) => demo::main(&args),
        Task::Bench(args) => bench::main(&args),
        Task::Soak(args) => soak::main(&args),
        Task::Dist(args) => dist::main(&args),
        Task::Reproduce(args) => reproduce::main(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
