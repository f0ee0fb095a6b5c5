//! Floods against the running agent: what is over its threshold is dropped, who is below is served.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    actor::Actor,
    alone, command, customer,
    levee::{Agent, Drops, Home, Settings},
    server::{self, BODY},
    topology::Topology,
};
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

/// Waits until the agent's counters have been read after everything that was sent.
fn settle() {
    thread::sleep(Duration::from_millis(1_500));
}

#[test]
fn a_botnet_loses_its_excess_and_customers_are_served() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    let drops = Drops::open(topology.lab())?;
    let flood = Actor::flood(&topology, &["--rate", "40000", "--seconds", "4"])?;
    let load = Actor::load(&topology, &["--open", "300", "--seconds", "3"])?.load_report()?;
    let flood = flood.flood_report()?;
    settle();
    assert_eq!(load.succeeded, load.requests, "{load:?}");
    let dropped = drops.total()?;
    assert_eq!(
        agent.home().packets(Reason::SourceRate)?,
        dropped,
        "every drop has this reason, and is counted"
    );
    // 400 sources, each with 25 at once and 25 per second; customers are the rest.
    let most = 400.0 * (25.0 + 25.0 * flood.seconds) * 1.1 + load.requests as f64;
    let passed = agent.home().packets(Reason::Syn)?;
    assert!(
        (passed as f64) < most,
        "{passed} SYNs passed, at most {most} should: {flood:?}"
    );
    assert!(
        dropped > 0 && passed + dropped > flood.packets() / 2,
        "{passed} passed, {dropped} dropped: {flood:?}"
    );
    let sources = agent.home().ask(&["sources"])?;
    assert!(
        sources.contains("198.18.") && !sources.contains("203.0.113."),
        "customers are no heavy sources: {sources}"
    );
    Ok(())
}

#[test]
fn monitor_counts_what_enforce_would_drop_and_drops_nothing() -> Result<()> {
    let _turn = alone::wait()?;
    let settings = Settings {
        mode: "monitor",
        ..Settings::default()
    };
    let (_server, agent, topology) = guarded(&settings)?;
    let drops = Drops::open(topology.lab())?;
    Actor::flood(&topology, &["--rate", "30000", "--seconds", "1"])?.flood_report()?;
    settle();
    assert_eq!(drops.total()?, 0);
    assert!(
        agent.home().packets(Reason::SourceRate)? > 1_000,
        "{}",
        agent.home().ask(&["stats"])?
    );
    agent.home().ask(&["mode", "set", "enforce"])?;
    Actor::flood(&topology, &["--rate", "30000", "--seconds", "1"])?.flood_report()?;
    assert!(drops.total()? > 1_000, "armed by a map write");
    Ok(())
}

/// How many SYNs an agent with `settings` admits of a flood, and for how many seconds it ran.
fn admitted(settings: &Settings, flood: &[&str]) -> Result<(u64, f64)> {
    let (_server, agent, topology) = guarded(settings)?;
    let before = agent.home().packets(Reason::Syn)?;
    let report = Actor::flood(&topology, flood)?.flood_report()?;
    settle();
    Ok((agent.home().packets(Reason::Syn)? - before, report.seconds))
}

#[test]
fn the_admitted_rate_is_the_threshold() -> Result<()> {
    let _turn = alone::wait()?;
    let settings = Settings {
        source_syn_rate: 1_000,
        source_syn_burst: 1_000,
        address_syn_rate: 3_000,
        address_syn_burst: 3_000,
        // Over its rate the address drops, and asks for no proofs.
        more: format!("[[address]]\naddress = \"{VIP4}\"\nrung = \"limit\"\n"),
        ..Settings::default()
    };
    let common = ["--rate", "20000", "--seconds", "4", "--target"];
    let floods: [(&[&str], f64); 3] = [
        (&[VIP4, "--sources", "one", "--source", "198.18.9.9"], 1_000.0),
        (&[VIP6, "--sources", "one", "--source", "2001:db8:b000:9::9"], 1_000.0),
        (&[VIP4, "--sources", "spoofed", "--v6-percent", "0"], 3_000.0),
    ];
    for (flood, rate) in floods {
        let (admitted, seconds) = admitted(&settings, &[&common, flood].concat())?;
        let right = rate * (1.0 + seconds);
        let off = (admitted as f64 - right).abs() / right;
        assert!(
            off < 0.1,
            "{flood:?}: {admitted} SYNs admitted in {seconds} s, {right} would be right"
        );
    }
    Ok(())
}

#[test]
fn hping3_is_dropped_while_curl_and_wrk_are_served() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    let drops = Drops::open(topology.lab())?;
    let mut hping3 = topology.attacker().command("timeout");
    hping3.args(["8", "hping3", "-q", "-S", "-p", "80", "-i", "u100", "-c", "30000", VIP4]);
    let mut hping3 = hping3
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    thread::sleep(Duration::from_millis(500));
    assert!(customer::is_served(&topology, CUSTOMER4, VIP4)?);
    assert!(customer::is_served(&topology, CUSTOMER6, VIP6)?);
    // All of wrk's few connections come from one address, and stay.
    let mut wrk = topology.client().command("wrk");
    let said = command::output(wrk.args(["-t1", "-c4", "-d1s", "--latency", &format!("http://{VIP4}/")]))?;
    hping3.wait()?;
    assert!(
        said.contains("requests in") && !said.contains("Socket errors"),
        "{said}"
    );
    settle();
    let dropped = drops.total()?;
    assert!(
        dropped > 1_000,
        "only {dropped} of hping3's SYNs were dropped: {}",
        agent.home().ask(&["stats"])?
    );
    let sources = agent.home().ask(&["sources"])?;
    assert!(sources.contains("192.0.2.10"), "{sources}");
    Ok(())
}

#[test]
fn blocked_sources_are_dropped_until_they_are_unblocked() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    for (source, other, vip) in [(CUSTOMER4, "203.0.113.8", VIP4), (CUSTOMER6, "2001:db8:c:8::1", VIP6)] {
        assert!(customer::is_served(&topology, source, vip)?);
        agent
            .home()
            .ask(&["block-ip", source, "--ttl", "5m", "--reason", "test"])?;
        assert!(!customer::is_served(&topology, source, vip)?, "{source} is blocked");
        assert!(customer::is_served(&topology, other, vip)?, "{other} is not");
        agent.home().ask(&["unblock-ip", source])?;
        assert!(customer::is_served(&topology, source, vip)?, "{source} is unblocked");
    }
    // The longest prefix decides.
    agent.home().ask(&["block-ip", "203.0.113.0/24"])?;
    agent.home().ask(&["allow-ip", CUSTOMER4])?;
    assert!(!customer::is_served(&topology, "203.0.113.8", VIP4)?);
    assert!(customer::is_served(&topology, CUSTOMER4, VIP4)?);
    Ok(())
}

/// A connection to the web server that was there before.
fn established(topology: &Topology, vip: &str) -> Result<TcpStream> {
    let address = SocketAddr::new(vip.parse::<IpAddr>()?, server::PORT);
    let stream = topology
        .client()
        .enter(|| Ok(TcpStream::connect_timeout(&address, Duration::from_secs(2))?))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(stream)
}

fn answers(stream: &mut TcpStream) -> bool {
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n");
    let mut answer = Vec::new();
    let mut part = [0; 512];
    while asked.is_ok() && !answer.ends_with(BODY.as_bytes()) {
        match stream.read(&mut part) {
            Ok(length @ 1..) => answer.extend_from_slice(&part[..length]),
            Ok(0) | Err(_) => return false,
        }
    }
    asked.is_ok()
}

/// Whether a connection from the load balancer's protected address to a customer's server is answered.
fn can_connect_out(topology: &Topology, from: &str, customer: &str) -> Result<bool> {
    let address = SocketAddr::new(customer.parse()?, 8_080);
    let listener = topology.client().enter(|| Ok(TcpListener::bind(address)?))?;
    let serve = thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _peer) = listener.accept()?;
        let _request = stream.read(&mut [0; 512])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n")
    });
    let mut curl = topology.balancer().command("curl");
    curl.args([
        "--silent",
        "--max-time",
        "3",
        "--interface",
        from,
        &format!("http://{address}/"),
    ]);
    let output = curl.output()?;
    if !serve.is_finished() {
        // Nobody came: come ourselves, so that the thread ends.
        let _come = topology
            .client()
            .enter(|| Ok(TcpStream::connect(address)?.write_all(b"\n")?));
    }
    ensure!(serve.join().is_ok(), "the customer's server panicked");
    Ok(output.status.success() && output.stdout == b"hi\n")
}

#[test]
fn a_blackhole_lets_live_what_was_there_and_what_we_began() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    for (vip, customer) in [(VIP4, CUSTOMER4), (VIP6, CUSTOMER6)] {
        let mut old = established(&topology, vip)?;
        assert!(answers(&mut old));
        agent.home().ask(&["block-ip", vip, "--ttl", "5m"])?;
        assert!(established(&topology, vip).is_err(), "{vip}: new connections die");
        assert!(answers(&mut old), "{vip}: established connections live");
        assert!(
            can_connect_out(&topology, vip, customer)?,
            "{vip}: replies to our own connections live"
        );
        agent.home().ask(&["unblock-ip", vip])?;
        agent.home().ask(&["block-ip", vip, "--ttl", "5m", "--all"])?;
        assert!(!answers(&mut old), "{vip}: --all drops established connections too");
        assert!(
            !can_connect_out(&topology, vip, customer)?,
            "{vip}: --all drops replies too"
        );
        agent.home().ask(&["unblock-ip", vip])?;
        assert!(established(&topology, vip).is_ok(), "{vip}: back in service");
    }
    Ok(())
}

#[test]
fn the_allowlist_is_above_every_threshold() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    let drops = Drops::open(topology.lab())?;
    agent.home().ask(&["allow-ip", "198.18.9.9"])?;
    let one = [
        "--sources",
        "one",
        "--source",
        "198.18.9.9",
        "--target",
        VIP4,
        "--rate",
        "5000",
        "--seconds",
        "1",
    ];
    let report = Actor::flood(&topology, &one)?.flood_report()?;
    settle();
    assert_eq!(drops.total()?, 0);
    let allowed = agent.home().packets(Reason::Allowed)?;
    assert!(allowed > report.packets() / 2, "{allowed} of {report:?}");
    Ok(())
}

#[test]
fn metrics_and_json_say_the_same() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    Actor::flood(&topology, &["--rate", "20000", "--seconds", "1"])?.flood_report()?;
    settle();
    let mut curl = topology.balancer().command("curl");
    let metrics = command::output(curl.args(["--silent", "--fail", "http://127.0.0.1:9666/metrics"]))?;
    let counted: f64 = metrics
        .lines()
        .filter(|line| line.contains("reason=\"source_rate\"") && line.contains("_total{"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    let dropped = agent.home().packets(Reason::SourceRate)?;
    assert!(
        dropped > 0 && counted as u64 == dropped,
        "{counted} in the metrics, {dropped} in the stats"
    );
    let socket = Home::of(&topology).socket();
    let mut curl = topology.balancer().command("curl");
    curl.arg("--silent")
        .arg("--fail")
        .arg("--unix-socket")
        .arg(&socket)
        .arg("http://agent/v1/status");
    let status: serde_json::Value =
        serde_json::from_str(&command::output(&mut curl)?).context("the control socket speaks JSON")?;
    assert_eq!(status["protected"], 16, "{status}");
    Ok(())
}

/// A network full of bots, each of them light.
#[test]
fn a_botnet_in_one_network_shows_as_its_prefix() -> Result<()> {
    let _turn = alone::wait()?;
    let (_server, agent, topology) = guarded(&Settings::default())?;
    let bots = [
        "--sources",
        "range",
        "--source",
        "198.19.77.0",
        "--count",
        "256",
        "--target",
        VIP4,
        "--udp",
        "--rate",
        "100000",
        "--seconds",
        "4",
    ];
    Actor::flood(&topology, &bots)?.flood_report()?;
    settle();
    let prefixes = agent.home().ask_json(&["sources", "--prefixes"])?;
    let first = &prefixes["prefixes"][0];
    assert_eq!(first["prefix"], "198.19.77.0/24", "{prefixes:#}");
    assert!(first["share"].as_f64().is_some_and(|share| share > 0.9), "{prefixes:#}");
    let sources = agent.home().ask_json(&["sources", "--limit", "300"])?;
    let bots = sources["sources"].as_array().context("sources")?;
    let of_the_network = |view: &&serde_json::Value| {
        view["source"]
            .as_str()
            .is_some_and(|text| text.starts_with("198.19.77."))
    };
    let found = bots.iter().filter(of_the_network).count();
    assert!(found > 250, "{found} of 256 bots: {sources:#}");
    let status = agent.home().ask(&["status"])?;
    assert!(status.contains("198.19.77.0/24"), "{status}");
    let stderr = topology
        .balancer()
        .command("curl")
        .args(["--silent", "http://127.0.0.1:9666/metrics"])
        .output()?;
    let metrics = String::from_utf8_lossy(&stderr.stdout);
    assert!(
        metrics.contains("top_prefix_packets_per_second{prefix=\"198.19.77.0/24\"}"),
        "{metrics}"
    );
    Ok(())
}
