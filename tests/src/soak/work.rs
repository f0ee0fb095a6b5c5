//! What operators do all the time: commands, reloads, new versions of a list, and looks at everything there is to see.

use std::{
    cell::{Cell, RefCell},
    fs,
    net::Ipv4Addr,
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    Plan, settings,
    third::{Kind, target},
};
use crate::{
    addresses::clients,
    command::output,
    levee::{Home, Settings},
    topology::Topology,
};

/// Networks of prefixes of the list begin here: nobody of the lab is in them.
const LISTED: u32 = 0x6440_0000;

/// Where the agent tells its metrics, as seen from its own namespace.
pub(super) const METRICS: &str = "http://127.0.0.1:9666/metrics";

/// Somebody who works.
pub(super) struct Operator<'a> {
    topology: &'a Topology,
    list: PathBuf,
    prefixes: u32,
    commands: Cell<u64>,
    refused: RefCell<Vec<String>>,
}

impl<'a> Operator<'a> {
    pub(super) fn new(topology: &'a Topology, plan: &Plan) -> Result<Self> {
        let operator = Self {
            topology,
            list: topology.lab().path("soak.list"),
            prefixes: plan.prefixes,
            commands: Cell::new(0),
            refused: RefCell::default(),
        };
        operator.write_list(0)?;
        Ok(operator)
    }

    pub(super) fn settings(&self) -> Settings {
        settings(&format!(
            "[[list]]\nname = \"soak\"\naction = \"block\"\nfrom = \"{}\"\n",
            self.list.display()
        ))
    }

    /// What is done in this second of a third; what goes wrong is kept.
    pub(super) fn works(&self, home: &Home, third: u32, second: u64) {
        let target = target(third).to_string();
        let source = Ipv4Addr::new(192, 0, 2, 128 + (third % 64) as u8).to_string();
        let customer =
            clients()[usize::from(target.contains(':')) * usize::from(crate::addresses::CLIENTS_V4)].to_string();
        let does = |arguments: &[&str]| self.noted(&arguments.join(" "), home.ask(arguments));
        match (Kind::of(third), second) {
            (Kind::Calm, 3) => {
                let written = self.write_list(third).map(|()| String::new());
                self.noted("a new version of the list", written);
                does(&["lists", "refresh"]);
            }
            (Kind::Calm, 7) => {
                let rate = 20_000 + third % 7;
                let written = home.configure(
                    self.topology.lab(),
                    &Settings {
                        address_syn_rate: rate,
                        ..self.settings()
                    },
                );
                self.noted("a new configuration", written.map(|()| String::new()));
                does(&["reload"]);
            }
            (Kind::Calm, 10) => does(&["threshold", "set", &target, "--syn-rate", "30k/s", "--syn-burst", "30k"]),
            (Kind::Calm, 12) => does(&["threshold", "unset", &target]),
            (Kind::Syn, 2) => does(&["block-ip", &source, "--ttl", "never"]),
            (Kind::Syn, 4) => does(&["explain", &customer, &target]),
            (Kind::Syn, 5) => does(&["capture", &target, "--count", "20", "--time", "1s", "--json"]),
            (Kind::Syn, 8) => does(&["block-ip", &target, "--ttl", "1m"]),
            (Kind::Syn, 11) => does(&["unblock-ip", &target]),
            (Kind::Syn, 13) => does(&["unblock-ip", &source]),
            (Kind::Udp, 4) => does(&["rung", &target, "verify", "--ttl", "1m"]),
            (Kind::Udp, 7) => does(&["rung", &target, "auto"]),
            (Kind::Udp, 9) => does(&["attacks"]),
            (_, 14) => self.looks(),
            (_, 15) => does(&["sources"]),
            _ => {}
        }
    }

    /// Everything that is served to browsers and to Prometheus.
    fn looks(&self) {
        for url in [METRICS, "http://127.0.0.1:9667/"] {
            self.noted(url, served(self.topology, url));
        }
    }

    fn noted(&self, what: &str, result: Result<String>) {
        self.commands.set(self.commands.get() + 1);
        if let Err(error) = result {
            self.refused.borrow_mut().push(format!("{what}: {error:#}"));
        }
    }

    /// Other prefixes each time.
    fn write_list(&self, version: u32) -> Result<()> {
        let prefixes: String = (0..self.prefixes)
            .map(|number| format!("{}/32\n", Ipv4Addr::from_bits(LISTED + number * 3 + version % 3)))
            .collect();
        let file = &self.list;
        let whole = file.with_extension("new");
        fs::write(&whole, prefixes)
            .and_then(|()| fs::rename(&whole, file))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// How many commands there were, and those that went wrong.
    pub(super) fn done(self) -> (u64, Vec<String>) {
        (self.commands.get(), self.refused.into_inner())
    }
}

/// What the agent serves there.
pub(super) fn served(topology: &Topology, url: &str) -> Result<String> {
    let mut curl = topology.balancer().command("curl");
    output(curl.args(["--silent", "--fail", "--max-time", "10", url]))
}

/// Attacks in the ledger.
pub(super) fn attacks(home: &Home) -> Result<usize> {
    let told = home.ask_json(&["attacks", "--all"])?;
    counted(&told, "`agent attacks` is no list")
}

/// Blocks and blackholes.
pub(super) fn blocks(home: &Home) -> Result<usize> {
    let listed = home.ask_json(&["list"])?;
    let missing = "`agent list` has no blackholes or no sources";
    Ok(counted(&listed["blackholes"], missing)? + counted(&listed["sources"], missing)?)
}

fn counted(values: &Value, missing: &'static str) -> Result<usize> {
    Ok(values.as_array().context(missing)?.len())
}
