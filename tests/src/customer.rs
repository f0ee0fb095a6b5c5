//! One customer, by hand: `curl` from one of the customers' addresses.

use std::{net::IpAddr, process::Stdio};

use anyhow::{Context as _, Result};

use crate::{server::BODY, topology::Topology};

/// How long a customer waits, in seconds: one SYN may be lost and sent again.
const PATIENCE_S: &str = "2.5";

/// Whether `source` gets an answer from the web server at `target`.
pub fn is_served(topology: &Topology, source: &str, target: &str) -> Result<bool> {
    let url = match target
        .parse::<IpAddr>()
        .with_context(|| format!("{target:?} is no address"))?
    {
        IpAddr::V4(address) => format!("http://{address}/"),
        IpAddr::V6(address) => format!("http://[{address}]/"),
    };
    let mut curl = topology.client().command("curl");
    curl.args(["--silent", "--max-time", PATIENCE_S, "--interface", source, &url]);
    let output = curl
        .stdin(Stdio::null())
        .output()
        .context("cannot start curl: is its Debian package installed?")?;
    Ok(output.status.success() && output.stdout == BODY.as_bytes())
}
