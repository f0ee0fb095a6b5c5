//! The stages of the judge, in order, up to the one that decides: what each finds.

use std::net::IpAddr;

use ipnet::IpNet;
use xdp_common::{Action, Reason};

use super::{Proto, story::Told};
use crate::{
    clock::Now,
    config::prefix,
    control::api::StageView,
    decide::say,
    detect::syns,
    ladder::Rung,
    lists::deciding,
    overrides::Origin,
    reasons::{self, Stage},
    tables::{AddressState, Limit, ListAction, ListEntry, ListHead, Method, MonotonicNs},
};

/// What the stages say.
pub(super) fn of(told: &Told<'_>) -> Vec<StageView> {
    let last = reasons::of(told.by.reason).stage;
    let mut views = Vec::new();
    for stage in Stage::ALL {
        let decides = stage == last;
        let says = match stage {
            Stage::Parse => Vec::new(),
            Stage::Lists => lists(told),
            Stage::Destination => destination(told),
            Stage::Blackhole => blackhole(told),
            Stage::Sanity | Stage::End => Vec::new(),
            Stage::Vectors => vectors(told),
            Stage::SynRates => syn_rates(told),
            Stage::Verify => verify(told),
            Stage::OtherTcp => other_tcp(told),
        };
        if decides || !says.is_empty() {
            let says = if says.is_empty() {
                vec![told.by.reason.describe().to_owned()]
            } else {
                says
            };
            views.push(StageView { stage, decides, says });
        }
        // Rates and verify belong together: who reads of one wants to know the other.
        if decides && !(stage == Stage::SynRates && told.probe.is_syn()) {
            break;
        }
    }
    views
}

/// The protected address that it goes to.
pub(super) fn address<'a>(told: &Told<'a>) -> Option<&'a AddressState> {
    told.facts.kernel.addresses.get(&told.probe.destination)
}

/// Who, since when, until when, why.
fn who(origin: Option<&Origin>, until: Option<MonotonicNs>, told: &Told<'_>) -> String {
    let now = told.facts.now;
    match origin {
        Some(origin) => {
            let reason = origin
                .reason
                .as_ref()
                .map_or_else(String::new, |why| format!(": {why:?}"));
            format!(
                "by {}, since {}, {}{reason}",
                origin.actor,
                say::instant(origin.since),
                say::until(origin.until, now)
            )
        }
        None => format!("by {}, {}", told.facts.otherwise, end(until, now)),
    }
}

fn end(until: Option<MonotonicNs>, now: Now) -> String {
    say::until(until.and_then(|until| now.until_mono(until)), now)
}

/// The entry made by hand that decides about the source, if any does.
pub(super) fn by_hand<'a>(told: &Told<'a>) -> Option<&'a ListEntry> {
    let now = told.facts.now.mono;
    let holds = |entry: &&ListEntry| entry.until.is_none_or(|until| until > now);
    let entries = told.facts.kernel.entries.values().filter(holds);
    let entries = entries.map(|entry| (entry.prefix, entry)).collect();
    deciding(&entries, host(told.probe.source)).map(|(_, entry)| *entry)
}

/// The large list that holds the source, and its prefix there.
pub(super) fn by_list<'a>(told: &Told<'a>) -> Option<(&'a ListHead, ListAction, IpNet)> {
    let listed = told.by.listed?;
    let head = told.facts.lists.iter().find(|head| head.number == listed.number)?;
    let source = host(told.probe.source);
    let bits = listed
        .prefix_bits
        .saturating_sub(if told.probe.source.is_ipv4() { 96 } else { 0 });
    let prefix = IpNet::new(source.addr(), bits.min(source.max_prefix_len())).ok()?;
    Some((head, listed.action, prefix.trunc()))
}

fn host(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

fn lists(told: &Told<'_>) -> Vec<String> {
    let verb = |action| {
        if action == ListAction::Allow {
            "allowed"
        } else {
            "blocked"
        }
    };
    let mut says = Vec::new();
    if let Some(entry) = by_hand(told) {
        let asked = told.facts.overrides.list.get(&entry.prefix);
        let asked = asked.filter(|asked| asked.action == entry.action);
        says.push(format!(
            "{} is {} {}",
            prefix::display(entry.prefix),
            verb(entry.action),
            who(asked.map(|asked| &asked.origin), entry.until, told)
        ));
    }
    if let Some((head, action, prefix)) = by_list(told) {
        says.push(format!(
            "{} is {} by the large list {}, {}",
            prefix::display(prefix),
            verb(action),
            head.name,
            end(head.until, told.facts.now)
        ));
    }
    if says.len() == 2 {
        says.push("of both the longer prefix decides, of equals the one made by hand".to_owned());
    }
    if says.is_empty() {
        says.push(format!("{} is on no list", told.probe.source));
    }
    says
}

fn destination(told: &Told<'_>) -> Vec<String> {
    let destination = told.probe.destination;
    let Some(state) = address(told) else {
        let mut says = vec![format!(
            "{destination} is not a protected address: no rule but the lists of sources is asked"
        )];
        let around = if destination.is_ipv4() { 24 } else { 64 };
        let near = IpNet::new(destination, around).map(|net| net.trunc());
        if let Ok(near) = near {
            let inside = told
                .facts
                .kernel
                .addresses
                .range(near.network()..=near.broadcast())
                .count();
            says.push(format!("{inside} addresses of {near} are protected"));
        }
        let mut groups = told.facts.kernel.groups.keys();
        if let Some(group) = groups.find(|group| group.contains(&destination)) {
            says.push(format!(
                "it lies in the prefix of group {group}, whose budgets only protected addresses share"
            ));
        }
        return says;
    };
    let ends = if state.local {
        "connections end at this host"
    } else {
        "this host forwards to it"
    };
    let group = state
        .group
        .map_or_else(String::new, |group| format!(", in group {group}"));
    vec![format!("{destination} is protected; {ends}{group}")]
}

fn blackhole(told: &Told<'_>) -> Vec<String> {
    let Some(state) = address(told) else { return Vec::new() };
    let now = told.facts.now.mono;
    let holds = |until: Option<MonotonicNs>| until.is_none_or(|until| until > now);
    let Some(hole) = state.blackhole.filter(|hole| holds(hole.until)) else {
        return vec!["not blackholed".to_owned()];
    };
    let overrides = told.facts.overrides;
    let asked = overrides.blackholes.get(&state.address).map(|asked| &asked.origin);
    let asked = asked.or_else(|| overrides.taken.get(&state.address).map(|taken| &taken.origin));
    let what = match (hole.all, state.local) {
        (true, _) => "also what was connected before",
        (false, true) => "what was connected before and replies to our own connections live on",
        (false, false) => "whatever is no SYN counts as connected before, because this host forwards",
    };
    vec![format!("blackholed {}", who(asked, hole.until, told)), what.to_owned()]
}

fn vectors(told: &Told<'_>) -> Vec<String> {
    let (Some(state), Proto::Udp | Proto::Icmp) = (address(told), told.probe.proto) else {
        return Vec::new();
    };
    let (name, rates, within, over) = match told.probe.proto {
        Proto::Udp => ("UDP", state.vectors.udp, Reason::Udp, Reason::UdpRate),
        _ => ("ICMP", state.vectors.icmp, Reason::Icmp, Reason::IcmpRate),
    };
    let mut says = vec![if rates.is_unlimited() {
        format!("no rate for {name} to this address")
    } else {
        format!("{name} to this address may have {rates}")
    }];
    if let Some(meter) = told.facts.meter
        && let Some(found) = meter.of(state.address)
    {
        says.push(format!(
            "it gets {:.0}/s, of which {:.0}/s are over the rate",
            meter.per_second(found.delta.get(within) + found.delta.get(over)),
            meter.per_second(found.delta.get(over))
        ));
    }
    if told.by.reason == Reason::GroupVectorRate
        && let Some(group) = state.group
    {
        says.push(format!("the group {group} is over its own rate"));
    }
    if reasons::of(told.by.reason).stage == Stage::Vectors && told.by.reason != over {
        says.push(told.by.reason.describe().to_owned());
    }
    says
}

/// A bucket in words: how much of the burst is used up.
fn bucket(limit: Limit, used_until: Option<MonotonicNs>, now: MonotonicNs) -> String {
    let ahead_ns = used_until.map_or(0, |until| until.0.saturating_sub(now.0));
    let burst_ns = u64::from(limit.syn_burst.events()) as f64 / f64::from(limit.syn_rate.per_second()) * 1e9;
    let used = (ahead_ns as f64 / burst_ns * 100.0).min(100.0);
    format!("{used:.0} % of its burst is used up")
}

fn syn_rates(told: &Told<'_>) -> Vec<String> {
    let (Some(state), true) = (address(told), told.probe.is_syn()) else {
        return Vec::new();
    };
    let (kernel, by) = (told.facts.kernel, &told.by);
    let limit = kernel.settings.source_limit;
    // What has a bucket of its own is not in the sketch any more.
    let source = if by.recorded {
        format!("it was heavy lately; {}", bucket(limit, by.source_used_until, by.now))
    } else {
        format!("about {} SYNs in the last second, not heavy", by.source_syns)
    };
    let mut says = vec![format!("source: {source}; each source may have {limit}")];
    let now_pps = |address: IpAddr| {
        let meter = told.facts.meter?;
        Some(meter.per_second(syns(&meter.of(address)?.delta)))
    };
    let rate = now_pps(state.address).map_or_else(String::new, |pps| format!("{pps:.0} SYN/s now, "));
    let empty = if by.dry_until.is_some() {
        "; this CPU found it empty"
    } else {
        ""
    };
    says.push(format!(
        "address: {rate}its rate is {}; {}{empty}",
        state.limit,
        bucket(state.limit, by.address_used_until, by.now)
    ));
    if let Some(group) = state.group.and_then(|prefix| kernel.groups.get(&prefix)) {
        says.push(match group.limit {
            Some(limit) => {
                let members = kernel
                    .addresses
                    .values()
                    .filter(|member| member.group == Some(group.prefix));
                let pps: f64 = members.filter_map(|member| now_pps(member.address)).sum();
                let rate = told
                    .facts
                    .meter
                    .map_or_else(String::new, |_| format!("{pps:.0} SYN/s now, "));
                format!(
                    "group {}: {rate}its rate is {limit}; {}",
                    group.prefix,
                    bucket(limit, by.group_used_until, by.now)
                )
            }
            None => format!("group {}: no SYN rate", group.prefix),
        });
    }
    says
}

/// The rung in force.
pub(super) fn rung(told: &Told<'_>, state: &AddressState) -> Rung {
    let now = told.facts.now.mono;
    if state
        .blackhole
        .is_some_and(|hole| hole.until.is_none_or(|until| until > now))
    {
        return Rung::Blackhole;
    }
    let forced = state.rung.and_then(|forced| forced.at(now));
    let verifies = told.by.verify_until.is_some() || told.by.group_verify_until.is_some();
    let by_itself = if verifies && state.ladder.most >= Rung::Verify {
        Rung::Verify
    } else {
        Rung::Limit
    };
    forced.unwrap_or(by_itself)
}

/// How a source proves itself, in words.
pub(super) const fn proof(method: Method) -> &'static str {
    match method {
        Method::Cookie => "by the kernel's SYN cookie",
        Method::Challenge => "by resetting a challenge",
        Method::Drop => "not at all: what is not known is dropped",
    }
}

fn verify(told: &Told<'_>) -> Vec<String> {
    let (Some(state), true) = (address(told), told.probe.is_syn()) else {
        return Vec::new();
    };
    let (rung, by) = (rung(told, state), &told.by);
    if rung == Rung::Blackhole {
        return Vec::new();
    }
    let mut says = vec![format!("rung {}, {}", rung.name(), why_there(told, state, rung))];
    if rung >= Rung::Verify {
        says.push(format!("a source proves itself {}", proof(state.ladder.method)));
    }
    says.push(format!(
        "{} {}",
        told.probe.source,
        if by.known {
            "completed a handshake lately: it is known"
        } else {
            "is not known"
        }
    ));
    if rung == Rung::Verify && !by.can_answer {
        says.push("this CPU has no budget left for an answer now (verify.answers_per_second)".to_owned());
    }
    if reasons::of(by.reason).stage == Stage::Verify && by.reason.action() != Action::Reply {
        says.push(by.reason.describe().to_owned());
    }
    says
}

fn why_there(told: &Told<'_>, state: &AddressState, rung: Rung) -> String {
    let now = told.facts.now;
    if let Some(forced) = state.rung.filter(|forced| forced.at(now.mono).is_some()) {
        let overrides = told.facts.overrides;
        let asked = overrides.rungs.get(&state.address).map(|asked| &asked.origin);
        let asked = asked.or_else(|| overrides.taken.get(&state.address).map(|taken| &taken.origin));
        return who(asked, forced.until, told);
    }
    let until = |until: MonotonicNs| format!("until {} at least", say::instant(now.wall_of(until)));
    match (rung, told.by.verify_until, told.by.group_verify_until) {
        (Rung::Verify, Some(end), _) => format!("because the address was over its rate, {}", until(end)),
        (Rung::Verify, None, Some(end)) => format!("because its group was over its rate, {}", until(end)),
        _ => "because no rate is exceeded, and nobody put it elsewhere".to_owned(),
    }
}

fn other_tcp(told: &Told<'_>) -> Vec<String> {
    if told.probe.proto != Proto::Tcp || told.probe.is_syn() {
        return Vec::new();
    }
    let Some(state) = address(told) else { return Vec::new() };
    let rates = state.vectors.tcp;
    let mut says = vec![if rates.is_unlimited() {
        "no rate for TCP other than SYNs to this address".to_owned()
    } else {
        format!("TCP other than SYNs to this address may have {rates}")
    }];
    if rung(told, state) >= Rung::Verify {
        says.push(
            "the address is in verify: what belongs to no connection is dropped where this host can tell".to_owned(),
        );
    }
    says.push(told.by.reason.describe().to_owned());
    says
}
