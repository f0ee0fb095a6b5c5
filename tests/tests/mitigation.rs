//! Floods that are no SYN flood of one address, in the lab: UDP at an address that is limited, and SYNs spread thinly over
//! all addresses of a group (carpet bombing). Customers stay, and so do this host's own queries.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    addresses::{clients, vips},
    alone,
    guarded::{self, Guarded, allow_cookies, named, proofs, stranger, until},
    levee::Settings,
    server,
    stacks::client,
    topology::Topology,
};
use xdp_common::Reason;

/// UDP packets per second that an address takes.
const UDP_PPS: u32 = 2_000;
/// SYNs per second that a group takes, and that it gets: of each of its eight addresses, a fraction of its own rate.
const GROUP_SYN_PPS: u32 = 6_000;
const CARPET_PPS: u32 = 30_000;
const QUERIES: usize = 20;

fn start(more: &str) -> Result<Guarded> {
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let usual = guarded::settings();
    let settings = Settings {
        more: format!("{}{more}", usual.more),
        ..usual
    };
    Guarded::start(topology, &settings)
}

/// A page over a connection that stays.
fn page(mut stream: &TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")?;
    let mut answer = [0; 1_024];
    let mut len = 0;
    while !answer[..len].ends_with(server::BODY.as_bytes()) {
        let more = stream.read(&mut answer[len..]).context("the page")?;
        ensure!(more > 0, "the server ended the connection");
        len += more;
    }
    Ok(())
}

fn connect(lab: &Guarded, target: SocketAddr) -> Result<TcpStream> {
    let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
    Ok(client::connect(lab.topology().client(), from, target, client::Options::default())?.0)
}

/// Asks a server in the customers' network from a port that the kernel chose; how many answers came.
fn queries(lab: &Guarded, own: IpAddr) -> Result<usize> {
    let of_family = |address: &&IpAddr| address.is_ipv6() == own.is_ipv6();
    let clients = clients();
    let peer = SocketAddr::new(*clients.iter().find(of_family).context("a customer")?, 53);
    let resolver = lab.topology().client().enter(|| Ok(UdpSocket::bind(peer)?))?;
    let asking = lab.topology().server().enter(|| Ok(UdpSocket::bind((own, 0))?))?;
    for socket in [&resolver, &asking] {
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    }
    let mut answered = 0;
    for number in 0..QUERIES as u8 {
        asking.send_to(&[number], peer)?;
        let mut question = [0; 16];
        let Ok((len, from)) = resolver.recv_from(&mut question) else {
            continue;
        };
        resolver.send_to(&question[..len], from)?;
        let mut answer = [0; 16];
        answered += usize::from(asking.recv_from(&mut answer).is_ok_and(|(_, from)| from == peer));
    }
    Ok(answered)
}

#[test]
fn a_udp_flood_is_limited_while_connections_and_answers_live() -> Result<()> {
    let _turn = alone::wait()?;
    let lab = start(&format!(
        "[thresholds.udp]\npackets = \"{UDP_PPS}/s\"\nbits = \"100M/s\"\n"
    ))?;
    let _server = server::start(lab.topology(), false)?;
    let targets = guarded::targets(server::PORT);
    let connections: Vec<TcpStream> = targets
        .map(|target| connect(&lab, target))
        .into_iter()
        .collect::<Result<_>>()?;
    let addresses = targets.map(|target| target.ip());
    let flood = lab.flood(
        &addresses,
        &["--sources", "spoofed", "--udp", "--port", "0"],
        80_000,
        20,
    )?;
    for address in addresses {
        until("UDP is limited", || {
            Ok(lab.counts(address)?.get(Reason::UdpRate) > 20_000)
        })
        .with_context(|| named(&lab.counts(address).unwrap_or_default()))?;
    }
    for (address, connection) in addresses.into_iter().zip(&connections) {
        let (before, start) = (lab.counts(address)?, Instant::now());
        thread::sleep(Duration::from_secs(3));
        let (counts, seconds) = (lab.counts(address)?.since(&before), start.elapsed().as_secs_f64());
        let admitted = counts.get(Reason::Udp) as f64 / seconds;
        eprintln!(
            "{address}: {admitted:.0} UDP packets/s of {UDP_PPS} admitted; it met {}",
            named(&counts)
        );
        assert!(
            (admitted / f64::from(UDP_PPS) - 1.0).abs() < 0.05,
            "{address}: {admitted:.0} packets/s were admitted, {UDP_PPS} are"
        );
        page(connection).with_context(|| format!("{address}: an established connection"))?;
        page(&connect(&lab, SocketAddr::new(address, server::PORT))?)
            .with_context(|| format!("{address}: a new one"))?;
        let answered = queries(&lab, address)?;
        assert!(
            answered + 2 >= QUERIES,
            "{address}: {answered} of {QUERIES} queries were answered"
        );
    }
    guarded::end(flood)
}

#[test]
fn carpet_bombing_is_mitigated_and_customers_are_served() -> Result<()> {
    let _turn = alone::wait()?;
    let lab = start(&format!(
        "[[group]]\nprefix = \"198.51.100.0/24\"\nsyn_rate = {GROUP_SYN_PPS}\n\
         [[group]]\nprefix = \"2001:db8:1::/64\"\nsyn_rate = {GROUP_SYN_PPS}\n"
    ))?;
    let _server = server::start(lab.topology(), false)?;
    let addresses = vips();
    let flood = lab.flood(&addresses, &["--sources", "spoofed"], CARPET_PPS, 20)?;
    until("both groups are in verify", || Ok(verifying(&lab)? == 2))?;
    let before: Vec<_> = addresses
        .iter()
        .map(|address| lab.counts(*address))
        .collect::<Result<_>>()?;
    for address in &addresses {
        let target = SocketAddr::new(*address, server::PORT);
        page(&connect(&lab, target)?).with_context(|| format!("{address}: a customer"))?;
    }
    for (address, before) in addresses.iter().zip(&before) {
        let many = || Ok(proofs(&lab.counts(*address)?.since(before)) > 200);
        until(&format!("SYNs to {address} must prove themselves"), many)?;
        let counts = lab.counts(*address)?.since(before);
        let unproven = counts.get(Reason::Syn) + counts.get(Reason::AddressRate) + counts.get(Reason::GroupRate);
        assert_eq!(unproven, 0, "{address}: {}", named(&counts));
    }
    let groups = lab.home().ask_json(&["groups"])?;
    eprintln!("{groups}");
    let status = lab.home().ask_json(&["status"])?;
    assert_eq!(
        status["verifying"].as_array().map(Vec::len),
        Some(0),
        "no address by itself: {status}"
    );
    guarded::end(flood)?;
    until("both groups have left verify", || Ok(verifying(&lab)? == 0))?;
    Ok(())
}

fn verifying(lab: &Guarded) -> Result<usize> {
    let groups = lab.home().ask_json(&["groups"])?;
    let groups = groups.as_array().context("groups")?;
    Ok(groups.iter().filter(|group| group["rung"] == "verify").count())
}
