//! A host's TCP settings, its listeners' buffers and its clients' wishes: a connection that began with a proof is what it would
//! be without Levee, and works whatever is set.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lab::{
    alone,
    guarded::{self, Guarded, allow_cookies, stranger, until},
    levee::Settings,
    stacks::{
        client,
        exchange::{self, Order},
        listener::{self, Listener},
        ss::Negotiated,
    },
    topology::Topology,
};
use xdp_common::Reason;

use super::common::{PORT, any, force, negotiated, negotiated_for, serve, set, visit, wait_for_the_agent};

#[test]
fn a_client_connects_whatever_the_settings() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    let _listener = serve(&topology, PORT)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    force(&lab)?;
    // Most of this is waiting, which others need not wait for.
    drop(turn);
    let server = lab.topology().server();
    for settings in combinations() {
        for (name, value) in NAMES.into_iter().zip(settings) {
            set(server, name, value)?;
        }
        wait_for_settings(&lab, settings)?;
        for target in guarded::targets(PORT) {
            visit(&lab, target).with_context(|| format!("{target}: {NAMES:?} = {settings:?}"))?;
        }
    }
    Ok(())
}

const NAMES: [&str; 4] = ["tcp_syncookies", "tcp_timestamps", "tcp_sack", "tcp_window_scaling"];

/// All of them where cookies are made, else those with everything and with nothing.
fn combinations() -> Vec<[u32; 4]> {
    let mut combinations = Vec::new();
    for syncookies in [2, 1, 0] {
        for timestamps in [2, 1, 0] {
            for (sack, scaling) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
                if syncookies == 2 || sack == scaling {
                    combinations.push([syncookies, timestamps, sack, scaling]);
                }
            }
        }
    }
    combinations
}

/// Waits until the agent has seen the settings, and told the program.
fn wait_for_settings(lab: &Guarded, settings: [u32; 4]) -> Result<()> {
    until("the agent has seen the settings", || {
        let said = lab.home().ask_json(&["listeners"])?;
        let has =
            |(name, value): (&str, u32)| said["sysctls"][format!("net.ipv4.{name}")] == value.to_string().as_str();
        Ok(NAMES.into_iter().zip(settings).all(has))
    })
}

/// Changed behind the agent's back, which looks once a second: until it has, a connection's window may be misjudged.
#[test]
fn settings_change_in_mid_flood() -> Result<()> {
    const LOOKS: Duration = Duration::from_secs(1);
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _listener = serve(&topology, PORT)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    let targets = guarded::targets(PORT);
    let flood = lab.flooded(&targets, 30_000, 20)?;
    for (name, value) in [
        ("tcp_timestamps", 1),
        ("tcp_window_scaling", 0),
        ("tcp_timestamps", 2),
        ("tcp_window_scaling", 1),
        ("tcp_syncookies", 1),
        ("tcp_syncookies", 2),
    ] {
        set(lab.topology().server(), name, value)?;
        let changed = Instant::now();
        let connect = || {
            let from = SocketAddr::new(stranger(false), 0);
            client::connect(lab.topology().client(), from, targets[0], client::Options::default())
        };
        let (stream, _) = connect()?;
        if let Err(error) = exchange::ask_within(&stream, Order::megabytes(1), Duration::from_millis(500)) {
            eprintln!("right after {name}={value}: {error:#}");
        }
        thread::sleep((LOOKS + Duration::from_millis(500)).saturating_sub(changed.elapsed()));
        for target in targets {
            visit(&lab, target).with_context(|| format!("{target} some time after {name}={value}"))?;
        }
    }
    guarded::end(flood)
}

/// Both ends of a connection, in calm without Levee and in verify.
#[test]
fn listeners_with_buffers_of_their_own_get_the_windows_that_they_would_have() -> Result<()> {
    const BUFFERS: [Option<usize>; 4] = [None, Some(8_192), Some(300_000), Some(6_000_000)];
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    let server = topology.server();
    server.set_sysctls(&[
        ("net/ipv4/tcp_timestamps", "2"),
        ("net/ipv4/tcp_rmem", "4096 131072 33554432"),
    ])?;
    let mut listeners = Vec::new();
    for (number, buffer) in (0..).zip(BUFFERS) {
        let options = listener::Options {
            receive_buffer: buffer,
            ..listener::Options::DUAL_STACK
        };
        listeners.push(Listener::start(server, any(PORT + number), options)?);
    }
    let ports = || (0..).zip(BUFFERS).map(|(number, buffer)| (PORT + number, buffer));
    let mut calm = Vec::new();
    for (port, _) in ports() {
        for target in guarded::targets(port) {
            calm.push(negotiated(&topology, target)?);
        }
    }
    allow_cookies(topology.server())?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    force(&lab)?;
    wait_for_the_agent();
    let mut calm = calm.into_iter();
    for (port, buffer) in ports() {
        for target in guarded::targets(port) {
            let before = lab.counts(target.ip())?;
            let now = negotiated(lab.topology(), target).with_context(|| format!("{target} SO_RCVBUF {buffer:?}"))?;
            assert_eq!(Some(now), calm.next(), "{target} SO_RCVBUF {buffer:?}");
            assert_eq!(
                lab.since(target.ip(), &before, Reason::ReplyCookie)?,
                1,
                "{target} {buffer:?}"
            );
        }
    }
    Ok(())
}

/// Clients that want less than Linux does get what they would get from the kernel, or an MSS only where they have no
/// timestamps, which is all that a cookie can keep then.
#[test]
fn clients_of_every_kind_connect() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    let _listener = serve(&topology, PORT)?;
    topology
        .server()
        .set_sysctls(&[("net/ipv4/tcp_timestamps", "2"), ("net/ipv4/tcp_ecn", "1")])?;
    let mut calm = Vec::new();
    for client in clients_of_every_kind() {
        calm.push(negotiated_by(&topology, client)?);
    }
    allow_cookies(topology.server())?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    force(&lab)?;
    wait_for_the_agent();
    for (client, calm) in clients_of_every_kind().into_iter().zip(calm) {
        let verified = negotiated_by(lab.topology(), client).with_context(|| format!("{client:?}"))?;
        for (mut verified, mut calm) in verified.into_iter().flatten().zip(calm.into_iter().flatten()) {
            if client[0].1 == 0 {
                assert!(
                    !verified.timestamps && !verified.sack && verified.window_scales.is_none(),
                    "{client:?}"
                );
                for options in [&mut verified, &mut calm] {
                    (options.sack, options.ecn, options.window_scales) = (false, false, None);
                }
            }
            assert_eq!(verified, calm, "{client:?}");
        }
    }
    Ok(())
}

/// Many segments each way, and few enough for an emulated processor.
const SOME: Order = Order {
    up: 100_000,
    down: 100_000,
};

/// A client's settings, timestamps first.
type ClientSettings = [(&'static str, u32); 4];

fn clients_of_every_kind() -> Vec<ClientSettings> {
    (0..16)
        .map(|bits| {
            let bit = |number: u32| 1 - (bits >> number & 1);
            [
                ("tcp_timestamps", bit(3)),
                ("tcp_sack", bit(2)),
                ("tcp_window_scaling", bit(1)),
                ("tcp_ecn", bit(0)),
            ]
        })
        .collect()
}

fn negotiated_by(topology: &Topology, client: ClientSettings) -> Result<Vec<[Negotiated; 2]>> {
    for (name, value) in client {
        set(topology.client(), name, value)?;
    }
    guarded::targets(PORT)
        .into_iter()
        .map(|target| negotiated_for(topology, target, SOME))
        .collect()
}

#[test]
fn settings_are_set_and_put_back() -> Result<()> {
    const NAMES: [&str; 2] = ["tcp_syncookies", "tcp_timestamps"];
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    let values = |topology: &Topology| -> Result<Vec<String>> {
        topology.balancer().enter(|| {
            let read = |name| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
            Ok(NAMES.map(read).into_iter().collect::<Result<Vec<_>, _>>()?)
        })
    };
    for name in NAMES {
        set(topology.balancer(), name, 1)?;
    }
    let settings = Settings {
        more: "[verify]\nset_sysctls = true\n".to_owned(),
        ..guarded::settings()
    };
    let lab = Guarded::start(topology, &settings)?;
    // Nothing is measured from here on.
    drop(turn);
    // The agent waits until no cookie of the kernel's can be on its way.
    until("the settings are those for cookies", || {
        Ok(values(lab.topology())? == ["2\n", "2\n"])
    })?;
    let topology = lab.detach()?;
    assert_eq!(values(&topology)?, ["1\n", "1\n"]);
    Ok(())
}
