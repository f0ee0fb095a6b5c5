//! The agent comes and goes; protection stays. Killed, stopped, restarted, reloaded, detached, and configured wrongly.

use std::{
    fs,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    actor::Actor,
    alone, binary, command, customer,
    levee::{Agent, Drops, Home, Settings},
    server,
    topology::{BALANCER_INTERFACE, Topology},
};
use nix::sys::signal::Signal;
use xdp_common::Reason;

const VIP4: &str = "198.51.100.10";
const VIP6: &str = "2001:db8:1::10";
const CUSTOMER4: &str = "203.0.113.7";
const CUSTOMER6: &str = "2001:db8:c:7::1";

/// A load balancer with its web server and agent.
fn guarded(settings: &Settings) -> Result<(lab::child::Running, Agent, Topology)> {
    let topology = Topology::routed()?;
    let server = server::start(&topology, false)?;
    let agent = Agent::start(&topology, settings, false)?;
    Ok((server, agent, topology))
}

/// What the kernel says about XDP on the load balancer's interface: the program's id, if there is one.
fn attached(topology: &Topology) -> Result<Option<String>> {
    let mut ip = topology.balancer().command("ip");
    let text = command::output(ip.args(["-details", "link", "show", "dev", BALANCER_INTERFACE]))?;
    Ok(text
        .split("prog/xdp id ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .map(ToOwned::to_owned))
}

/// Runs a command of the agent whatever its exit code.
fn try_ask(home: &Home, arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
    let Output { status, stdout, stderr } = home.command(arguments)?.output()?;
    Ok((status.code(), String::from_utf8(stdout)?, String::from_utf8(stderr)?))
}

/// Waits until `held` is true, for at most `patience`.
fn within(patience: Duration, mut held: impl FnMut() -> Result<bool>) -> Result<bool> {
    let start = Instant::now();
    while start.elapsed() < patience {
        if held()? {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(50));
    }
    held()
}

#[test]
fn killed_in_mid_flood_the_drops_go_on_and_a_restart_takes_over() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, mut agent, topology) = guarded(&Settings::default())?;
    let home = agent.home().clone();
    let drops = Drops::open(topology.lab())?;
    let mut flood = Actor::flood(&topology, &["--rate", "30000", "--seconds", "20"])?;
    assert!(
        within(Duration::from_secs(5), || Ok(drops.total()? > 1_000))?,
        "the flood is dropped"
    );
    let program = attached(&topology)?.context("no program is attached")?;

    agent.process().kill()?;
    let killed_at = drops.total()?;
    let load = Actor::load(&topology, &["--open", "200", "--seconds", "2"])?.load_report()?;
    let dead_drops = drops.total()? - killed_at;
    assert!(
        dead_drops > 10_000,
        "only {dead_drops} dropped in 2 s without the agent"
    );
    assert_eq!(
        load.succeeded, load.requests,
        "customers are served without the agent: {load:?}"
    );
    assert_eq!(attached(&topology)?, Some(program));
    let (code, out, said) = try_ask(&home, &["status"])?;
    assert!(
        code == Some(0) && (out.clone() + &said).contains("not running"),
        "{code:?} {out}{said}"
    );

    let agent = Agent::start_as_configured(&topology, false)?;
    let counted = home.packets(Reason::SourceRate)?;
    assert!(
        counted >= killed_at + dead_drops,
        "{counted} after the restart, {} before it",
        killed_at + dead_drops
    );
    let restarted_at = drops.total()?;
    assert!(
        within(Duration::from_secs(2), || Ok(drops.total()? > restarted_at + 1_000))?,
        "the flood is still dropped"
    );
    assert!(attached(&topology)?.is_some());
    flood.stop()?;
    let report = flood.flood_report()?;
    thread::sleep(Duration::from_millis(1_500));
    // Nothing slipped through while programs were exchanged: 400 sources, 25 at once and 25 per second, and customers.
    let passed = home.packets(Reason::Syn)?;
    let most = 400.0 * (25.0 + 25.0 * report.seconds) * 1.1 + load.requests as f64;
    assert!((passed as f64) < most, "{passed} SYNs passed, at most {most} should");
    drop(agent);
    Ok(())
}

#[test]
fn times_to_live_run_out_with_the_agent_dead() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, mut agent, topology) = guarded(&Settings::default())?;
    let home = agent.home().clone();
    home.ask(&["block-ip", CUSTOMER4, "--ttl", "8s"])?;
    home.ask(&["block-ip", VIP6, "--ttl", "8s"])?;
    let start = Instant::now();
    agent.process().kill()?;
    assert!(!customer::is_served(&topology, CUSTOMER4, VIP4)?, "still blocked");
    assert!(!customer::is_served(&topology, CUSTOMER6, VIP6)?, "still blackholed");
    ensure!(
        start.elapsed() < Duration::from_secs(8),
        "the machine is too slow for this test: {:?}",
        start.elapsed()
    );
    thread::sleep(Duration::from_millis(8_200).saturating_sub(start.elapsed()));
    assert!(
        customer::is_served(&topology, CUSTOMER4, VIP4)?,
        "the block has run out"
    );
    assert!(
        customer::is_served(&topology, CUSTOMER6, VIP6)?,
        "the blackhole has run out"
    );
    Ok(())
}

#[test]
fn commands_work_without_the_agent_and_it_adopts_them() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, mut agent, topology) = guarded(&Settings::default())?;
    let home = agent.home().clone();
    home.ask(&["block-ip", "203.0.113.9", "--ttl", "1h", "--reason", "before"])?;
    agent.process().kill()?;
    for (arguments, effect) in [
        (&["block-ip", CUSTOMER4, "--ttl", "5m"][..], "203.0.113.7"),
        (&["block-ip", VIP6, "--ttl", "5m"][..], "2001:db8:1::10"),
        (&["unblock-ip", "203.0.113.9"][..], "203.0.113.9"),
    ] {
        let (code, out, said) = try_ask(&home, arguments)?;
        assert_eq!(code, Some(0), "{arguments:?}: {out}{said}");
        assert!(
            out.contains(effect) && (out + &said).contains("not running"),
            "{arguments:?}: {said}"
        );
    }
    assert!(!customer::is_served(&topology, CUSTOMER4, VIP4)?);
    assert!(!customer::is_served(&topology, CUSTOMER6, VIP6)?);
    assert!(customer::is_served(&topology, "203.0.113.9", VIP4)?);
    let list = home.ask(&["list"])?;
    assert!(list.contains(CUSTOMER4) && list.contains(VIP6), "{list}");

    let _agent = Agent::start_as_configured(&topology, false)?;
    let list = home.ask(&["list"])?;
    assert!(
        list.contains(CUSTOMER4) && list.contains(VIP6) && !list.contains("203.0.113.9"),
        "{list}"
    );
    assert!(!customer::is_served(&topology, CUSTOMER4, VIP4)?, "the restart kept it");
    Ok(())
}

#[test]
fn blocks_and_thresholds_survive_a_reboot() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, mut agent, topology) = guarded(&Settings::default())?;
    let home = agent.home().clone();
    home.ask(&["block-ip", CUSTOMER4, "--ttl", "1h", "--reason", "ticket 4711"])?;
    home.ask(&["allow-ip", "203.0.113.8"])?;
    home.ask(&["threshold", "set", VIP4, "--syn-rate", "7k/s"])?;
    agent.process().stop()?;
    assert!(attached(&topology)?.is_some(), "stopping leaves protection in place");
    // A reboot empties the kernel and keeps the disk.
    home.ask(&["detach"])?;
    assert_eq!(attached(&topology)?, None, "detach takes protection off");
    assert!(customer::is_served(&topology, CUSTOMER4, VIP4)?);

    let _agent = Agent::start_as_configured(&topology, false)?;
    assert!(!customer::is_served(&topology, CUSTOMER4, VIP4)?, "blocked again");
    let list = home.ask(&["list"])?;
    assert!(list.contains("ticket 4711") && list.contains("203.0.113.8"), "{list}");
    let thresholds = home.ask(&["threshold", "get"])?;
    assert!(thresholds.contains("7k/s"), "{thresholds}");
    Ok(())
}

#[test]
fn a_reload_applies_as_a_whole_or_not_at_all() -> Result<()> {
    let _turn = alone::wait()?;
    let settings = Settings::default();
    let (_server, agent, topology) = guarded(&settings)?;
    let home = agent.home().clone();
    let drops = Drops::open(topology.lab())?;

    let blocking = Settings {
        source_syn_rate: 1_000,
        source_syn_burst: 2_000,
        ..settings.clone()
    };
    home.configure(topology.lab(), &blocking)?;
    let changes = home.ask(&["reload"])?;
    assert!(changes.contains("1k/s"), "what changed is printed: {changes}");
    assert!(home.ask(&["threshold", "get"])?.contains("1k/s"));

    let good = fs::read_to_string(home.config())?;
    fs::write(home.config(), good.replace("syn_burst = 2000", "syn_brust = 9"))?;
    let (code, out, said) = try_ask(&home, &["reload"])?;
    assert!(
        code == Some(2) && said.contains("syn_brust") && said.contains("syn_burst"),
        "{code:?} {out} {said}"
    );
    agent_signals(&topology, &home)?;
    assert!(
        home.ask(&["threshold", "get"])?.contains("1k/s"),
        "a bad file changes nothing"
    );
    Actor::flood(&topology, &["--rate", "20000", "--seconds", "1"])?.flood_report()?;
    assert_eq!(drops.total()?, 0, "50 SYNs per second of each source are within 1,000");
    drop(agent);
    Ok(())
}

/// SIGHUP reads the file too, and a bad one leaves the agent running.
fn agent_signals(topology: &Topology, home: &Home) -> Result<()> {
    let status = home.ask_json(&["status"])?;
    let pid = status["daemon"]["pid"]
        .as_i64()
        .context("`agent status` names no process")?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(pid)?), Signal::SIGHUP)?;
    let log = topology.lab().path("agent").join("agent.log");
    let noticed = within(Duration::from_secs(5), || {
        Ok(fs::read_to_string(&log)?.contains("syn_brust"))
    })?;
    ensure!(noticed, "SIGHUP: the log says nothing of the bad file");
    home.ask(&["status"])?;
    Ok(())
}

#[test]
fn a_second_agent_is_refused() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    let home = agent.home();
    let (code, out, said) = try_ask(home, &["run"])?;
    assert!(
        code == Some(1) && said.contains("another agent"),
        "the same configuration: {code:?} {out}{said}"
    );

    // Nothing in common but the interface.
    let own = topology.lab().path("agent").display().to_string();
    let other = topology.lab().path("other");
    fs::create_dir_all(other.join("bpf"))?;
    let text = fs::read_to_string(home.config())?
        .replace(&own, &other.display().to_string())
        .replace(
            &topology.lab().bpf_directory().display().to_string(),
            &other.join("bpf").display().to_string(),
        );
    let config = other.join("agent.toml");
    fs::write(&config, text + "\n[metrics]\nlisten = \"off\"\n")?;
    let mut second = topology.balancer().command(binary::agent()?);
    let output = second.arg("--config").arg(&config).arg("run").output()?;
    let said = String::from_utf8(output.stderr)?;
    // The agent mounted it; nobody else will take it away.
    let _not_mounted = Command::new("umount").arg(other.join("bpf")).output();
    assert!(
        output.status.code() == Some(1) && said.contains(BALANCER_INTERFACE),
        "{:?} {said}",
        output.status
    );
    assert!(attached(&topology)?.is_some());
    home.ask(&["status"])?;
    Ok(())
}

#[test]
fn a_bad_configuration_is_refused_before_anything_is_touched() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let home = Home::of(&topology);
    home.configure(topology.lab(), &Settings::default())?;
    let good = fs::read_to_string(home.config())?;
    for (from, to, named) in [
        ("mode = \"enforce\"", "mdoe = \"enforce\"", "mode"),
        ("mode = \"enforce\"", "mode = \"enforced\"", "enforce"),
        ("interfaces = [\"lb0\"]", "interfaces = [\"lb7\"]", "lb7"),
        ("syn_rate = 25", "syn_rate = \"25 kilos\"", "25 kilos"),
        ("\"198.51.100.10\"", "\"198.51.100.10/64\"", "198.51.100.10/64"),
    ] {
        ensure!(good.contains(from), "{from} is not in {good}");
        fs::write(home.config(), good.replacen(from, to, 1))?;
        for verb in ["check-config", "run"] {
            let (code, out, said) = try_ask(&home, &[verb])?;
            assert!(matches!(code, Some(1 | 2)), "{verb} with {to}: {code:?} {out}{said}");
            assert!(said.contains(named), "{verb} with {to}: {said}");
        }
        assert_eq!(attached(&topology)?, None, "{to}");
    }
    fs::write(home.config(), good)?;
    home.ask(&["check-config"])?;
    Ok(())
}

#[test]
fn an_unreadable_ledger_is_kept_aside() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, mut agent, topology) = guarded(&Settings::default())?;
    let home = agent.home().clone();
    home.ask(&["block-ip", CUSTOMER4, "--ttl", "1h"])?;
    agent.process().stop()?;
    let state = topology.lab().path("agent").join("state");
    let ledger = state.join("ledger.db");
    for extra in ["ledger.db-wal", "ledger.db-shm"] {
        // Gone already if the agent ended well.
        let _gone = fs::remove_file(state.join(extra));
    }
    fs::write(&ledger, b"this was a database once")?;
    let _agent = Agent::start_as_configured(&topology, false)?;
    let kept: Vec<_> = fs::read_dir(&state)?
        .flatten()
        .filter_map(|entry| fs::read(entry.path()).ok())
        .collect();
    assert!(
        kept.iter().any(|bytes| bytes == b"this was a database once"),
        "kept aside, not overwritten"
    );
    assert!(
        !customer::is_served(&topology, CUSTOMER4, VIP4)?,
        "what the kernel held is held"
    );
    assert!(home.ask(&["list"])?.contains(CUSTOMER4), "and adopted");
    Ok(())
}

#[test]
fn every_verb_answers_people_and_machines() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    let home = agent.home();
    let verbs: [&[&str]; 20] = [
        &["check-config"],
        &["status"],
        &["stats"],
        &["stats", VIP4],
        &["sources"],
        &["block-ip", "198.18.7.7", "--ttl", "10m", "--reason", "test"],
        &["block-ip", "198.18.8.0/24", "--as", "source"],
        &["allow-ip", "198.18.9.0/24"],
        &["list"],
        &["unblock-ip", "198.18.7.7"],
        &["unblock-ip", "198.18.8.0/24"],
        &["unallow-ip", "198.18.9.0/24"],
        &["threshold", "set", VIP6, "--syn-rate", "9k/s", "--syn-burst", "9k"],
        &["threshold", "get"],
        &["threshold", "get", VIP6],
        &["threshold", "unset", VIP6],
        &["mode", "set", "monitor"],
        &["mode", "get"],
        &["mode", "set", "enforce"],
        &["reload"],
    ];
    for verb in verbs {
        let said = home.ask(verb)?;
        assert!(!said.trim().is_empty(), "{verb:?} says nothing");
    }
    for verb in verbs {
        home.ask_json(verb)?;
    }
    home.ask_json(&["detach"])?;
    assert_eq!(attached(&topology)?, None);
    let example = home.ask(&["config", "example"])?;
    assert!(example.contains("interfaces") && example.contains("# "), "{example}");
    Ok(())
}

#[test]
fn a_list_holds_while_the_agent_is_dead_and_follows_its_file_when_it_lives() -> Result<()> {
    let _turn = alone::wait()?;
    let list = tempfile::NamedTempFile::new()?;
    let write = |text: &str| fs::write(list.path(), text).context("cannot write the list");
    write(&format!("{CUSTOMER4}\n2001:db8:c:7::/64 # a customer of ours\n"))?;
    let settings = Settings {
        more: format!(
            "[[list]]\nname = \"drop\"\nfrom = {:?}\naction = \"block\"\nrefresh = \"1s\"\n",
            list.path()
        ),
        ..Settings::default()
    };
    let (_server, mut agent, topology) = guarded(&settings)?;
    let home = agent.home().clone();
    let counts = |home: &Home| -> Result<(u64, u64, u64)> {
        let lists = home.ask_json(&["lists"])?;
        let of = |key: &str| lists[0][key].as_u64().unwrap_or(0);
        Ok((of("v4"), of("v6"), of("packets")))
    };
    let patience = Duration::from_secs(5);
    assert!(
        within(patience, || Ok(counts(&home)?.0 == 1))?,
        "{}",
        home.ask(&["lists"])?
    );
    assert!(!customer::is_served(&topology, CUSTOMER4, VIP4)?, "in the list");
    assert!(!customer::is_served(&topology, CUSTOMER6, VIP6)?, "in the list");
    assert!(customer::is_served(&topology, "203.0.113.9", VIP4)?, "beside it");

    agent.process().kill()?;
    assert!(!customer::is_served(&topology, CUSTOMER4, VIP4)?, "still in the list");
    let (v4, v6, packets) = counts(&home)?;
    assert_eq!((v4, v6), (1, 1), "told from the maps alone");
    assert!(packets > 0, "its packets are counted");
    drop(agent);

    let agent = Agent::start_as_configured(&topology, false)?;
    assert!(
        within(patience, || Ok(counts(&home)?.2 >= packets))?,
        "the restart goes on counting: {}",
        home.ask(&["lists"])?
    );
    write("2001:db8:c:7::/64\n")?;
    assert!(
        within(patience, || customer::is_served(&topology, CUSTOMER4, VIP4))?,
        "not in the list any more: {}",
        home.ask(&["lists"])?
    );
    assert!(!customer::is_served(&topology, CUSTOMER6, VIP6)?, "still in the list");
    let status = home.ask(&["status"])?;
    assert!(
        status.contains("block drop: 1 prefix, ") && !status.contains("list drop"),
        "{status}"
    );
    drop(agent);
    Ok(())
}
