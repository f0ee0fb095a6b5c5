//! `lab soak`: an hour of customers, attacks, reloads, list swaps and commands.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use lab::{
    alone,
    soak::{self, Plan, Sample, THIRD},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print the result, with every look at the agent, as one JSON object
    #[arg(long)]
    json: bool,
    /// How long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    minutes: u32,
    /// Packets per second of each flood
    #[arg(long, value_name = "PPS", default_value_t = Plan::default().flood_pps)]
    rate: u32,
    /// Customers per second
    #[arg(long, value_name = "PER_S", default_value_t = Plan::default().customers_per_s)]
    customers: u32,
    /// Prefixes of the list that is swapped each minute
    #[arg(long, value_name = "COUNT", default_value_t = Plan::default().prefixes, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    prefixes: u32,
    /// Run beside other labs: latencies say less then
    #[arg(long)]
    beside_others: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let _turn = if arguments.beside_others {
        None
    } else {
        Some(alone::wait()?)
    };
    let plan = Plan {
        minutes: arguments.minutes,
        flood_pps: arguments.rate,
        customers_per_s: arguments.customers,
        prefixes: arguments.prefixes,
    };
    let bar = bar(u64::from(plan.minutes) * 3);
    let outcome = soak::run(&plan, |sample| {
        bar.inc(1);
        bar.set_message(line(sample));
        if !std::io::stderr().is_terminal() {
            eprintln!("lab: {}", line(sample));
        }
    });
    bar.finish_and_clear();
    let outcome = outcome?;
    if arguments.json {
        super::print_json(&outcome)?;
    } else {
        println!("{}", soak::table(&outcome));
    }
    if !outcome.is_sound() {
        bail!("something grew, was refused, or was left behind: see above");
    }
    Ok(())
}

fn bar(thirds: u64) -> ProgressBar {
    let bar = ProgressBar::new(thirds);
    let style = ProgressStyle::with_template(
        "{spinner} [{pos}/{len}] {elapsed_precise}, about {eta_precise} to go: {wide_msg}",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn line(sample: &Sample) -> String {
    format!(
        "{:.0} s, {:?} of {} s: {:.1} MiB of its own ({:.1} in use), {} descriptors, {:.1} % served, connect {:.1} ms",
        sample.seconds,
        sample.kind,
        THIRD.as_secs(),
        sample.anonymous_mib,
        sample.heap_mib,
        sample.descriptors,
        100.0 * sample.served_ratio,
        sample.connect_p50_ms
    )
}
