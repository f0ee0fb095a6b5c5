//! Every packet that Levee sends, as it is on the wire: whatever a SYN looks like, its answer is sound, says no more than was
//! offered, and leads to a connection.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone,
    capture::{self, Capture},
    guarded::{self, Guarded, allow_cookies, ghost, named, until},
    interface,
    packet::flag,
    raw::Raw,
    segment::{CWR, ECE, LINUX_OPTIONS, Segment},
    stacks::listener::Listener,
    topology::{BALANCER_INTERFACE, Shape, Topology, WIRE_INTERFACE},
};
use xdp_common::Reason;

use super::common::{NEVER, PORT, SOON, serve};

/// Kinds of TCP options (IANA).
mod kind {
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const TIMESTAMPS: u8 = 8;
}

/// A SYN that some client sends, or none should.
struct Case {
    what: &'static str,
    options: Vec<u8>,
    payload: usize,
    ip_options: usize,
    ecn: bool,
    /// What it meets where this host terminates.
    cookie: Reason,
}

fn case(what: &'static str, options: &[u8], cookie: Reason) -> Case {
    Case {
        what,
        options: options.to_vec(),
        payload: 0,
        ip_options: 0,
        ecn: false,
        cookie,
    }
}

/// Timestamps of value 1, behind as many options of other kinds as fill the header.
fn filled_up(first: &[u8]) -> Vec<u8> {
    const TIMESTAMPS: [u8; 10] = [8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
    let mut options = first.to_vec();
    options.resize(40 - TIMESTAMPS.len(), 1);
    options.extend(TIMESTAMPS);
    options
}

fn cases() -> Vec<Case> {
    use Reason::{
        ReplyCookie as Full, ReplyCookieData as Data, ReplyCookieMalformed as Malformed, ReplyCookiePlain as Plain,
        SynKernel as Kernel,
    };
    let with = |extra: &[u8]| [&LINUX_OPTIONS, extra].concat();
    vec![
        case("Linux", &LINUX_OPTIONS, Full),
        case("Windows", &[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2], Plain),
        case("no options", &[], Plain),
        case("an MSS only", &[2, 4, 5, 0xb4], Plain),
        case("an MSS of 0", &[2, 4, 0, 0, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1], Full),
        case(
            "an MSS of 65,535",
            &[2, 4, 0xff, 0xff, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1],
            Full,
        ),
        case("timestamps only", &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0], Full),
        case("timestamps of value 0", &[1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0], Full),
        case(
            "timestamps without SACK and scale",
            &[2, 4, 5, 0xb4, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            Full,
        ),
        case(
            "a scale of 14",
            &[3, 3, 14, 1, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0],
            Full,
        ),
        case(
            "a scale of 15",
            &[3, 3, 15, 1, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0],
            Full,
        ),
        case(
            "a scale of 255",
            &[3, 3, 255, 1, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0],
            Full,
        ),
        case("40 bytes of nothing", &[1; 40], Plain),
        case(
            "40 bytes, timestamps last",
            &filled_up(&[2, 4, 5, 0xb4, 4, 2, 3, 3, 7]),
            Full,
        ),
        case("an option that nobody knows", &with(&[254, 4, 0xbe, 0xef]), Full),
        case("the end of options early", &[2, 4, 5, 0xb4, 0, 8, 10, 0], Plain),
        case("MSS twice", &with(&[2, 4, 2, 24]), Full),
        case("timestamps twice", &with(&[8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 1]), Full),
        case("everything twice", &[LINUX_OPTIONS, LINUX_OPTIONS].concat(), Full),
        case("a length of 0", &[2, 0, 5, 0xb4], Malformed),
        case("a length of 1", &[2, 1, 5, 0xb4], Malformed),
        case("a length past the header", &[1, 1, 2, 40], Malformed),
        case("an MSS cut off", &with(&[1, 1, 2, 4]), Malformed),
        case("a kind without a length", &[1, 1, 1, 8], Malformed),
        case("a fault behind all options", &with(&[3, 0, 0, 0]), Malformed),
        case("MD5", &[&[19, 18][..], &[7; 16], &[1, 1]].concat(), Kernel),
        case(
            "MD5 behind others",
            &[&[2, 4, 5, 0xb4, 1, 1, 19, 18][..], &[7; 16]].concat(),
            Kernel,
        ),
        case("TCP-AO", &[&[29, 16][..], &[7; 14]].concat(), Kernel),
        case("a Fast Open request", &with(&[34, 2, 1, 1]), Data),
        case(
            "a Fast Open cookie",
            &with(&[34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1]),
            Data,
        ),
        Case {
            payload: 100,
            ..case(
                "a Fast Open cookie and data",
                &with(&[34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1]),
                Data,
            )
        },
        Case {
            payload: 1,
            ..case("a byte of data", &LINUX_OPTIONS, Data)
        },
        Case {
            payload: 1_400,
            ..case("data and no options", &[], Data)
        },
        Case {
            ecn: true,
            ..case("ECN", &LINUX_OPTIONS, Full)
        },
        Case {
            ecn: true,
            ..case("ECN without timestamps", &[2, 4, 5, 0xb4], Plain)
        },
        Case {
            ip_options: 8,
            ..case("IP options", &LINUX_OPTIONS, Full)
        },
        Case {
            ip_options: 40,
            ..case(
                "40 bytes of IP options",
                &filled_up(&[2, 4, 5, 0xb4, 4, 2, 3, 3, 7]),
                Full,
            )
        },
        Case {
            ip_options: 16,
            payload: 33,
            ..case("IP options and data", &[2, 4, 5, 0xb4], Data)
        },
    ]
}

#[test]
fn cookies() -> Result<()> {
    answers(false, false)
}

#[test]
fn cookies_behind_a_vlan_tag() -> Result<()> {
    answers(false, true)
}

#[test]
fn challenges() -> Result<()> {
    answers(true, false)
}

#[test]
fn challenges_behind_a_vlan_tag() -> Result<()> {
    answers(true, true)
}

fn answers(forwards: bool, vlan: bool) -> Result<()> {
    let turn = alone::wait()?;
    let topology = Topology::shaped(Shape {
        forwards,
        vlan,
        edges: false,
    })?;
    allow_cookies(topology.server())?;
    topology.server().set_sysctls(&[("net/ipv4/tcp_ecn", "1")])?;
    interface::compute_checksums(topology.balancer(), BALANCER_INTERFACE)?;
    let listener = serve(&topology, PORT)?;
    let raw = Raw::open(topology.wire(), WIRE_INTERFACE)?;
    let lab = Guarded::start(topology, &guarded::settings())?;
    // Nothing is measured from here on.
    drop(turn);
    let topology = lab.topology();
    let filter = "tcp or (vlan and (tcp or ip6 proto 6))";
    let capture = Capture::start(topology.lab(), topology.wire(), WIRE_INTERFACE, filter)?;
    let mut expected = 0;
    for target in guarded::targets(PORT) {
        lab.set_rung(target.ip(), "verify")?;
        // The agent may still be learning what the listener says.
        std::thread::sleep(Duration::from_millis(1_500));
        for case in cases() {
            // Each from a source of its own: who has a connection is known, and need not prove itself again.
            let from = SocketAddr::new(ghost(target.is_ipv6()), 5_000);
            let syn = Segment {
                flags: if case.ecn { flag::SYN | ECE | CWR } else { flag::SYN },
                payload: vec![b'x'; case.payload],
                ip_options: case.ip_options,
                ..Segment::syn(from, target)
                    .options(&case.options)
                    .vlans(topology.vlans())
            };
            let run = || {
                if forwards {
                    challenged(&lab, &raw, &syn)
                } else {
                    answered(&lab, &raw, &syn, &case, &listener)
                }
            };
            expected += run().with_context(|| format!("{target}: a SYN with {}", case.what))?;
        }
    }
    let frames = capture.finish()?;
    assert!(
        frames.len() >= expected,
        "{} of {expected} frames captured",
        frames.len()
    );
    capture::ensure_sound(&frames)?;
    let tag = topology.vlans().first().copied();
    assert!(
        frames.iter().all(|frame| frame.vlan == tag),
        "a frame has lost its tag, or found one"
    );
    Ok(())
}

/// The answer is the one challenge: no options, nothing acknowledged that was sent.
fn challenged(lab: &Guarded, raw: &Raw, syn: &Segment) -> Result<usize> {
    let before = lab.counts(syn.destination.ip())?;
    let answer = raw.answer(syn, SOON)?.context("no answer")?;
    ensure!(answer.flags == flag::SYN | flag::ACK, "{answer:?}");
    ensure!(answer.acknowledgement != syn.sequence.wrapping_add(1), "{answer:?}");
    ensure!(answer.payload.is_empty() && answer.ip_options == 0, "{answer:?}");
    let counted = lab.since(syn.destination.ip(), &before, Reason::ReplyChallenge)?;
    ensure!(counted == 1, "{counted} challenges were counted");
    Ok(1)
}

/// The answer says what the kernel would say, and its acknowledgement opens a connection.
fn answered(lab: &Guarded, raw: &Raw, syn: &Segment, case: &Case, listener: &Listener) -> Result<usize> {
    let before = lab.counts(syn.destination.ip())?;
    if case.cookie == Reason::SynKernel {
        // It has no key for this peer. What it makes of that is its business.
        let _kernels_answer = raw.answer(syn, NEVER)?;
        let counted = lab.since(syn.destination.ip(), &before, Reason::SynKernel)?;
        ensure!(
            counted == 1,
            "{counted} went to the kernel: {:?}",
            lab.counts(syn.destination.ip())?.since(&before)
        );
        return Ok(0);
    }
    let answer = raw.answer(syn, SOON)?.context("no answer")?;
    let counts = lab.counts(syn.destination.ip())?.since(&before);
    ensure!(
        counts.get(case.cookie) == 1,
        "{:?} was expected: {}",
        case.cookie,
        named(&counts)
    );
    let has_ecn = answer.flags & ECE != 0;
    ensure!(answer.flags & !ECE == flag::SYN | flag::ACK, "{answer:?}");
    ensure!(answer.acknowledgement == syn.sequence.wrapping_add(1), "{answer:?}");
    ensure!(answer.payload.is_empty() && answer.ip_options == 0, "{answer:?}");
    ensure!(answer.option(2).is_some_and(|mss| mss.len() == 2), "{answer:?}");
    says_no_more_than_offered(syn, &answer, has_ecn)?;
    if case.cookie == Reason::ReplyCookie {
        keeps_all_that_was_offered(syn, &answer, has_ecn)?;
    }
    let accepted = listener.accepted();
    raw.send(&answer.acknowledged().vlans(&syn.vlans).frame())?;
    until("the cookie opens a connection", || {
        Ok(listener.accepted() == accepted + 1)
    })?;
    Ok(1)
}

fn says_no_more_than_offered(syn: &Segment, answer: &Segment, has_ecn: bool) -> Result<()> {
    for kind in [kind::WINDOW_SCALE, kind::SACK_PERMITTED, kind::TIMESTAMPS] {
        ensure!(
            answer.option(kind).is_none() || syn.option(kind).is_some(),
            "option {kind} was not offered: {answer:?}"
        );
    }
    ensure!(!has_ecn || syn.flags & (ECE | CWR) == ECE | CWR, "ECN was not offered");
    if let Some(timestamps) = answer.option(kind::TIMESTAMPS) {
        let offered: Vec<&[u8]> = all_timestamps(&syn.options);
        ensure!(
            offered.contains(&&timestamps[4..8]),
            "the echo {:?} is none of {offered:?}",
            &timestamps[4..8]
        );
    }
    if let Some(scale) = answer.option(kind::WINDOW_SCALE) {
        ensure!(scale.len() == 1 && scale[0] <= 14, "{answer:?}");
    }
    Ok(())
}

/// Values of all timestamps among options.
fn all_timestamps(options: &[u8]) -> Vec<&[u8]> {
    options
        .windows(6)
        .filter(|window| window[..2] == [kind::TIMESTAMPS, 10])
        .map(|window| &window[2..])
        .collect()
}

fn keeps_all_that_was_offered(syn: &Segment, answer: &Segment, has_ecn: bool) -> Result<()> {
    for kind in [kind::WINDOW_SCALE, kind::SACK_PERMITTED, kind::TIMESTAMPS] {
        ensure!(
            syn.option(kind).is_none() || answer.option(kind).is_some(),
            "option {kind} was lost: {answer:?}"
        );
    }
    ensure!(has_ecn == (syn.flags & ECE != 0), "ECN was lost: {answer:?}");
    Ok(())
}
