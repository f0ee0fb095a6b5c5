//! What this host's settings cost an address in verify, in words for operators.

use std::net::IpAddr;

use super::say;
use crate::{
    config::Config,
    host::TcpFacts,
    ladder::{Method, MethodChoice, Rung, Syncookies},
};

/// What is not as good as it could be while it lasts: for `status`.
#[must_use]
pub fn advice(config: &Config, tcp: &TcpFacts) -> Vec<String> {
    let mut advice = Vec::new();
    let sysctls = &tcp.sysctls;
    let own = tcp.own_addresses();
    let by_cookie = |local: bool| wanting_cookies(config, |address| own.contains(&address) == local);
    let local = by_cookie(true);
    let strangers: Vec<IpAddr> = by_cookie(false)
        .into_iter()
        .filter(|address| config.protected[address].method == MethodChoice::Cookie)
        .collect();
    if !strangers.is_empty() {
        advice.push(format!(
            "verify by cookie needs an address of this host, which {} is not now: it is protected by challenge",
            say::some_of(&strangers)
        ));
    }
    if local.is_empty() {
        return advice;
    }
    let which = say::some_of(&local);
    if sysctls.syncookies == Syncookies::Never {
        advice.push(format!(
            "net.ipv4.tcp_syncookies is 0, so this kernel makes no SYN cookies: {which} is protected by challenge, which costs \
             each new client a round trip; set it to 1"
        ));
    } else if sysctls.timestamps != 2 {
        advice.push(format!(
            "net.ipv4.tcp_timestamps is {}: connections to {which} made by cookie have no window scaling, no SACK and no \
             timestamps, which slows long transfers; set it to 2 while all is calm (verify.set_sysctls does)",
            sysctls.timestamps
        ));
    }
    advice
}

/// The same, with what is as it should be but worth knowing before the agent runs: for `check-config`.
#[must_use]
pub fn advice_before(config: &Config, tcp: &TcpFacts) -> Vec<String> {
    let mut tcp = tcp.clone();
    if config.verify.set_sysctls {
        tcp.sysctls.set_all();
    }
    let mut advice = advice(config, &tcp);
    let own = tcp.own_addresses();
    let local = wanting_cookies(config, |address| own.contains(&address));
    if tcp.sysctls.syncookies == Syncookies::WhenFull && !local.is_empty() {
        advice.push(
            "net.ipv4.tcp_syncookies is 1: SYNs of an address in verify fill the queue of a listener before they are answered \
             by cookie; 2 answers them at once, and makes the kernel use cookies in calm too"
                .to_owned(),
        );
    }
    advice
}

/// Addresses that would take cookies where that is possible.
fn wanting_cookies(config: &Config, which: impl Fn(IpAddr) -> bool) -> Vec<IpAddr> {
    config
        .protected
        .iter()
        .filter(|(address, protected)| {
            protected.ladder.kernel_most() == Rung::Verify
                && protected.method.resolve(true, Syncookies::Always) == Method::Cookie
                && which(**address)
        })
        .map(|(address, _)| *address)
        .collect()
}
