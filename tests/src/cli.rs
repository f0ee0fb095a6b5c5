//! The command line of `lab`, one file per verb.

mod attempts;
mod bench;
mod demo;
mod down;
mod fleet_sim;
mod flood;
mod load;
mod programs;
mod soak;
mod up;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Levee's lab: network namespaces with floods and customers in them.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Lab {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Try what a hook of the agent must not be able to do
    #[command(hide = true)]
    Attempts(attempts::Arguments),
    /// Measure cost per packet, reaction time and footprint
    Bench(bench::Arguments),
    /// Show what a flood does to customers, and what the agent does about it
    Demo(demo::Arguments),
    /// Measure what a large fleet of nodes costs its etcd
    FleetSim(fleet_sim::Arguments),
    /// Flood from this namespace, which must be a lab's
    Flood(flood::Arguments),
    /// Be customers of the load balancer, from this namespace
    Load(load::Arguments),
    /// Work and be attacked for an hour, and tell what grew
    Soak(soak::Arguments),
    /// Load every program in every way, and say what the verifier made of it
    Programs(programs::Arguments),
    /// Bring up a lab with a web server in it, and leave it up
    Up(up::Arguments),
    /// Take down labs that were left up
    Down(down::Arguments),
}

impl Lab {
    pub(crate) fn run(self) -> Result<()> {
        match self.verb {
            Verb::Attempts(arguments) => attempts::run(&arguments),
            Verb::Bench(arguments) => bench::run(&arguments),
            Verb::Demo(arguments) => demo::run(&arguments),
            Verb::FleetSim(arguments) => fleet_sim::run(&arguments),
            Verb::Flood(arguments) => flood::run(&arguments),
            Verb::Load(arguments) => load::run(&arguments),
            Verb::Soak(arguments) => soak::run(&arguments),
            Verb::Programs(arguments) => programs::run(&arguments),
            Verb::Up(arguments) => up::run(&arguments),
            Verb::Down(arguments) => down::run(&arguments),
        }
    }
}

/// Prints a value as one line of JSON.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}
