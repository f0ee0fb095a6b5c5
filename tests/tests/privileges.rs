//! What the agent gives up once it protects: what the kernel says of each of its threads, what a hook of it tries in vain, and that
//! everything it does later still works.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    attempts::{NEEDED, Outcome, Outcomes},
    binary, command,
    guarded::until,
    levee::{Agent, Home, Settings},
    server,
    topology::Topology,
};
use xdp_common::map_name::PIN_VERSION;

const VIP: &str = "198.51.100.10";

/// Capabilities that the agent may keep, by their numbers (include/uapi/linux/capability.h): DAC_READ_SEARCH, NET_ADMIN, NET_RAW,
/// SYS_PTRACE, PERFMON, BPF.
const KEPT: u64 = 1 << 2 | 1 << 12 | 1 << 13 | 1 << 19 | 1 << 38 | 1 << 39;

/// A lab whose agent has a hook that tries what it must not be able to do.
struct Tried {
    agent: Agent,
    topology: Topology,
    own: PathBuf,
    others: PathBuf,
    _server: lab::child::Running,
}

impl Tried {
    fn start(privileges: &str) -> Result<Self> {
        let topology = Topology::routed()?;
        let server = server::start(&topology, false)?;
        let directory = topology.lab().path("hook");
        let (own, others) = (directory.join("own"), directory.join("others"));
        fs::create_dir_all(&own)?;
        fs::create_dir_all(&others)?;
        let list = directory.join("list.txt");
        fs::write(&list, "198.19.0.0/28\n")?;
        let more = format!(
            "[verify]\nset_sysctls = true\n\n[privileges]\n{privileges}\nwritable = [{own:?}]\n\n[[list]]\nname = \"bad\"\naction = \"block\"\nfrom = {list:?}\n\n\
             [[notify]]\nname = \"hook\"\nkind = \"exec\"\ncommand = [{:?}, \"attempts\", {own:?}, {others:?}]\n",
            binary::lab()?,
        );
        let settings = Settings {
            more,
            ..Settings::default()
        };
        let agent = Agent::start(&topology, &settings, false)?;
        Ok(Self {
            agent,
            topology,
            own,
            others,
            _server: server,
        })
    }

    fn home(&self) -> &Home {
        self.agent.home()
    }

    /// What a hook of the agent tried.
    fn by_hook(&self) -> Result<Outcomes> {
        self.home().ask(&["notify", "test", "hook"])?;
        outcomes(&self.own)
    }

    fn pid(&self) -> Result<u64> {
        self.home().ask_json(&["status"])?["daemon"]["pid"]
            .as_u64()
            .context("status names no process")
    }
}

fn outcomes(own: &Path) -> Result<Outcomes> {
    let text = fs::read_to_string(own.join("outcomes.json"))?;
    serde_json::from_str(&text).with_context(|| format!("the attempts wrote {text:?}"))
}

/// The same by a process of root that nobody took anything from.
fn by_root(own: &Path, others: &Path) -> Result<Outcomes> {
    let mut lab = Command::new(binary::lab()?);
    command::output(lab.arg("attempts").arg(own).arg(others))?;
    outcomes(own)
}

fn with(outcomes: &Outcomes, wanted: Outcome) -> BTreeSet<&str> {
    let found = outcomes.iter().filter(|(_, outcome)| **outcome == wanted);
    found.map(|(name, _)| name.as_str()).collect()
}

/// A number of /proc/PID/task/TID/status.
fn number(status: &str, key: &str, radix: u32) -> Result<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let text = line.with_context(|| format!("no {key} in {status}"))?.trim();
    Ok(u64::from_str_radix(text, radix)?)
}

#[test]
fn every_thread_keeps_only_what_it_needs_and_a_hook_tries_in_vain() -> Result<()> {
    let _turn = alone::wait()?;
    let tried = Tried::start("")?;
    let status = tried.home().ask_json(&["status"])?;
    let kept = &status["daemon"]["privileges"];
    ensure!(
        kept["dropped"] == true && kept["seccomp"] == true && kept["landlock"] == true,
        "this kernel has all three layers: {status}"
    );
    every_thread(tried.pid()?)?;

    let root = by_root(&tried.own, &tried.others)?;
    ensure!(
        with(&root, Outcome::Refused).is_empty(),
        "root may all of it, or this test shows nothing: {root:?}"
    );
    let hook = tried.by_hook()?;
    let done = with(&hook, Outcome::Done);
    ensure!(
        done == BTreeSet::from(NEEDED),
        "a hook may {done:?} and no more: {hook:?}"
    );
    let senseless = with(&hook, Outcome::Senseless);
    ensure!(senseless.is_empty(), "these went past the filter: {senseless:?}");
    // Again: whoever is given an attempt tries twice.
    every_thread(tried.pid()?)
}

/// All threads, those too that came after the start.
fn every_thread(pid: u64) -> Result<()> {
    let mut seen = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // One that ended meanwhile has nothing to say.
        let Ok(status) = fs::read_to_string(entry?.path().join("status")) else {
            continue;
        };
        for key in ["CapPrm", "CapEff", "CapBnd"] {
            let held = number(&status, key, 16)?;
            ensure!(held & !KEPT == 0 && (key == "CapBnd" || held != 0), "{key} of {status}");
        }
        for key in ["CapInh", "CapAmb"] {
            ensure!(number(&status, key, 16)? == 0, "{key} of {status}");
        }
        ensure!(number(&status, "NoNewPrivs", 10)? == 1, "{status}");
        ensure!(number(&status, "Seccomp", 10)? == 2, "{status}");
        seen += 1;
    }
    ensure!(seen > 2, "{seen} threads");
    Ok(())
}

#[test]
fn everything_that_comes_later_still_works() -> Result<()> {
    let _turn = alone::wait()?;
    let tried = Tried::start("")?;
    let (home, topology) = (tried.home(), &tried.topology);
    tried.agent.wait_for_sysctls(topology)?;
    home.ask(&["block-ip", "203.0.113.9", "--ttl", "1h"])?;
    home.ask(&["rung", VIP, "verify", "--ttl", "1m"])?;
    home.ask(&["explain", "203.0.113.77", VIP])?;
    let captured = home.ask(&["capture", VIP, "--count", "1", "--time", "1s"])?;
    ensure!(
        !captured.contains("packet socket"),
        "captures of what passes work: {captured}"
    );

    let list = tried.own.parent().context("a directory")?.join("list.txt");
    fs::write(&list, "198.19.0.0/28\n198.19.0.64/28\n")?;
    home.ask(&["lists", "refresh"])?;
    until("the new list is in place", || {
        Ok(home.ask_json(&["lists"])?[0]["v4"] == 2)
    })?;

    let text = fs::read_to_string(home.config())?;
    fs::write(home.config(), text.replace("syn_burst = 25", "syn_burst = 26"))?;
    let said = home.ask(&["reload"])?;
    ensure!(said.contains("26"), "{said}");
    home.ask(&["mode", "set", "monitor"])?;
    let status = home.ask_json(&["status"])?;
    ensure!(status["daemon"]["ledger"]["healthy"] == true, "{status}");
    ensure!(
        !status["programs"].as_array().context("programs")?.is_empty(),
        "the programs' cost: {status}"
    );
    let warnings = status["warnings"].as_array().context("warnings")?.len();
    ensure!(warnings == 0, "{status}");

    home.ask(&["detach"])?;
    let pins = topology.lab().bpf_directory().join(format!("levee/v{PIN_VERSION}"));
    until("none of its pins is left", || Ok(!pins.exists()))?;
    let mut read = topology.server().command("cat");
    read.arg("/proc/sys/net/ipv4/tcp_timestamps");
    ensure!(command::output(&mut read)? == "1\n", "what was set is put back");
    until("the socket is gone with the agent", || Ok(!home.socket().exists()))
}

#[test]
fn who_turns_it_off_is_told_so() -> Result<()> {
    let _turn = alone::wait()?;
    let tried = Tried::start("drop = false")?;
    let status = tried.home().ask_json(&["status"])?;
    ensure!(status["daemon"]["privileges"]["dropped"] == false, "{status}");
    ensure!(status["warnings"].to_string().contains("privileges.drop"), "{status}");
    let hook = tried.by_hook()?;
    ensure!(with(&hook, Outcome::Refused).is_empty(), "{hook:?}");
    let task = fs::read_to_string(format!("/proc/{}/status", tried.pid()?))?;
    ensure!(number(&task, "Seccomp", 10)? == 0, "{task}");
    Ok(())
}
