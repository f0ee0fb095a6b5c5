//! A snapshot as Prometheus metrics: written out anew at each scrape, so that nothing is kept twice. Names follow the
//! conventions: base units, `_total` for what only grows (the encoder adds it).

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};
use tokio::sync::watch;
use xdp_common::Vector;

use crate::{
    control::view::rungs,
    decide::{standing::rung, state::common_limit},
    detect::{TrafficRates, by_action, syns},
    ladder::Rung,
    snapshot::Snapshot,
    tables::{AddressState, ListAction, Mode},
    vectors::VectorRates,
};

/// The label of everything that is not protected.
const UNPROTECTED: &str = "unprotected";

/// Prefixes whose rates are exported.
const TOP_PREFIXES: usize = 10;
/// Sources whose share is.
const TOP_SOURCES: usize = 10;

/// Writes the latest snapshot.
#[derive(Debug)]
pub(super) struct Exporter {
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Exporter {
    pub(super) const fn new(snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { snapshots }
    }
}

impl Collector for Exporter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let mut out = Writer::new(encoder);
        packets(&mut out, &snapshot)?;
        rates(&mut out, &snapshot)?;
        talkers(&mut out, &snapshot)?;
        thresholds(&mut out, &snapshot)?;
        ladder(&mut out, &snapshot)?;
        super::attacks::attacks(&mut out, &snapshot)?;
        super::groups::groups(&mut out, &snapshot)?;
        lists(&mut out, &snapshot)?;
        large_lists(&mut out, &snapshot)?;
        kernel(&mut out, &snapshot)?;
        agent(&mut out, &snapshot)
    }
}

pub(super) type Labels<'a> = Vec<(&'a str, String)>;

/// One metric family after the other.
pub(super) struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }
}

impl Writer<'_> {
    pub(super) fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, values, |metric, value| {
            metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    fn seconds_counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, values, |metric, value| {
            metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    pub(super) fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, values, |metric, value| {
            metric.encode_gauge(&value)
        })
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [(Vec::new(), value)])
    }

    fn family<'l, T>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl IntoIterator<Item = (Labels<'l>, T)>,
        write: impl Fn(&mut MetricEncoder<'_>, T) -> fmt::Result,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            if labels.is_empty() {
                write(&mut metric, value)?;
            } else {
                write(&mut metric.encode_family(&labels)?, value)?;
            }
        }
        Ok(())
    }
}

/// A count as a gauge's value.
#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles anyway")]
pub(super) const fn float(count: usize) -> f64 {
    count as f64
}

/// A large count as a gauge's value.
#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles anyway")]
pub(super) const fn big(count: u64) -> f64 {
    count as f64
}

pub(super) fn yes(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

fn name_of(address: Option<std::net::IpAddr>) -> String {
    address.map_or_else(|| UNPROTECTED.to_owned(), |address| address.to_string())
}

fn packets(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    // Thousands of addresses with dozens of reasons each, nearly all of which they never meet: those are left out.
    let by_reason = snapshot.meter.addresses.iter().flat_map(|meter| {
        meter.counts.nonzero().map(move |(reason, packets)| {
            let labels = vec![
                ("address", name_of(meter.address)),
                ("reason", reason.name().to_owned()),
                ("action", reason.action().name().to_owned()),
            ];
            (labels, packets)
        })
    });
    out.counters(
        "packets",
        "Packets by destination, reason and what the verdict is in enforce mode; absent before the first one",
        by_reason,
    )?;
    let handshakes = snapshot
        .meter
        .addresses
        .iter()
        .filter(|meter| meter.handshakes > 0)
        .filter_map(|meter| Some((vec![("address", meter.address?.to_string())], meter.handshakes)));
    out.counters(
        "handshakes",
        "TCP handshakes that listeners of this host completed, by address; absent before the first one",
        handshakes,
    )?;
    let host = snapshot.meter.host;
    let one = |value| [(Vec::new(), value)];
    out.counters("dropped_packets", "Packets really dropped", one(host.dropped))?;
    out.counters(
        "would_drop_packets",
        "Packets that monitor mode let pass against their verdict",
        one(host.would_drop),
    )?;
    out.counters(
        "samples_lost",
        "Sampled headers that found no room",
        one(host.samples_lost),
    )?;
    out.counters(
        "sources_unrecorded",
        "Heavy sources that got no exact record",
        one(host.sources_unrecorded),
    )
}

fn rates(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let meter = &snapshot.meter;
    let labels = |address| vec![("address", name_of(address))];
    let syn = meter
        .addresses
        .iter()
        .map(|found| (labels(found.address), meter.per_second(syns(&found.delta))));
    out.gauges("address_syns_per_second", "SYNs per second over the last second", syn)?;
    let dropped = meter
        .addresses
        .iter()
        .map(|found| (labels(found.address), meter.per_second(by_action(&found.delta)[1])));
    out.gauges(
        "address_drops_per_second",
        "Packets per second whose verdict is drop, over the last second",
        dropped,
    )?;
    let over = meter
        .addresses
        .iter()
        .filter(|found| found.address.is_some())
        .map(|found| (labels(found.address), yes(found.current_excess(snapshot.now).is_some())));
    out.gauges("address_over_rate", "1 while SYNs to the address are over a rate", over)
}

/// The heaviest prefixes only: labels must not grow with the number of sources.
fn talkers(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    type Value = fn(&TrafficRates) -> f64;
    let talkers = &snapshot.talkers;
    let values: [(&str, &str, Value); 4] = [
        ("packets", "Packets", |rates| rates.packets_pps),
        ("bits", "Bits of frames", |rates| rates.bits_per_s),
        ("syns", "SYNs", |rates| rates.syn_pps),
        ("drops", "Packets whose verdict is drop,", |rates| rates.drop_pps),
    ];
    for (unit, what, value) in values {
        let top = talkers.prefixes.iter().take(TOP_PREFIXES);
        let rates = top.map(|talker| (vec![("prefix", talker.prefix.to_string())], value(&talker.rates)));
        out.gauges(
            &format!("top_prefix_{unit}_per_second"),
            &format!("{what} per second of the ten heaviest source prefixes (/24, /48), over ten seconds"),
            rates,
        )?;
    }
    out.gauge(
        "source_packets_per_second",
        "Packets per second to protected addresses, over ten seconds",
        talkers.total.packets_pps,
    )?;
    out.gauge(
        "top_sources_share",
        "Share of all packets that the ten heaviest sources sent, 0 to 1",
        talkers.concentration(TOP_SOURCES),
    )?;
    let distinct = talkers.distinct_sources.map(|distinct| (Vec::new(), distinct));
    out.gauges(
        "distinct_sources",
        "Different sources (IPv4 addresses, IPv6 /64) within a second, an estimate",
        distinct,
    )
}

fn thresholds(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let states = || snapshot.kernel.addresses.values();
    let labels = |address: std::net::IpAddr| vec![("address", address.to_string())];
    let rate = states().map(|state| (labels(state.address), f64::from(state.limit.syn_rate.per_second())));
    out.gauges(
        "address_threshold_syns_per_second",
        "SYN rate above which the excess to the address is dropped",
        rate,
    )?;
    let burst = states().map(|state| (labels(state.address), f64::from(state.limit.syn_burst.events())));
    out.gauges(
        "address_threshold_burst_syns",
        "SYNs to the address at once above that rate",
        burst,
    )?;
    let vectors = |rate: fn(VectorRates) -> Option<u64>| {
        let rates = move |state: &AddressState| {
            Vector::ALL.map(|vector| (state.address, vector, rate(state.vectors.of(vector))))
        };
        let limited = states().flat_map(rates).filter_map(|(address, vector, rate)| {
            let labels = vec![("address", address.to_string()), ("vector", vector.name().to_owned())];
            Some((labels, big(rate?)))
        });
        limited.collect::<Vec<_>>()
    };
    out.gauges(
        "address_vector_threshold_packets_per_second",
        "Packet rate of a vector above which the excess to the address is dropped; absent without one",
        vectors(|rates| rates.packets.per_second()),
    )?;
    out.gauges(
        "address_vector_threshold_bits_per_second",
        "Bit rate of a vector above which the excess to the address is dropped; absent without one",
        vectors(|rates| rates.bits.per_second()),
    )?;
    let source = snapshot.kernel.settings.source_limit;
    let common = common_limit(&snapshot.config, &snapshot.overrides);
    let rate = |limit: crate::tables::Limit| f64::from(limit.syn_rate.per_second());
    out.gauge(
        "source_threshold_syns_per_second",
        "SYN rate above which the excess of a source is dropped",
        rate(source),
    )?;
    out.gauge(
        "source_threshold_burst_syns",
        "SYNs of a source at once above that rate",
        f64::from(source.syn_burst.events()),
    )?;
    out.gauge(
        "default_threshold_syns_per_second",
        "SYN rate of addresses without one of their own",
        rate(common),
    )
}

fn ladder(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let mode = snapshot.kernel.settings.mode;
    let modes = [Mode::Monitor, Mode::Enforce].map(|known| (vec![("mode", known.to_string())], yes(mode == known)));
    out.gauges("mode", "1 for the mode that holds", modes)?;
    let rungs = rungs(snapshot)
        .into_iter()
        .map(|view| (vec![("address", view.address.to_string()), ("rung", view.rung)], 1.0));
    out.gauges(
        "address_rung",
        "1 for the rung of the ladder that the address stands on",
        rungs,
    )
}

fn lists(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let counts = [ListAction::Allow, ListAction::Block].map(|action| {
        let count = snapshot
            .kernel
            .entries
            .values()
            .filter(|entry| entry.action == action)
            .count();
        (vec![("action", action.to_string())], float(count))
    });
    out.gauges("list_entries", "Entries of the source list", counts)?;
    let blackholed = snapshot
        .kernel
        .addresses
        .values()
        .filter(|state| rung(state, None, snapshot.now.mono) == Rung::Blackhole)
        .count();
    out.gauge(
        "blackholed_addresses",
        "Protected addresses that are blackholed",
        float(blackholed),
    )?;
    out.gauge(
        "protected_addresses",
        "Protected addresses",
        float(snapshot.kernel.addresses.len()),
    )
}

fn large_lists(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let label = |name: &str| vec![("list", name.to_owned())];
    let packets = snapshot.list_packets.iter().map(|list| {
        let action = list.head.action.to_string();
        let labels = vec![("list", list.head.name.clone()), ("action", action)];
        (labels, list.packets)
    });
    out.counters("list_packets", "Packets that a large list decided about", packets)?;
    let lists = || snapshot.lists.iter();
    let prefixes = lists().flat_map(|list| {
        [("ipv4", list.v4), ("ipv6", list.v6)].map(|(family, count)| {
            let labels = vec![("list", list.name.clone()), ("family", family.to_owned())];
            (labels, float(count))
        })
    });
    out.gauges("list_prefixes", "Prefixes of a large list", prefixes)?;
    let invalid = lists().map(|list| (label(&list.name), float(list.invalid)));
    out.gauges(
        "list_invalid_lines",
        "Lines of a large list that are no prefix",
        invalid,
    )?;
    let conflicts = lists().map(|list| (label(&list.name), float(list.conflicts)));
    out.gauges(
        "list_conflicts",
        "Prefixes of a large list that an earlier list decides otherwise",
        conflicts,
    )?;
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles anyway")]
    let age = lists().filter_map(|list| Some((label(&list.name), list.age_seconds(snapshot.now.wall)? as f64)));
    out.gauges(
        "list_age_seconds",
        "Time since the version of a large list that holds was read",
        age,
    )?;
    let healthy = lists().map(|list| (label(&list.name), yes(list.warning(snapshot.now.wall).is_none())));
    out.gauges(
        "list_healthy",
        "0 while a large list could not be read, or has ended",
        healthy,
    )
}

fn kernel(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let label = |name: &str| vec![("map", name.to_owned())];
    let fills = || snapshot.fills.iter();
    let used = fills().filter_map(|fill| Some((label(&fill.name), big(fill.used?))));
    out.gauges("map_entries", "Entries in use of a kernel map", used)?;
    let capacity = fills().map(|fill| (label(&fill.name), big(fill.capacity)));
    out.gauges("map_capacity_entries", "Entries that fit a kernel map", capacity)?;
    let memory = fills().map(|fill| (label(&fill.name), big(fill.memory_bytes)));
    out.gauges("map_memory_bytes", "Memory of a kernel map", memory)?;
    let program = |name: &str| vec![("program", name.to_owned())];
    let runs = snapshot
        .programs
        .iter()
        .map(|stats| (program(&stats.name), stats.run_count));
    out.counters(
        "program_runs",
        "Runs of a program, while kernel.bpf_stats_enabled is 1",
        runs,
    )?;
    let time = snapshot.programs.iter().map(|stats| {
        (
            program(&stats.name),
            std::time::Duration::from_nanos(stats.run_time_ns).as_secs_f64(),
        )
    });
    out.seconds_counters(
        "program_run_time_seconds",
        "Time spent in a program, while kernel.bpf_stats_enabled is 1",
        time,
    )?;
    let links = snapshot.links.iter().map(|link| {
        (
            vec![("interface", link.interface.clone()), ("mode", link.mode.to_string())],
            1.0,
        )
    });
    out.gauges(
        "interface_attached",
        "1 for each interface with the program, by XDP mode",
        links,
    )
}

fn agent(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let seconds = |at: jiff::Timestamp| at.as_duration().as_secs_f64();
    out.gauge(
        "ledger_healthy",
        "0 while something is wrong with the ledger",
        yes(snapshot.ledger.problem.is_none()),
    )?;
    out.gauge(
        "warnings",
        "Sentences under warnings in agent status",
        float(snapshot.warnings.len()),
    )?;
    out.gauge(
        "counters_read_timestamp_seconds",
        "When the counters were last read",
        seconds(snapshot.meter.at.wall),
    )?;
    out.gauge(
        "start_timestamp_seconds",
        "When the agent started",
        seconds(snapshot.started),
    )?;
    out.gauge(
        "listeners",
        "Listeners of protected addresses that the program knows",
        float(snapshot.listeners.len()),
    )?;
    let build = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    out.gauges("build_info", "1, with the version of the agent", [(build, 1.0)])
}
