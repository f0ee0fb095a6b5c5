//! Cookies and challenges grow old, while connections that are being made must not notice.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use lab::{
    alone, cookie_clock,
    guarded::{self, Guarded, allow_cookies, ghost, stranger, until},
    raw::Raw,
    segment::Segment,
    stacks::client,
    topology::{Shape, Topology, WIRE_INTERFACE},
};
use xdp_common::Reason;

use super::common::{NEVER, PORT, SOON, force, serve};

/// The kernel's cookies change once a minute. A cookie outlives one change, not two; a challenge outlives none, and whoever
/// it was sent to gets the next one.
#[test]
fn cookies_age() -> Result<()> {
    const AROUND: Duration = Duration::from_millis(60);
    let (cookies, challenges);
    let listeners;
    {
        let _turn = alone::wait()?;
        let topology = Topology::routed()?;
        allow_cookies(topology.server())?;
        let forwarding = Topology::shaped(Shape {
            forwards: true,
            ..Shape::default()
        })?;
        listeners = [serve(&topology, PORT)?, serve(&forwarding, PORT)?];
        cookies = Guarded::start(topology, &guarded::settings())?;
        challenges = Guarded::start(forwarding, &guarded::settings())?;
        for lab in [&cookies, &challenges] {
            force(lab)?;
        }
    }
    let raw = |lab: &Guarded| Raw::open(lab.topology().wire(), WIRE_INTERFACE);
    let (raw, raw_challenges) = (raw(&cookies)?, raw(&challenges)?);
    let targets = guarded::targets(PORT);
    let ghosts = [false, true].map(|is_ipv6| [ghost(is_ipv6), ghost(is_ipv6)]);
    let syn = |target: SocketAddr, number: usize| {
        let from = ghosts[usize::from(target.is_ipv6())][number];
        Segment::syn(SocketAddr::new(from, 5_000), target)
    };
    // Nothing is measured from here on, and others may take their turn.
    sleep_until(cookie_clock::next_tick()? - AROUND);
    let (mut young, mut old, mut challenged) = (vec![], vec![], vec![]);
    for target in targets {
        young.push(raw.answer(&syn(target, 0), SOON)?.context("no cookie")?);
        old.push(raw.answer(&syn(target, 1), SOON)?.context("no cookie")?);
        challenged.push(raw_challenges.answer(&syn(target, 0), SOON)?.context("no challenge")?);
    }
    let visitors = thread::scope(|scope| {
        let begun: Vec<_> = (0..60)
            .map(|number| {
                let (target, lab) = (targets[number % 2], [&cookies, &challenges][number / 2 % 2]);
                thread::sleep(AROUND / 30);
                scope.spawn(move || {
                    let from = SocketAddr::new(stranger(target.is_ipv6()), 0);
                    client::connect(lab.topology().client(), from, target, client::Options::default())
                })
            })
            .collect();
        let ended: Vec<_> = begun.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended
    });
    for visitor in visitors {
        visitor
            .map_err(|_panic| anyhow!("a visitor panicked"))?
            .context("around the change")?;
    }
    let accepted = listeners[0].accepted();
    for (answer, challenge) in young.iter().zip(&challenged) {
        raw.send(&answer.acknowledged().frame())?;
        // Too late or not, it is answered by nobody.
        assert_eq!(raw_challenges.answer(&challenge.reset(), NEVER)?, None);
    }
    until("cookies outlive one change", || {
        Ok(listeners[0].accepted() == accepted + 2)
    })?;
    for target in targets {
        let again = raw_challenges
            .answer(&syn(target, 0), SOON)?
            .context("no second challenge")?;
        if again.acknowledgement != syn(target, 0).sequence.wrapping_add(1) {
            let before = challenges.counts(target.ip())?;
            raw_challenges.send(&again.reset().frame())?;
            until("the second challenge can be answered", || {
                Ok(challenges.since(target.ip(), &before, Reason::ChallengePassed)? == 1)
            })?;
        }
    }
    sleep_until(cookie_clock::next_tick()? + AROUND);
    let accepted = listeners[0].accepted();
    for answer in &old {
        let before = cookies.counts(answer.source.ip())?;
        assert_eq!(
            raw.answer(&answer.acknowledged(), NEVER)?,
            None,
            "an old cookie was answered"
        );
        assert_eq!(cookies.since(answer.source.ip(), &before, Reason::Guard)?, 1);
    }
    assert_eq!(listeners[0].accepted(), accepted, "an old cookie opened a connection");
    Ok(())
}

fn sleep_until(instant: Instant) {
    thread::sleep(instant.saturating_duration_since(Instant::now()));
}
