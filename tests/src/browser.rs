//! Chromium in the load balancer's namespace, driven by the scripts in `tests/browser/`: what a person sees of the web page.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    child::{Manner, Running},
    topology::Topology,
};

/// Where the page is unless the configuration says otherwise.
pub const URL: &str = "http://127.0.0.1:9667";

/// The driver.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser/page.mjs");
/// What `cargo xtask setup` installs below the target directory.
const TOOLS: &str = "browser";
/// Time to end once all is done.
const PATIENCE: Duration = Duration::from_secs(10);

/// A scenario of `tests/browser/scenarios.mjs` that runs.
#[derive(Debug)]
pub struct Browser {
    running: Running,
    scenario: String,
}

impl Browser {
    /// Starts it, with the token of the page.
    ///
    /// # Errors
    /// Something that it needs is not there.
    pub fn start(topology: &Topology, scenario: &str, token: &str) -> Result<Self> {
        let tools = tools()?;
        let shots = tools.join("shots");
        fs::create_dir_all(&shots).with_context(|| format!("cannot make {}", shots.display()))?;
        let mut command = topology.balancer().command("node");
        command
            .arg(SCRIPT)
            .arg(&tools)
            .args([scenario, URL, token])
            .arg(&shots)
            // Chromium's profile goes with the lab.
            .env("TMPDIR", topology.lab().path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Self {
            running: Running::start(topology.lab(), command, Manner::default())?,
            scenario: scenario.to_owned(),
        })
    }

    /// Goes on to its end; what only the lab can do is asked of `lab`, one word each.
    ///
    /// # Errors
    /// Everything that the browser complained of.
    pub fn run(mut self, mut lab: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let child = self.running.child();
        let mut answers = child.stdin.take().context("a pipe")?;
        let asked = child.stdout.take().context("a pipe")?;
        let mut complaints = child.stderr.take().context("a pipe")?;
        for word in BufReader::new(asked).lines() {
            let answer = match lab(&word?) {
                Ok(()) => "done".to_owned(),
                Err(error) => format!("{error:#}").replace('\n', " "),
            };
            writeln!(answers, "{answer}").context("the browser's driver is gone")?;
        }
        let mut text = String::new();
        complaints.read_to_string(&mut text)?;
        let status = self.running.wait(PATIENCE)?;
        ensure!(status.success() && text.is_empty(), "{}: {text}", self.scenario);
        Ok(())
    }
}

/// Where the driver's packages are: below the directory in which cargo leaves this program.
fn tools() -> Result<PathBuf> {
    let own = env::current_exe().context("cannot tell where this program is")?;
    let found = own
        .ancestors()
        .map(|directory: &Path| directory.join(TOOLS))
        .find(|directory| directory.join("node_modules").is_dir());
    let Some(found) = found else {
        bail!(
            "there is no `{TOOLS}/node_modules` above {}: run `cargo xtask setup`",
            own.display()
        );
    };
    Ok(found)
}
