//! What the next rung would do, and what would change the verdict.

use xdp_common::{Action, Reason};

use super::{
    stages::{address, by_hand, by_list, proof, rung},
    story::Told,
};
use crate::{
    config::prefix,
    control::api::ChangeView,
    ladder::Rung,
    reasons::{self, Stage},
    tables::{ListAction, Method, Mode},
};

/// What the next rung would do to a SYN, in a sentence.
pub(super) fn next_rung(told: &Told<'_>) -> Option<String> {
    let state = address(told).filter(|_| told.probe.is_syn())?;
    // Lists come before every rung.
    if reasons::of(told.by.reason).stage <= Stage::Lists {
        return None;
    }
    let known = told.by.known;
    Some(match rung(told, state) {
        Rung::Observe => "limit: what is over a rate would be dropped".to_owned(),
        Rung::Limit if state.ladder.method == Method::Drop => {
            "verify: this address has no method, so unknown sources over the rate would be dropped".to_owned()
        }
        Rung::Limit if known => "verify: it would pass without a proof, because its source is known".to_owned(),
        Rung::Limit => format!("verify: it would have to prove itself {}", proof(state.ladder.method)),
        Rung::Verify if known => "known: it would pass, because its source is known".to_owned(),
        Rung::Verify => "known: it would be dropped, because its source is not known".to_owned(),
        Rung::Known => "blackhole: it would be dropped, as every new connection".to_owned(),
        Rung::Blackhole => "upstream: the network above would drop it, if it is asked to".to_owned(),
        Rung::Upstream => return None,
    })
}

/// What would change the verdict, the nearest first.
pub(super) fn changes(told: &Told<'_>) -> Vec<ChangeView> {
    let mut changes = Vec::new();
    let mut add = |what: String, effect: &str| {
        changes.push(ChangeView {
            what,
            effect: effect.to_owned(),
        });
    };
    for_the_reason(told, &mut add);
    for_the_source(told, &mut add);
    changes
}

/// What decides is changed.
fn for_the_reason(told: &Told<'_>, add: &mut impl FnMut(String, &str)) {
    let destination = told.probe.destination;
    let group = address(told).and_then(|state| state.group);
    let stage = reasons::of(told.by.reason).stage;
    match told.by.reason {
        Reason::Allowed | Reason::Blocked => lists(told, add),
        Reason::NotOurs => add(
            format!("add {destination} to `protect` in the configuration, then `agent reload`"),
            "it is protected from then on",
        ),
        Reason::Blackhole => {
            add(format!("agent safe {destination}"), "says whether it can be put back");
            add(format!("agent unblock-ip {destination}"), "ends the blackhole");
        }
        Reason::SourceRate => add(
            "agent threshold set source --syn-rate N".to_owned(),
            "every source may ask for more connections",
        ),
        Reason::AddressRate => {
            add(
                format!("agent rung {destination} verify"),
                "lets unknown sources prove themselves, where it has a method",
            );
            add(
                format!("agent threshold set {destination} --syn-rate N"),
                "the address takes more; `agent threshold suggest` says how many",
            );
        }
        Reason::GroupRate => {
            let prefix = group.map_or_else(|| "PREFIX".to_owned(), prefix::display);
            add(
                format!("agent threshold set {prefix} --syn-rate N"),
                "the group takes more",
            );
        }
        Reason::GroupVectorRate => {
            let prefix = group.map_or_else(|| "PREFIX".to_owned(), prefix::display);
            add(
                format!("agent threshold set {prefix} --udp-packets N --udp-bits N"),
                "the group takes more",
            );
        }
        Reason::UdpRate => add(
            format!("agent threshold set {destination} --udp-packets N --udp-bits N"),
            "the address takes more UDP",
        ),
        Reason::IcmpRate => add(
            format!("agent threshold set {destination} --icmp-packets N"),
            "the address takes more ICMP",
        ),
        Reason::OutOfState => add(
            format!("agent threshold set {destination} --tcp-packets N"),
            "the address takes more TCP other than SYNs",
        ),
        Reason::NotKnown => add(
            format!("agent rung {destination} verify"),
            "unknown sources may prove themselves",
        ),
        _ if stage == Stage::Vectors => add(
            format!("take the preset out of `amplification` for {destination}, then `agent reload`"),
            "such datagrams pass within the rate for UDP",
        ),
        _ if stage == Stage::Verify || told.by.reason == Reason::Guard => add(
            format!("agent rung {destination} limit"),
            "ends verify for it: the flood comes through up to its rate, and customers are dropped with it",
        ),
        _ => {}
    }
}

/// Its source is listed, or verdicts are carried out.
fn for_the_source(told: &Told<'_>, add: &mut impl FnMut(String, &str)) {
    let source = told.probe.source;
    let passes = told.by.reason.action() == Action::Pass;
    if passes && told.by.reason != Reason::Allowed {
        add(
            format!("agent block-ip {source} --ttl 30m"),
            "everything of this source is dropped",
        );
    } else if reasons::of(told.by.reason).stage > Stage::Lists {
        add(
            format!("agent allow-ip {source} --ttl 1h"),
            "everything of this source passes, before any rate or blackhole",
        );
    }
    if !passes && told.facts.kernel.settings.mode == Mode::Monitor {
        add("agent mode set enforce".to_owned(), "verdicts are carried out");
    }
}

/// What takes a source off the list that decides, or over it.
fn lists(told: &Told<'_>, add: &mut impl FnMut(String, &str)) {
    let source = told.probe.source;
    let allowed = told.by.reason == Reason::Allowed;
    let action = if allowed { ListAction::Allow } else { ListAction::Block };
    if let Some(entry) = by_hand(told).filter(|entry| entry.action == action) {
        let (verb, key) = if allowed {
            ("unallow-ip", "allow")
        } else {
            ("unblock-ip", "block")
        };
        let prefix = prefix::display(entry.prefix);
        if told.facts.overrides.list.contains_key(&entry.prefix) || told.facts.meter.is_none() {
            add(format!("agent {verb} {prefix}"), "takes the entry off");
        } else {
            add(
                format!("take {prefix} out of `{key}` in the configuration, then `agent reload`"),
                "takes the entry off",
            );
        }
    } else if let Some((head, ..)) = by_list(told) {
        add(
            format!(
                "take it out of the list {} at its source, then `agent lists refresh {}`",
                head.name, head.name
            ),
            "the list does not hold it any more",
        );
    }
    if allowed {
        add(
            format!("agent block-ip {source} --ttl 30m"),
            "a longer prefix decides: this source is dropped",
        );
    } else {
        add(
            format!("agent allow-ip {source} --ttl 1h"),
            "a longer prefix decides: this source passes everything",
        );
    }
}
