//! What an attacker can do who sees no answers, or who replays what he saw: nothing that a customer could not.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use lab::{
    addresses::clients,
    alone,
    guarded::{self, Guarded, allow_cookies, ghost, named, stranger, until},
    levee::Settings,
    packet::flag,
    raw::Raw,
    segment::Segment,
    server,
    stacks::{client, listener::Listener, nstat::Counters},
    topology::{Shape, Topology, WIRE_INTERFACE},
};
use xdp_common::Reason;

use super::common::{NEVER, PORT, SOON, serve};

const OTHER_PORT: u16 = 7_001;

/// Numbers that differ by less than four can be a cookie for another MSS: that is the kernel's, and no harm.
const FAR: u32 = 1 << 16;

#[test]
fn a_cookie_is_good_for_one_connection_only() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let listeners = [serve(&topology, PORT)?, serve(&topology, OTHER_PORT)?];
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    for target in guarded::targets(PORT) {
        lab.set_rung(target.ip(), "verify")?;
        let v6 = target.is_ipv6();
        let (one, other) = (ghost(v6), ghost(v6));
        let syn = Segment::syn(SocketAddr::new(one, 5_000), target);
        let answer = raw.answer(&syn, SOON)?.context("no cookie")?;
        assert_eq!(answer.flags, flag::SYN | flag::ACK, "{answer:?}");
        let good = answer.acknowledged();
        let forged = [
            (
                "another port",
                Segment {
                    source: SocketAddr::new(one, 5_001),
                    ..good.clone()
                },
            ),
            (
                "another source",
                Segment {
                    source: SocketAddr::new(other, 5_000),
                    ..good.clone()
                },
            ),
            (
                "another listener",
                Segment {
                    destination: SocketAddr::new(target.ip(), OTHER_PORT),
                    ..good.clone()
                },
            ),
            (
                "another number",
                Segment {
                    acknowledgement: good.acknowledgement ^ FAR,
                    ..good.clone()
                },
            ),
            (
                "another sequence",
                Segment {
                    sequence: good.sequence ^ FAR,
                    ..good.clone()
                },
            ),
            (
                "a number nearby",
                Segment {
                    acknowledgement: good.acknowledgement ^ 8,
                    ..good.clone()
                },
            ),
        ];
        let (counts, stack) = (lab.counts(target.ip())?, Counters::read(lab.topology().balancer())?);
        let accepted: u64 = listeners.iter().map(Listener::accepted).sum();
        for (what, segment) in &forged {
            let before = lab.counts(target.ip())?;
            assert_eq!(raw.answer(segment, NEVER)?, None, "{target}: {what} was answered");
            assert_eq!(lab.since(target.ip(), &before, Reason::Guard)?, 1, "{target}: {what}");
        }
        let received = Counters::read(lab.topology().balancer())?.since(&stack, "TcpInSegs");
        assert_eq!(received, 0, "{target}: forged segments reached TCP");
        assert_eq!(lab.since(target.ip(), &counts, Reason::CookieAck)?, 0, "{target}");
        assert_eq!(
            listeners.iter().map(Listener::accepted).sum::<u64>(),
            accepted,
            "{target}"
        );

        raw.send(&good.frame())?;
        until("the cookie's own connection opens", || {
            Ok(listeners[0].accepted() == accepted + 1)
        })?;
        assert_eq!(lab.since(target.ip(), &counts, Reason::CookieAck)?, 1, "{target}");
        // The same again is now a segment of that connection, and opens no other.
        raw.send(&good.frame())?;
        until("the same segment again is of a connection", || {
            Ok(lab.since(target.ip(), &counts, Reason::Tcp)? >= 1)
        })?;
        assert_eq!(listeners[0].accepted(), accepted + 1, "{target}");
    }
    Ok(())
}

#[test]
fn a_challenge_is_answered_by_whom_it_was_sent_to() -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::shaped(Shape {
        forwards: true,
        ..Shape::default()
    })?;
    let _listener = serve(&topology, PORT)?;
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    for target in guarded::targets(PORT) {
        lab.set_rung(target.ip(), "verify")?;
        let v6 = target.is_ipv6();
        let (one, other) = (ghost(v6), ghost(v6));
        let syn = Segment::syn(SocketAddr::new(one, 5_000), target);
        let challenge = raw.answer(&syn, SOON)?.context("no challenge")?;
        assert_ne!(
            challenge.acknowledgement,
            syn.sequence.wrapping_add(1),
            "a client would accept it"
        );
        let good = challenge.reset();
        let before = lab.counts(target.ip())?;
        for forged in [
            Segment {
                source: SocketAddr::new(one, 5_001),
                ..good.clone()
            },
            Segment {
                source: SocketAddr::new(other, 5_000),
                ..good.clone()
            },
            Segment {
                destination: SocketAddr::new(target.ip(), OTHER_PORT),
                ..good.clone()
            },
            Segment {
                sequence: good.sequence ^ 1,
                ..good.clone()
            },
            Segment {
                flags: flag::RST | flag::ACK,
                ..good.clone()
            },
        ] {
            raw.send(&forged.frame())?;
        }
        until("the forged resets were counted", || {
            Ok(lab.since(target.ip(), &before, Reason::Tcp)? >= 5)
        })?;
        assert_eq!(lab.since(target.ip(), &before, Reason::ChallengePassed)?, 0, "{target}");
        let again = raw.answer(&syn, SOON)?.context("no second challenge")?;
        assert_eq!(
            again.acknowledgement, challenge.acknowledgement,
            "{target}: it is not stateless"
        );

        raw.send(&good.frame())?;
        until("the answer is accepted", || {
            Ok(lab.since(target.ip(), &before, Reason::ChallengePassed)? == 1)
        })?;
        let handshake = raw.answer(&syn, SOON)?.context("no answer to a known source")?;
        assert_eq!(
            (handshake.flags, handshake.acknowledgement),
            (flag::SYN | flag::ACK, syn.sequence.wrapping_add(1)),
            "{target}: the server's own answer"
        );
        assert_eq!(lab.since(target.ip(), &before, Reason::Known)?, 1, "{target}");
    }
    Ok(())
}

/// Sequence numbers where blocks, signs and words end; and a client's first data as the acknowledgement, because the one
/// before was lost.
#[test]
fn every_sequence_number_can_be_proven() -> Result<()> {
    const NUMBERS: [u32; 8] = [0, 1, 0x7fff, 0x8000, 0x8001, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    for forwards in [false, true] {
        let turn = alone::wait()?;
        let topology = Topology::shaped(Shape {
            forwards,
            ..Shape::default()
        })?;
        allow_cookies(topology.server())?;
        let listener = serve(&topology, PORT)?;
        let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
        let lab = Guarded::start(topology, &guarded::settings())?;
        // Nothing is measured from here on.
        drop(turn);
        for target in guarded::targets(PORT) {
            lab.set_rung(target.ip(), "verify")?;
            for sequence in NUMBERS {
                let what = || format!("{target}: a SYN of sequence {sequence:#x}");
                let from = SocketAddr::new(ghost(target.is_ipv6()), 5_000);
                let syn = Segment {
                    sequence,
                    ..Segment::syn(from, target)
                };
                let (before, accepted) = (lab.counts(target.ip())?, listener.accepted());
                let answer = raw.answer(&syn, SOON)?.with_context(what)?;
                if forwards {
                    raw.send(&answer.reset().frame())?;
                    until(&what(), || {
                        Ok(lab.since(target.ip(), &before, Reason::ChallengePassed)? == 1)
                    })?;
                } else {
                    let data = Segment {
                        flags: flag::PSH | flag::ACK,
                        // An order for nothing.
                        payload: vec![0; 16],
                        ..answer.acknowledged()
                    };
                    raw.send(&data.frame())?;
                    until(&what(), || Ok(listener.accepted() == accepted + 1))?;
                    assert_eq!(lab.since(target.ip(), &before, Reason::CookieAck)?, 1, "{}", what());
                }
            }
        }
    }
    Ok(())
}

/// A blind guess is right once in 32,768 times.
#[test]
fn forged_resets_verify_next_to_nobody() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::shaped(Shape {
        forwards: true,
        ..Shape::default()
    })?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    let vips = guarded::targets(PORT).map(|target| target.ip());
    let mut before = Vec::new();
    for vip in vips {
        lab.set_rung(vip, "verify")?;
        before.push(lab.counts(vip)?);
    }
    let spoofed = ["--sources", "spoofed", "--port", "7000", "--tcp-flags", "4"];
    let report = lab.flood(&vips, &spoofed, 100_000, 4)?.flood_report()?;
    let mut passed = 0;
    let mut seen = 0;
    for (vip, before) in vips.iter().zip(&before) {
        let counts = lab.counts(*vip)?.since(before);
        passed += counts.get(Reason::ChallengePassed);
        seen += counts.get(Reason::ChallengePassed) + counts.get(Reason::Tcp) + counts.get(Reason::Guard);
    }
    assert!(seen * 10 > report.packets() * 9, "only {seen} of {}", report.packets());
    let expected = report.packets() / 32_768;
    assert!(
        passed <= 4 * expected + 10,
        "{passed} of {} forged resets were accepted, {expected} expected",
        report.packets()
    );
    Ok(())
}

/// Whoever spoofs a known source gets what that source may have, and known sources together what the address may have.
#[test]
fn spoofing_known_sources_opens_no_hole() -> Result<()> {
    const SOURCE_RATE: u32 = 50;
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let _server = server::start(&topology, false)?;
    let settings = Settings {
        source_syn_rate: SOURCE_RATE,
        source_syn_burst: SOURCE_RATE,
        address_syn_rate: 1_000,
        address_syn_burst: 1_000,
        ..guarded::settings()
    };
    let lab = Guarded::start(topology, &settings)?;
    let known: Vec<_> = [true, false]
        .into_iter()
        .flat_map(|v6| {
            clients()
                .into_iter()
                .filter(move |client| client.is_ipv6() == v6)
                .take(30)
        })
        .collect();
    for target in guarded::targets(server::PORT) {
        for client in known.iter().filter(|client| client.is_ipv6() == target.is_ipv6()) {
            let from = SocketAddr::new(*client, 0);
            client::connect(lab.topology().client(), from, target, client::Options::default())?;
        }
        lab.set_rung(target.ip(), "verify")?;
    }
    for target in guarded::targets(server::PORT) {
        let of_family = |client: &&std::net::IpAddr| client.is_ipv6() == target.is_ipv6();
        let first = known.iter().find(of_family).context("no known client")?.to_string();
        for (sources, per_second) in [
            (&["--sources", "one", "--source", &first][..], f64::from(SOURCE_RATE)),
            (&["--sources", "range", "--source", &first, "--count", "30"], 1_000.0),
        ] {
            let before = lab.counts(target.ip())?;
            let stack = Counters::read(lab.topology().balancer())?;
            let report = lab.flood(&[target.ip()], sources, 20_000, 2)?.flood_report()?;
            let counts = lab.counts(target.ip())?.since(&before);
            let passed = counts.get(Reason::Known) + counts.get(Reason::Syn);
            assert!(
                passed > 0,
                "{target} {sources:?}: no spoofed SYN was taken for a known source's"
            );
            let most = per_second * (report.seconds + 1.0) * 1.3;
            assert!(
                (passed as f64) < most,
                "{target} {sources:?}: {passed} SYNs passed, at most {most:.0} should: {}",
                named(&counts)
            );
            // Nothing else of the flood came up.
            let came_up = Counters::read(lab.topology().balancer())?.since(&stack, "TcpInSegs");
            assert!(
                (came_up as f64) < 3.0 * most,
                "{target} {sources:?}: TCP got {came_up} segments"
            );
        }
        // A stranger is let in meanwhile.
        client::connect(
            lab.topology().client(),
            SocketAddr::new(stranger(target.is_ipv6()), 0),
            target,
            client::Options::default(),
        )?;
    }
    // The order that the first client has is not refused for what others did in its name a while ago.
    std::thread::sleep(Duration::from_secs(1));
    let page = lab::stacks::programs::page(
        lab.topology().client(),
        Some(known[known.len() - 1]),
        guarded::targets(server::PORT)[0],
        5.0,
    )?;
    assert_eq!(page, server::BODY.as_bytes());
    Ok(())
}
