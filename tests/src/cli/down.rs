//! `lab down`: take down labs that were left up on purpose.

use anyhow::{Result, bail};
use clap::Args;
use lab::{lab as labs, require};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names of labs, as `--keep` printed them; all labs that were left up if none is given
    names: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    require::root()?;
    labs::sweep();
    let kept = labs::kept();
    if let Some(unknown) = arguments.names.iter().find(|name| !kept.contains(name)) {
        let known = if kept.is_empty() {
            "none is up".to_owned()
        } else {
            format!("up: {}", kept.join(", "))
        };
        bail!("no lab {unknown:?} was left up ({known})");
    }
    let chosen = if arguments.names.is_empty() {
        &kept
    } else {
        &arguments.names
    };
    for name in chosen {
        labs::take_down(name);
        println!("lab {name} is down");
    }
    if chosen.is_empty() {
        println!("no lab was left up");
    }
    Ok(())
}
