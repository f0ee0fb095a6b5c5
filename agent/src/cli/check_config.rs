//! `agent check-config`.

use std::{collections::BTreeMap, path::PathBuf};

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
    /// Of the table of lists, in bytes; twice as much while one replaces another. 0 without lists.
    list_table_bytes: u64,
    groups: usize,
    memory_bytes: u64,
    memory_by_map: BTreeMap<&'static str, u64>,
    warnings: Vec<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let file = args.file.unwrap_or_else(|| context.config.clone());
    let config = config::load(&file, &HostFacts::read().await?)?;
    let advice = verify::advice_before(&config, &TcpFacts::read().await?);
    let memory_by_map = kernel::memory_by_map(&config.capacity)?;
    let count = |action| config.list.values().filter(|found| **found == action).count();
    let checked = Checked {
        interfaces: config.interfaces,
        protected: config.protected.len(),
        allow: count(crate::tables::ListAction::Allow),
        block: count(crate::tables::ListAction::Block),
        mode: config.mode,
        lists: config.lists.len(),
        list_table_bytes: if config.lists.is_empty() {
            0
        } else {
            config.capacity.list_table_bytes()
        },
        groups: config.groups.len(),
        memory_bytes: memory_by_map.iter().map(|(_, bytes)| bytes).sum(),
        memory_by_map: memory_by_map.into_iter().collect(),
        warnings: config.warnings.iter().map(ToString::to_string).chain(advice).collect(),
        file,
    };
    if context.json {
        return print::json(&checked);
    }
    println!(
        "{} is sound: {} protected{} on {}, mode {}, {} allowed and {} blocked prefixes.",
        checked.file.display(),
        if checked.protected == 1 {
            "1 address".to_owned()
        } else {
            format!("{} addresses", checked.protected)
        },
        match checked.groups {
            0 => String::new(),
            1 => " in 1 group".to_owned(),
            several => format!(" in {several} groups"),
        },
        checked.interfaces.join(", "),
        checked.mode,
        checked.allow,
        checked.block
    );
    show_memory(&checked);
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

/// What the tables take, the largest first.
#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn show_memory(checked: &Checked) {
    println!(
        "Its tables take {:.1} MiB of locked memory when they are full:",
        checked.memory_bytes as f64 / f64::from(1 << 20)
    );
    let mut maps: Vec<_> = checked.memory_by_map.iter().collect();
    maps.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
    let mut table = print::table(&["MAP", "KIB"], &[1]);
    for (name, bytes) in maps {
        table.add_row([(*name).to_owned(), bytes.div_ceil(1024).to_string()]);
    }
    print::print(&table);
}
