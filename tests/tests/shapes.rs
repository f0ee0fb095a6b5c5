//! The lab's shapes without Levee: what customers and floods meet there is what the shape says.

use std::{
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    actor::Actor,
    addresses::{BALANCER_MAC, GATEWAY_MAC, OFFICE_LINK, vips},
    alone,
    capture::{self, Capture},
    guarded::stranger,
    interface,
    netns::Netns,
    raw::Raw,
    segment::Segment,
    server,
    stacks::{
        client, haproxy,
        listener::{self, Listener},
        nstat::Counters,
        programs::{download, page},
    },
    topology::{BALANCER_INTERFACE, Shape, Topology, WIRE_INTERFACE},
    vlan::{self, VLAN},
};

/// Where the tests' own server listens.
const PORT: u16 = 7_000;

const SHAPES: [Shape; 4] = [
    Shape {
        forwards: false,
        vlan: false,
        edges: true,
    },
    Shape {
        forwards: false,
        vlan: true,
        edges: true,
    },
    Shape {
        forwards: true,
        vlan: false,
        edges: true,
    },
    Shape {
        forwards: true,
        vlan: true,
        edges: true,
    },
];

/// Every place where customers are.
fn places(topology: &Topology) -> Result<[&Netns; 3]> {
    Ok([
        topology.client(),
        topology.home().context("no home")?,
        topology.office().context("no office")?,
    ])
}

#[test]
fn customers_are_served_in_every_shape() -> Result<()> {
    let _turn = alone::wait()?;
    for shape in SHAPES {
        let topology = Topology::shaped(shape)?;
        let _nginx = server::start(&topology, false)?;
        let _haproxy = haproxy::start(&topology)?;
        for place in places(&topology)? {
            for vip in &vips()[..2] {
                for port in [server::PORT, haproxy::PORT] {
                    let body = page(place, None, SocketAddr::new(*vip, port), 2.0)
                        .with_context(|| format!("{shape:?}, {}, port {port}", place.name()))?;
                    assert_eq!(body, server::BODY.as_bytes(), "{shape:?} {}", place.name());
                }
            }
        }
        let at = SocketAddr::new(vips()[0], server::PORT);
        let transfer = download(topology.client(), None, at, server::DOWNLOAD, 10)?;
        assert_eq!(transfer.bytes, server::DOWNLOAD_BYTES, "{shape:?}");
    }
    Ok(())
}

#[test]
fn the_balancer_forwards_and_does_not_listen() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::shaped(SHAPES[2])?;
    let _nginx = server::start(&topology, false)?;
    let before = Counters::read(topology.balancer())?;
    page(topology.client(), None, SocketAddr::new(vips()[0], server::PORT), 2.0)?;
    let after = Counters::read(topology.balancer())?;
    assert!(after.since(&before, "IpForwDatagrams") >= 8);
    assert_eq!(
        after.since(&before, "TcpInSegs"),
        0,
        "nothing ends at the load balancer"
    );
    Ok(())
}

/// XDP at both ends finds the tag in the frame, the flood's frames have it too, and without it nothing comes through.
#[test]
fn frames_on_the_tagged_link_are_tagged_where_xdp_is() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::shaped(SHAPES[1])?;
    let _nginx = server::start(&topology, false)?;
    let _strict = vlan::admit_tagged_only(topology.balancer(), BALANCER_INTERFACE)?;
    for vip in &vips()[..2] {
        page(topology.client(), None, SocketAddr::new(*vip, server::PORT), 2.0)?;
    }
    let capture = Capture::start(topology.lab(), topology.wire(), WIRE_INTERFACE, "tcp or (vlan and tcp)")?;
    page(topology.client(), None, SocketAddr::new(vips()[0], server::PORT), 2.0)?;
    let frames = capture.finish()?;
    assert!(frames.len() >= 4, "{frames:?}");
    assert!(frames.iter().all(|frame| frame.vlan == Some(VLAN)), "{frames:?}");

    let before = Counters::read(topology.balancer())?;
    let flood =
        Actor::flood(&topology, &["--sources", "spoofed", "--rate", "5000", "--seconds", "1"])?.flood_report()?;
    let received = Counters::read(topology.balancer())?.received_since(&before);
    assert!(
        received >= flood.packets() * 9 / 10,
        "{received} of {} tagged packets came in",
        flood.packets()
    );
    Ok(())
}

/// What a stranger sends to the office's address ends at its firewall; the home has no address that a stranger could use.
#[test]
fn the_edges_admit_what_was_asked_for_and_nothing_else() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::shaped(SHAPES[0])?;
    let _nginx = server::start(&topology, false)?;
    let office = topology.office().context("no office")?;
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT);
    let listener = Listener::start(office, any, listener::Options::DUAL_STACK)?;
    for target in OFFICE_LINK.peer() {
        let options = client::Options {
            patience: Duration::from_millis(500),
            ..client::Options::default()
        };
        let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
        let to = SocketAddr::new(target, PORT);
        ensure!(
            client::connect(topology.client(), from, to, options).is_err(),
            "a stranger got through to {target}"
        );
    }
    assert_eq!(listener.accepted(), 0);
    Ok(())
}

/// Every frame of a real conversation is sound, once the kernel computes its checksums itself.
#[test]
fn a_capture_finds_right_checksums_right_and_wrong_ones_wrong() -> Result<()> {
    let _turn = alone::wait()?;
    for shape in [SHAPES[0], SHAPES[1]] {
        let topology = Topology::shaped(shape)?;
        let _nginx = server::start(&topology, false)?;
        interface::compute_checksums(topology.balancer(), BALANCER_INTERFACE)?;
        let filter = "tcp or (vlan and tcp)";
        let capture = Capture::start(topology.lab(), topology.wire(), WIRE_INTERFACE, filter)?;
        for vip in &vips()[..2] {
            page(topology.client(), None, SocketAddr::new(*vip, server::PORT), 2.0)?;
        }
        let frames = capture.finish()?;
        assert!(frames.len() >= 8, "{frames:?}");
        capture::ensure_sound(&frames)?;

        let raw = Raw::open(topology.balancer(), BALANCER_INTERFACE)?;
        let capture = Capture::start(topology.lab(), topology.wire(), WIRE_INTERFACE, filter)?;
        for (from, to) in [
            ("198.51.100.10:80", "203.0.113.9:5000"),
            ("[2001:db8:1::10]:80", "[2001:db8:c:9::1]:5000"),
        ] {
            let segment = Segment::syn(from.parse()?, to.parse()?).vlans(topology.vlans());
            let mut frame = segment.frame();
            // The direction is the other one.
            frame[..6].copy_from_slice(&GATEWAY_MAC);
            frame[6..12].copy_from_slice(&BALANCER_MAC);
            raw.send(&frame)?;
            let last = frame.len() - 1;
            frame[last] ^= 1;
            raw.send(&frame)?;
        }
        let frames = capture.finish()?;
        let sound: Vec<bool> = frames.iter().map(|frame| frame.sound).collect();
        assert_eq!(sound, [true, false, true, false], "{frames:?}");
    }
    Ok(())
}
