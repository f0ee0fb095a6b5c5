//! Another version of the agent over what this one left, and this one over what another left: no packet passes, nothing is lost,
//! counters continue; what a newer agent wrote is refused and left as it is.
//!
//! The short form, which is always run, makes our own pins and files into those of another version. The long form takes the previous
//! release, built from this repository's history: `cargo xtask test --upgrade`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use lab::{
    alone,
    child::{Manner, Running},
    command,
    guarded::until_within,
    siege::{Held, Section, Siege},
};
use xdp_common::map_name::PIN_VERSION;

/// Long enough for a few thousand packets of the flood.
const MEANWHILE: Duration = Duration::from_millis(500);

/// For an agent that starts on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the kernel side counts: these go on whatever agent reads them. The others are of one run of the agent.
const CONTINUING: [&str; 7] = [
    "levee_packets_total",
    "levee_handshakes_total",
    "levee_dropped_packets_total",
    "levee_would_drop_packets_total",
    "levee_samples_lost_total",
    "levee_sources_unrecorded_total",
    "levee_list_packets_total",
];

/// Offset and length of `user_version` in the header of an SQLite file, big-endian (sqlite.org/fileformat2.html, 1.3).
const USER_VERSION: std::ops::Range<usize> = 60..64;

fn pins(siege: &Siege, version: u32) -> PathBuf {
    let bpf = siege.topology().lab().bpf_directory();
    bpf.join("levee").join(format!("v{version}"))
}

/// The counters that continue, by name and labels.
fn counters(siege: &Siege) -> Result<BTreeMap<String, f64>> {
    let mut curl = siege.topology().balancer().command("curl");
    let text = command::output(curl.args(["--silent", "--fail", "http://127.0.0.1:9666/metrics"]))?;
    let continuing = |line: &&str| CONTINUING.iter().any(|name| line.starts_with(name));
    let parse = |line: &str| -> Result<(String, f64)> {
        let (name, value) = line.rsplit_once(' ').context("a metric without a value")?;
        Ok((name.to_owned(), value.parse()?))
    };
    text.lines().filter(continuing).map(parse).collect()
}

/// Whether the flood shows at an address. Lists are read at other times.
fn is_counted(counters: &BTreeMap<String, f64>) -> bool {
    let mut of_addresses = counters.iter().filter(|(name, _)| name.contains("address="));
    of_addresses.any(|(_, value)| *value > 1_000.0)
}

/// The counters, once the flood shows in them.
fn once_counted(siege: &Siege) -> Result<BTreeMap<String, f64>> {
    thread::sleep(MEANWHILE);
    until_within(PATIENCE, "what the flood is dropped for is counted", || {
        Ok(is_counted(&counters(siege)?))
    })?;
    counters(siege)
}

/// Fails if a counter went back, or is not there any more.
fn counted_on(before: &BTreeMap<String, f64>, siege: &Siege) -> Result<()> {
    let after = counters(siege)?;
    ensure!(is_counted(before), "nothing was counted before: {before:?}");
    let went_back: Vec<String> = before
        .iter()
        .filter(|(name, value)| after.get(*name).is_none_or(|now| now < value))
        .map(|(name, value)| format!("{name}: {value}, then {:?}", after.get(name)))
        .collect();
    ensure!(went_back.is_empty(), "counters went back: {went_back:#?}");
    Ok(())
}

#[test]
fn another_versions_pins_are_taken_over_without_a_packet_and_counters_continue() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Upgrade)?;
    for (other, what, held) in [
        (PIN_VERSION - 1, "over the pins of an earlier version", Held::Blocked),
        (PIN_VERSION + 1, "over the pins of a later version", Held::Blackholed),
    ] {
        siege.begin(held)?;
        let before = once_counted(&siege)?;
        siege.kill_agent()?;
        fs::rename(pins(&siege, PIN_VERSION), pins(&siege, other)).context("cannot rename the pins")?;
        siege.start_agent()?;
        siege.nothing_is_lost()?;
        counted_on(&before, &siege)?;
        ensure!(
            !pins(&siege, other).exists(),
            "the other version's pins are still there"
        );
        thread::sleep(MEANWHILE);
        siege
            .outcome(what, "list, blocks, blackholes; counters continue; no old pins")?
            .held()?;
    }

    siege.begin(Held::Blocked)?;
    siege.kill_agent()?;
    let other = pins(&siege, PIN_VERSION - 1);
    fs::rename(pins(&siege, PIN_VERSION), &other).context("cannot rename the pins")?;
    for layout in fs::read_dir(other.join("layout"))? {
        let layout = layout?.path();
        fs::rename(&layout, layout.with_file_name("0123456789abcdef")).context("cannot rename the layout")?;
    }
    siege.start_agent()?;
    siege.nothing_is_lost()?;
    let status = siege.home().ask(&["status"])?;
    ensure!(status.contains("counters begin anew"), "{status}");
    thread::sleep(MEANWHILE);
    let what = "over pins of a version that counts otherwise";
    siege
        .outcome(what, "list, blocks, blackholes; counters begin anew, `status` says so")?
        .held()
}

#[test]
fn what_a_newer_agent_wrote_is_refused_and_left_as_it_is() -> Result<()> {
    let _turn = alone::wait()?;
    let mut siege = Siege::lay(Section::Upgrade)?;
    siege.begin(Held::Blocked)?;
    for (name, noun) in [("ledger.db", "ledger"), ("history.db", "history")] {
        siege.agent()?.process().stop()?;
        let file = siege.home().directory().join("state").join(name);
        let ours = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut newer = ours.clone();
        newer[USER_VERSION].copy_from_slice(&99_u32.to_be_bytes());
        fs::write(&file, &newer)?;
        let pinned = fs::read_dir(pins(&siege, PIN_VERSION))?.count();

        let output = siege.home().command(&["run"])?.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "{name}: {}: {said}", output.status);
        for word in [name, "newer agent (version 99", "start that agent again"] {
            ensure!(said.contains(word), "{name}: {word:?} is not in {said:?}");
        }
        // A command that works on the kernel without an agent does not touch it either.
        let block = siege
            .home()
            .command(&["block-ip", "192.0.2.201", "--ttl", "1h"])?
            .output()?;
        ensure!(block.status.success(), "{}", String::from_utf8_lossy(&block.stderr));
        ensure!(fs::read(&file)? == newer, "{name} was touched");
        ensure!(
            fs::read_dir(pins(&siege, PIN_VERSION))?.count() == pinned,
            "pins were touched"
        );

        fs::write(&file, &ours)?;
        siege.start_agent()?;
        siege.nothing_is_lost()?;
        let list = siege.home().ask(&["list"])?;
        ensure!(list.contains("192.0.2.201"), "what was blocked meanwhile: {list}");
        siege.home().ask(&["unblock-ip", "192.0.2.201"])?;
        let kept = "the file, to the byte; everything in the kernel; the right version starts again";
        siege
            .outcome(&format!("a {noun} that a newer version wrote: refused"), kept)?
            .held()?;
        siege.begin(Held::Blackholed)?;
    }
    Ok(())
}

/// The other agent, as it was released.
struct Previous {
    binary: PathBuf,
    version: String,
}

impl Previous {
    fn find() -> Result<Self> {
        let variable =
            |name: &str| env::var(name).with_context(|| format!("{name} is not set: run `cargo xtask test --upgrade`"));
        Ok(Self {
            binary: variable("LEVEE_PREVIOUS")?.into(),
            version: variable("LEVEE_PREVIOUS_VERSION")?,
        })
    }

    /// Starts it in place of ours, and waits until it answers.
    fn start(&self, siege: &mut Siege) -> Result<Running> {
        drop(siege.take_agent());
        let home = siege.home();
        let log = fs::OpenOptions::new().append(true).create(true).open(home.log())?;
        let mut command: Command = siege.topology().balancer().command(&self.binary);
        command
            .arg("--config")
            .arg(home.config())
            .arg("--socket")
            .arg(home.socket())
            .arg("run");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut running = Running::start(siege.topology().lab(), command, Manner::default())?;
        until_within(PATIENCE, "the previous release answers", || {
            if let Some(status) = running.ended()? {
                bail!("it ended ({status}): {}", end_of(&home.log()));
            }
            let status = home.command(&["status"])?.output()?;
            Ok(status.status.success() && !String::from_utf8_lossy(&status.stdout).contains("not running"))
        })?;
        Ok(running)
    }
}

fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// The long form: from nothing by the previous release, to this one, back, and forth again.
#[test]
#[ignore = "needs the previous release: `cargo xtask test --upgrade`"]
fn the_previous_release_becomes_this_one_and_back() -> Result<()> {
    let _turn = alone::wait()?;
    let previous = Previous::find()?;
    let mut siege = Siege::lay(Section::Upgrade)?;
    siege.kill_agent()?;
    siege.home().ask(&["detach"])?;
    fs::remove_dir_all(siege.home().directory().join("state")).context("cannot remove the state")?;
    let mut old = previous.start(&mut siege)?;
    siege.hold()?;
    for (turn, held) in [(1, Held::Blocked), (2, Held::Blackholed)] {
        siege.begin(held)?;
        siege.from_here()?;
        let before = once_counted(&siege)?;
        old.stop()?;
        siege.start_agent()?;
        siege.nothing_is_lost()?;
        counted_on(&before, &siege)?;
        thread::sleep(MEANWHILE);
        let what = format!("{} to this version, time {turn}", previous.version);
        siege
            .outcome(&what, "list, blocks, blackholes; counters continue")?
            .held()?;

        let before = once_counted(&siege)?;
        siege.agent()?.process().stop()?;
        old = previous.start(&mut siege)?;
        siege.nothing_is_lost()?;
        counted_on(&before, &siege)?;
        thread::sleep(MEANWHILE);
        let what = format!("this version back to {}, time {turn}", previous.version);
        siege
            .outcome(&what, "list, blocks, blackholes; counters continue")?
            .held()?;
    }
    Ok(())
}
