//! The web page in headless Chromium against a live lab with an attack running: what it looks like by day, by night and on a phone, that
//! it has no barriers, asks nobody else, stays live, outlives the agent, and acts with a token through a confirmation.

use std::{fs, net::IpAddr, os::unix::fs::PermissionsExt as _};

use anyhow::{Result, bail, ensure};
use lab::{
    actor::Actor,
    addresses::vips,
    alone,
    browser::Browser,
    guarded::{self, Guarded, allow_cookies, until},
    levee::{Home, Settings},
    topology::Topology,
};
use serde_json::Value;

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// SYNs per second at the first address, four times what it takes.
const FLOOD_PPS: u32 = 20_000;
/// The longest that a flood may last here; the attack is told for three minutes after.
const FLOOD_SECONDS: u32 = 20;

/// A lab whose first address is attacked.
struct Attacked {
    lab: Guarded,
    victim: IpAddr,
    flood: Option<Actor>,
}

impl Attacked {
    fn new() -> Result<Self> {
        let topology = Topology::routed()?;
        allow_cookies(topology.server())?;
        let token = topology.lab().path("page.token");
        fs::write(&token, TOKEN)?;
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600))?;
        let usual = guarded::settings();
        let page = format!(
            "[page]\ntoken = \"file:{}\"\n[detect]\nhold = \"3m\"\n",
            token.display()
        );
        let settings = Settings {
            more: format!("{}{page}", usual.more),
            ..usual
        };
        let mut attacked = Self {
            lab: Guarded::start(topology, &settings)?,
            victim: vips()[0],
            flood: None,
        };
        attacked.flood()?;
        Ok(attacked)
    }

    /// Floods anew, and returns once the attack is told.
    fn flood(&mut self) -> Result<()> {
        self.flood = None;
        let arguments = ["--sources", "spoofed", "--port", "80"];
        self.flood = Some(self.lab.flood(&[self.victim], &arguments, FLOOD_PPS, FLOOD_SECONDS)?);
        until("the attack is told", || Ok(!attacks(self.lab.home())?.is_empty()))
    }

    /// Runs a scenario; what it asks the lab for is done here.
    fn run(&mut self, scenario: &str) -> Result<()> {
        let browser = Browser::start(self.lab.topology(), scenario, TOKEN)?;
        browser.run(|word| self.does(word))
    }

    fn does(&mut self, word: &str) -> Result<()> {
        match word {
            "kill" => self.lab.kill_agent(),
            "start" => self.lab.restart_agent(),
            "flood" => self.flood(),
            "not-yet" => self.stands("known", false),
            "known" => self.stands("known", true),
            _ => bail!("the lab does not know {word:?}"),
        }
    }

    /// Fails unless the victim stands on a rung by hand, or does not.
    fn stands(&self, rung: &str, wanted: bool) -> Result<()> {
        let rungs = self.lab.home().ask_json(&["rung", &self.victim.to_string()])?;
        let view = &rungs[0];
        let by_page = view["forced"]["actor"]
            .as_str()
            .is_some_and(|actor| actor.starts_with("page peer=127.0.0.1"));
        ensure!((view["rung"] == rung && by_page) == wanted, "{view}");
        Ok(())
    }
}

/// Attacks that go on.
fn attacks(home: &Home) -> Result<Vec<Value>> {
    let status = home.ask_json(&["status"])?;
    Ok(status["detection"]["attacks"].as_array().cloned().unwrap_or_default())
}

#[test]
fn every_page_is_sound_by_day_by_night_and_on_a_phone() -> Result<()> {
    let _turn = alone::wait()?;
    Attacked::new()?.run("looks")
}

#[test]
fn an_open_page_is_live_and_leaves_the_reader_alone() -> Result<()> {
    let _turn = alone::wait()?;
    let mut lab = Attacked::new()?;
    lab.run("withoutScript")?;
    lab.run("isLive")
}

#[test]
fn a_page_outlives_the_agent() -> Result<()> {
    let _turn = alone::wait()?;
    Attacked::new()?.run("outlivesTheAgent")
}

#[test]
fn who_has_the_token_acts_by_keyboard_through_a_confirmation() -> Result<()> {
    let _turn = alone::wait()?;
    Attacked::new()?.run("actsByKeyboard")
}
