//! Is it safe to put an address back? One that is blackholed under a flood is not; after the flood and a calm it is. The exit
//! code of `agent safe` is what scripts go by, and `agent unblock-ip` warns and obeys.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result};
use lab::{
    alone,
    guarded::{self, Guarded, allow_cookies, until, until_within},
    levee::Settings,
    server,
    topology::Topology,
};
use serde_json::Value;
use xdp_common::Reason;

/// SYNs per second: six times the address's rate.
const FLOOD_PPS: u32 = 30_000;
/// Calm for so long is safe; detection ends an attack some time after the flood, too.
const COOLDOWN: &str = "4s";

/// The answer of `agent safe`, and its exit code.
fn safe(lab: &Guarded, target: &str) -> Result<(Value, Option<i32>)> {
    let output = lab.home().command(&["--json", "safe", target])?.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = serde_json::from_str(&text).with_context(|| {
        format!(
            "`agent safe` printed {text:?}, {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    Ok((answer, output.status.code()))
}

#[test]
fn an_address_under_flood_is_not_safe_and_after_it_it_is() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let usual = guarded::settings();
    let settings = Settings {
        more: format!("{}\n[ladder]\ncalm = \"{COOLDOWN}\"\n", usual.more),
        ..usual
    };
    let lab = Guarded::start(topology, &settings)?;
    let address: IpAddr = guarded::targets(server::PORT)[0].ip();
    let name = address.to_string();
    assert_eq!(safe(&lab, &name)?.1, Some(0), "nothing is going on");

    let mut flood = lab.flood(&[address], &["--sources", "spoofed"], FLOOD_PPS, 20)?;
    lab.home().ask(&["block-ip", &name, "--reason", "test"])?;
    let before = lab.counts(address)?;
    until("the flood meets the blackhole", || {
        Ok(lab.since(address, &before, Reason::Blackhole)? > 1_000)
    })?;
    until("the residual rate is seen", || {
        let (answer, code) = safe(&lab, &name)?;
        let arriving = answer["residual_pps"].as_f64().unwrap_or_default();
        Ok(code == Some(1) && answer["safe"] == false && arriving > f64::from(FLOOD_PPS) / 4.0)
    })?;
    let done = lab.home().ask_json(&["unblock-ip", &name])?;
    assert_eq!(done["not_safe"][0], name.as_str(), "{done}");
    let warned = done["warnings"].as_array().context("warnings")?;
    assert!(
        warned
            .iter()
            .any(|text| text.as_str().is_some_and(|text| text.contains("it was not safe"))),
        "{done}"
    );
    lab.home().ask(&["block-ip", &name, "--reason", "again"])?;

    flood.stop()?;
    flood.flood_report()?;
    assert_eq!(safe(&lab, &name)?.1, Some(1), "the calm has just begun");
    // The cooldown, and the time that detection waits until it calls an attack over.
    until_within(Duration::from_secs(90), "it is safe", || {
        let (answer, code) = safe(&lab, &name)?;
        Ok(code == Some(0) && answer["safe"] == true)
    })?;
    let done = lab.home().ask_json(&["unblock-ip", &name])?;
    assert_eq!(done["not_safe"], Value::Null, "{done}");
    Ok(())
}
