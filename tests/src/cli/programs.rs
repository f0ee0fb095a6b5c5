//! `lab programs`: what this kernel's verifier makes of Levee's programs.

use anyhow::{Result, bail};
use clap::Args;
use lab::programs;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
    /// With tables of the usual size alone, as root
    #[arg(long)]
    usual: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let rows = if arguments.usual {
        programs::usual()
    } else {
        programs::rows()
    }?;
    if arguments.json {
        super::print_json(&rows)?;
    } else {
        for row in &rows {
            println!(
                "{:24} {:16} {:>8} verified, {:>6} long, {:>6} ms{}",
                row.way,
                row.program,
                row.verified,
                row.instructions,
                row.load_ms,
                row.refused
                    .as_ref()
                    .map(|why| format!(", refused: {why}"))
                    .unwrap_or_default()
            );
        }
    }
    if let Some(row) = programs::missing(&rows) {
        bail!("the kernel refused `{}` ({})", row.program, row.way);
    }
    Ok(())
}
