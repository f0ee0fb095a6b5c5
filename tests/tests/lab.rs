//! The lab itself: what it makes goes away, its generator goes nowhere else, and its floods are what they claim to be.

use std::{
    collections::BTreeSet,
    fs,
    net::IpAddr,
    path::Path,
    process::{Command, Output, Stdio},
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lab::{
    actor::Actor,
    addresses, alone, binary,
    flood::{self, Flood, Options, Payload, Sources},
    interface, netns,
    packet::flag,
    server,
    topology::{BALANCER_INTERFACE, Topology, WIRE_INTERFACE},
};
use pcap_file::pcap::PcapReader;

fn a_flood(topology: &Topology, sources: Sources, rate_pps: u32) -> Flood {
    Flood {
        interface: topology.flood_interface().to_owned(),
        sources,
        targets: addresses::vips(),
        port: 80,
        payload: Payload::SYN,
        vlans: vec![],
        rate_pps: Some(rate_pps),
        duration: Duration::from_secs(1),
    }
}

fn flood(topology: &Topology, flood: &Flood) -> Result<flood::Report> {
    topology.attacker().enter(|| flood::run(flood, &AtomicBool::new(false)))
}

#[test]
fn a_lab_comes_and_goes() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let names = [
        topology.client(),
        topology.attacker(),
        topology.wire(),
        topology.balancer(),
    ]
    .map(|n| n.name().to_owned());
    let directory = topology.lab().path("");
    assert!(names.iter().all(|name| netns::path(name).exists()), "{names:?}");
    assert!(directory.join("bpf").is_dir());
    drop(topology);
    assert!(names.iter().all(|name| !netns::path(name).exists()), "{names:?}");
    assert!(!directory.exists(), "{} is still there", directory.display());
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    assert!(
        !mounts.contains(&directory.display().to_string()),
        "a mount was left behind"
    );
    Ok(())
}

#[test]
fn customers_are_served_at_both_families_in_both_topologies() -> Result<()> {
    let _turn = alone::wait()?;
    for topology in [Topology::routed()?, Topology::direct()?] {
        let _server = server::start(&topology, false)?;
        let report = Actor::load(&topology, &["--open", "200", "--seconds", "2"])?.load_report()?;
        assert_eq!(report.succeeded, report.requests, "{report:?}");
        assert!((390..=410).contains(&report.requests), "{report:?}");
        let closed = Actor::load(&topology, &["--closed", "4", "--seconds", "0.5"])?.load_report()?;
        assert_eq!(closed.succeeded, closed.requests, "{closed:?}");
        assert!(closed.requests > 20, "{closed:?}");
    }
    Ok(())
}

/// Starts `lab demo` and ends it with `signal` when its web server runs.
fn demo_ended_by(signal: &str) -> Result<(u32, Output)> {
    let mut command = Command::new(binary::lab()?);
    // Interrupted before it comes to the agent, so any program will do.
    command
        .arg("demo")
        .env("AGENT", "/bin/true")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let demo = command.spawn().context("cannot start lab demo")?;
    let records = Path::new("/run/levee-lab").join(demo.id().to_string()).join("pids");
    let start = Instant::now();
    while !fs::read_to_string(&records).is_ok_and(|text| text.lines().count() >= 2) {
        ensure!(
            start.elapsed() < Duration::from_secs(60),
            "the demonstration did not start its processes"
        );
        thread::sleep(Duration::from_millis(10));
    }
    let pid = demo.id();
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status()?;
    ensure!(sent.success(), "cannot send {signal}");
    Ok((pid, demo.wait_with_output()?))
}

fn traces_of(pid: u32) -> Vec<String> {
    let name = pid.to_string();
    let listed = |directory: &str| fs::read_dir(directory).into_iter().flatten().flatten();
    listed("/run/netns")
        .chain(listed("/run/levee-lab"))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|entry| entry.split('-').any(|part| part == name))
        .collect()
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() -> Result<()> {
    for signal in ["-INT", "-TERM"] {
        let (pid, output) = demo_ended_by(signal)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(130 | 143)),
            "{:?} {said}",
            output.status
        );
        assert!(said.contains("taking the lab down"), "{said}");
        assert_eq!(traces_of(pid), Vec::<String>::new(), "{said}");
    }
    Ok(())
}

#[test]
fn the_remains_of_a_killed_lab_are_swept_away() -> Result<()> {
    let (pid, _output) = demo_ended_by("-KILL")?;
    assert!(!traces_of(pid).is_empty(), "a killed process cannot have cleaned up");
    let down = Command::new(binary::lab()?).arg("down").output()?;
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(traces_of(pid), Vec::<String>::new());
    Ok(())
}

/// Asks for a flood in a namespace (or in the machine's own) and returns what was said about it.
fn refused(namespace: Option<&str>, interface: &str) -> Result<String> {
    let mut command = match namespace {
        Some(name) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name]).arg(binary::lab()?);
            command
        }
        None => Command::new(binary::lab()?),
    };
    let output = command
        .args(["flood", "--interface", interface, "--rate", "1", "--seconds", "0.1"])
        .output()?;
    ensure!(
        output.status.code() == Some(1),
        "{:?}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stderr)?)
}

/// A namespace that is no lab's, with a veth in it.
struct Stranger(String);

impl Stranger {
    fn create() -> Result<Self> {
        let name = format!("stranger-{}", std::process::id());
        lab::command::output(Command::new("ip").args(["netns", "add", &name]))?;
        let stranger = Self(name);
        let link = [
            "-n",
            &stranger.0,
            "link",
            "add",
            "veth0",
            "type",
            "veth",
            "peer",
            "name",
            "veth1",
        ];
        lab::command::output(Command::new("ip").args(link))?;
        Ok(stranger)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Nothing to be done about a failure here, and the name says whose it was.
        let _ended = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

#[test]
fn the_generator_floods_nothing_but_a_labs_veth() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let attacker = topology.attacker().name();
    let stranger = Stranger::create()?;
    for interface in ["eth0", "lo"] {
        let said = refused(None, interface)?;
        assert!(said.contains("machine's own network"), "{said}");
    }
    let said = refused(Some(&stranger.0), "veth0")?;
    assert!(said.contains("is no lab's"), "{said}");
    let said = refused(Some(attacker), "lo")?;
    assert!(said.contains("cannot tell that it is a lab's veth"), "{said}");
    let said = refused(Some(attacker), "nowhere0")?;
    assert!(said.contains("nowhere0"), "{said}");
    Ok(())
}

#[test]
fn the_rate_is_never_exceeded_and_every_packet_arrives() -> Result<()> {
    let _turn = alone::wait()?;
    for topology in [Topology::routed()?, Topology::direct()?] {
        let report = flood(
            &topology,
            &a_flood(&topology, Sources::Botnet { v4: 30, v6: 10 }, 20_000),
        )?;
        // Less is the machine's fault: somebody else was using the core.
        assert!((10_000..=21_000).contains(&report.packets()), "{report:?}");
        let v6_share = report.v6 as f64 / report.packets() as f64;
        assert!((0.24..0.26).contains(&v6_share), "{report:?}");
        let traffic = interface::traffic(topology.wire(), WIRE_INTERFACE)?;
        assert_eq!(
            traffic.redirected + traffic.redirected_lost,
            report.packets(),
            "{report:?} {traffic:?}"
        );
    }
    Ok(())
}

/// Floods, and returns the frames that the load balancer's interface received.
fn captured(topology: &Topology, flood: &Flood) -> Result<Vec<Vec<u8>>> {
    const WANTED: &str = "400";
    let mut command = topology.balancer().command("tcpdump");
    command.args([
        "-i",
        BALANCER_INTERFACE,
        "-Q",
        "in",
        "-p",
        "-s",
        "0",
        "-c",
        WANTED,
        "-w",
        "-",
        "-U",
    ]);
    let mut tcpdump = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // It says so when it listens.
    let mut said = String::new();
    let mut messages = std::io::BufReader::new(tcpdump.stderr.take().context("tcpdump without standard error")?);
    while !said.contains("listening on") {
        ensure!(
            std::io::BufRead::read_line(&mut messages, &mut said)? > 0,
            "tcpdump: {said}"
        );
    }
    let report = self::flood(topology, flood)?;
    ensure!(report.packets() > 500, "too few packets: {report:?}");
    let mut reader = PcapReader::new(tcpdump.stdout.take().context("tcpdump without standard output")?)?;
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let frame = packet?.data.into_owned();
        // The wire's own kernel speaks to multicast groups.
        if frame[0] & 1 == 0 {
            frames.push(frame);
        }
    }
    tcpdump.wait()?;
    Ok(frames)
}

/// Checks a frame from the outermost header to the last checksum, and returns its source.
fn check(frame: &[u8], flood: &Flood) -> Result<IpAddr> {
    let packet = SlicedPacket::from_ethernet(frame).with_context(|| format!("not a packet: {frame:02x?}"))?;
    ensure!(packet.link_exts.len() == flood.vlans.len(), "{:?}", packet.link_exts);
    let (source, target) = match packet.net.context("no IP header")? {
        NetSlice::Ipv4(v4) => {
            let header = v4.header().to_header();
            ensure!(
                header.header_checksum == header.calc_header_checksum(),
                "IPv4 checksum: {header:?}"
            );
            ensure!(header.dont_fragment && header.time_to_live == 64, "{header:?}");
            (IpAddr::from(header.source), IpAddr::from(header.destination))
        }
        NetSlice::Ipv6(v6) => {
            let header = v6.header().to_header();
            ensure!(header.hop_limit == 64, "{header:?}");
            (IpAddr::from(header.source), IpAddr::from(header.destination))
        }
        NetSlice::Arp(arp) => anyhow::bail!("{arp:?}"),
    };
    ensure!(flood.targets.contains(&target), "sent to {target}");
    let port = match (packet.transport.context("no transport header")?, flood.payload) {
        (TransportSlice::Tcp(tcp), Payload::Tcp { flags, options, data }) => {
            let header = tcp.to_header();
            ensure!(frame[frame.len() - tcp.slice().len() + 13] == flags, "{header:?}");
            ensure!(header.options.len() == length_of(options), "{header:?}");
            ensure!(tcp.payload().is_empty() != data, "{:?}", tcp.payload());
            let right = match (source, target) {
                (IpAddr::V4(source), IpAddr::V4(target)) => {
                    header.calc_checksum_ipv4_raw(source.octets(), target.octets(), tcp.payload())?
                }
                (IpAddr::V6(source), IpAddr::V6(target)) => {
                    header.calc_checksum_ipv6_raw(source.octets(), target.octets(), tcp.payload())?
                }
                _ => anyhow::bail!("{source} to {target}"),
            };
            ensure!(
                header.checksum == right,
                "TCP checksum {:04x} and not {right:04x}: {header:?}",
                header.checksum
            );
            ensure!(header.options_iterator().all(|option| option.is_ok()), "{header:?}");
            header.destination_port
        }
        (TransportSlice::Udp(udp), Payload::Udp) => {
            let header = udp.to_header();
            let right = match (source, target) {
                (IpAddr::V4(source), IpAddr::V4(target)) => {
                    header.calc_checksum_ipv4_raw(source.octets(), target.octets(), udp.payload())?
                }
                (IpAddr::V6(source), IpAddr::V6(target)) => {
                    header.calc_checksum_ipv6_raw(source.octets(), target.octets(), udp.payload())?
                }
                _ => anyhow::bail!("{source} to {target}"),
            };
            ensure!(
                header.checksum == right,
                "UDP checksum {:04x} and not {right:04x}: {header:?}",
                header.checksum
            );
            header.destination_port
        }
        (other, _) => anyhow::bail!("{other:?}"),
    };
    ensure!(port == flood.port || flood.port == 0 && port >= 1024, "to port {port}");
    Ok(source)
}

const fn length_of(options: Options) -> usize {
    match options {
        Options::Linux => 20,
        Options::Windows | Options::Timestamps => 12,
        Options::None => 0,
    }
}

fn check_all(topology: &Topology, flood: &Flood) -> Result<BTreeSet<IpAddr>> {
    let frames = captured(topology, flood)?;
    ensure!(frames.len() >= 380, "only {} frames", frames.len());
    frames.iter().map(|frame| check(frame, flood)).collect()
}

#[test]
fn generated_frames_are_correct_in_every_byte_that_matters() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    for payload in [Payload::SYN, Payload::Udp] {
        for vlans in [vec![], vec![100], vec![200, 100]] {
            let flood = Flood {
                payload,
                vlans: vlans.clone(),
                ..a_flood(&topology, Sources::Spoofed { v6_percent: 50 }, 2_000)
            };
            let sources = check_all(&topology, &flood).with_context(|| format!("{payload:?}, VLANs {vlans:?}"))?;
            assert!(
                sources.len() > 370,
                "only {} random sources in 400 packets",
                sources.len()
            );
            let v6 = sources.iter().filter(|source| source.is_ipv6()).count();
            assert!((150..250).contains(&v6), "{v6} of {} sources are IPv6", sources.len());
        }
    }
    Ok(())
}

#[test]
fn segments_of_every_kind_are_correct() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let with = |flags, options, data| Payload::Tcp { flags, options, data };
    let payloads = [
        with(flag::SYN, Options::Windows, false),
        with(flag::SYN, Options::None, false),
        Payload::tcp(flag::SYN | flag::ACK),
        Payload::tcp(flag::ACK),
        Payload::tcp(flag::RST),
        with(flag::PSH | flag::ACK, Options::Timestamps, true),
        with(flag::SYN, Options::None, true),
    ];
    for payload in payloads {
        let flood = Flood {
            payload,
            port: 0,
            ..a_flood(&topology, Sources::Spoofed { v6_percent: 50 }, 2_000)
        };
        check_all(&topology, &flood).with_context(|| format!("{payload:?}"))?;
    }
    Ok(())
}

#[test]
fn a_range_of_sources_is_that_range() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    for (first, last) in [("203.0.113.5", "203.0.113.7"), ("2001:db8:c:5::1", "2001:db8:c:7::1")] {
        let range = Sources::Range {
            first: first.parse()?,
            count: 3,
        };
        let sources = check_all(&topology, &a_flood(&topology, range, 2_000))?;
        let ends = (sources.first().copied(), sources.last().copied());
        assert_eq!(ends, (Some(first.parse()?), Some(last.parse()?)), "{sources:?}");
        assert_eq!(sources.len(), 3, "{sources:?}");
    }
    Ok(())
}

#[test]
fn a_botnet_has_as_many_sources_as_it_should() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    let sources = check_all(&topology, &a_flood(&topology, Sources::Botnet { v4: 6, v6: 2 }, 2_000))?;
    assert_eq!(
        sources.iter().filter(|source| source.is_ipv4()).count(),
        6,
        "{sources:?}"
    );
    assert_eq!(
        sources.iter().filter(|source| source.is_ipv6()).count(),
        2,
        "{sources:?}"
    );
    for one in ["198.18.9.9", "2001:db8:b000:7::1"] {
        let one: IpAddr = one.parse()?;
        let sources = check_all(&topology, &a_flood(&topology, Sources::One(one), 2_000))?;
        assert_eq!(sources, BTreeSet::from([one]));
    }
    Ok(())
}
