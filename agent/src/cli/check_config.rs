//! `agent check-config`.

use std::path::PathBuf;

use serde::Serialize;

use super::{context::Context, print};
use crate::{
    config,
    decide::verify,
    host::{HostFacts, TcpFacts},
    kernel,
};

/// Check a configuration file against this host, and change nothing
///
/// Finds every mistake at once: unknown keys, wrong units, prefixes that overlap or cannot be, interfaces that are not there.
/// Says what the tables will take of memory, and what this host's sysctls would cost under attack.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent check-config                     the file of --config
  agent check-config ./new.toml          another one, before it goes live

Exit codes: 0 the file can be used, 2 it cannot.")]
pub(super) struct Args {
    /// The file to check; --config when left out
    file: Option<PathBuf>,
}

/// What a sound file comes to.
#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    interfaces: Vec<String>,
    protected: usize,
    allow: usize,
    block: usize,
    mode: crate::tables::Mode,
    lists: usize,
    memory_bytes: u64,
    /// Of the table of lists, in bytes; twice as much while one replaces another. 0 without lists.
    list_table_bytes: u64,
    warnings: Vec<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let file = args.file.unwrap_or_else(|| context.config.clone());
    let config = config::load(&file, &HostFacts::read().await?)?;
    let advice = verify::advice_before(&config, &TcpFacts::read().await?);
    let count = |action| config.list.values().filter(|found| **found == action).count();
    let checked = Checked {
        interfaces: config.interfaces,
        protected: config.protected.len(),
        allow: count(crate::tables::ListAction::Allow),
        block: count(crate::tables::ListAction::Block),
        mode: config.mode,
        lists: config.lists.len(),
        memory_bytes: kernel::memory_bytes(&config.capacity)?,
        list_table_bytes: if config.lists.is_empty() {
            0
        } else {
            config.capacity.list_table_bytes()
        },
        warnings: config.warnings.iter().map(ToString::to_string).chain(advice).collect(),
        file,
    };
    if context.json {
        return print::json(&checked);
    }
    println!(
        "{} is sound: {} protected on {}, mode {}, {} allowed and {} blocked prefixes.",
        checked.file.display(),
        if checked.protected == 1 {
            "1 address".to_owned()
        } else {
            format!("{} addresses", checked.protected)
        },
        checked.interfaces.join(", "),
        checked.mode,
        checked.allow,
        checked.block
    );
    println!(
        "Its tables take {:.1} MiB of locked memory when they are full.",
        checked.memory_bytes as f64 / f64::from(1 << 20)
    );
    if checked.lists > 0 {
        println!(
            "Its {} lists take {:.1} MiB besides (limits.list_prefixes), twice that while one version replaces another.",
            checked.lists,
            checked.list_table_bytes as f64 / f64::from(1 << 20)
        );
    }
    for warning in &checked.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(())
}
