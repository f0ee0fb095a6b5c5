//! `cargo xtask dist`: what users install, into target/dist.

mod archive;
mod check;
mod compile;
mod debian;
mod licences;
mod payload;
mod place;
mod sbom;
mod tools;

use anyhow::{Result, bail};

use self::{
    compile::{Binaries, Optimisation},
    place::Place,
};
use crate::{
    run::{announce, is_root},
    setup,
};

/// Build the Debian package and the static archive, into target/dist.
///
/// The .deb is made by debhelper from packaging/debian; the archive has a binary that needs no libraries of the system,
/// with an install script. Both have a list of what they are built of (CycloneDX), man pages, completions, the unit and the example configuration. Timestamps are those
/// of SOURCE_DATE_EPOCH, or of the last commit: the same sources give the same bytes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Then check them: lintian, the unit, reproducibility, and their life in a machine of namespaces where systemd runs
    /// (install, protect, reload, watchdog, upgrade under a flood, remove, purge); some minutes, as root
    #[arg(long)]
    check: bool,
    /// Pack the unoptimised build: quick, for work on the packages
    #[arg(long)]
    debug: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    if args.check && !is_root() {
        bail!("--check installs the package in a machine of namespaces: run `cargo xtask dist --check` as root");
    }
    let toolchain = setup::ensure()?;
    setup::ensure_tools(tools::BUILD)?;
    if args.check {
        setup::ensure_tools(tools::CHECK)?;
    }
    let place = Place::find()?;
    let optimisation = if args.debug {
        Optimisation::Debug
    } else {
        Optimisation::Release
    };
    let binaries = Binaries::compile(&toolchain, &place, optimisation)?;
    let payload = payload::gather(&place, &binaries.dynamic)?;
    let packed = [
        debian::pack(&place, &payload, &binaries.dynamic)?,
        vec![archive::pack(&place, &payload, &binaries.fixed)?],
    ]
    .concat();
    archive::write_sums(&place.output, &packed)?;
    if args.check {
        check::all(&place, &payload, &binaries, &packed, optimisation)?;
    }
    announce("packed");
    for file in &packed {
        println!("{}", file.display());
    }
    Ok(())
}
