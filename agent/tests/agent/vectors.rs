//! Rates of vectors, amplifiers and groups: from the file and the command to the kernel's tables, and what is refused.

use std::path::Path;

use agent::{
    clock::Now,
    command::Command,
    config::{self, Config},
    control::{
        api::{ThresholdRequest, UnsetRequest},
        view,
    },
    tables::{AddressCounts, Counts, GroupReading, InVerify, MonotonicNs},
    vectors::{VectorOverride, VectorsOverride},
};
use xdp_common::Reason;

use crate::support::{Bench, address, config, host, later, net, noon, order};

const GROUPS: &str = "[[group]]\nprefix = '203.0.113.0/24'\nsyn_rate = '50k'\nudp = { packets = '20k', bits = '1G' }\n";

fn message(more: &str) -> String {
    let text = format!("interfaces = ['eth0']\nprotect = ['203.0.113.7', '2001:db8::7']\n{more}");
    config::load_text(&text, Path::new("/etc/levee/agent.toml"), &host())
        .expect_err(more)
        .to_string()
}

fn udp(packets: &str) -> VectorsOverride {
    VectorsOverride {
        udp: VectorOverride {
            packets: packets.parse().ok(),
            bits: None,
        },
        ..VectorsOverride::default()
    }
}

fn set(target: &str, syn_rate: Option<&str>, vectors: VectorsOverride) -> Command {
    Command::SetThreshold(ThresholdRequest {
        target: target.to_owned(),
        syn_rate: syn_rate.and_then(|rate| rate.parse().ok()),
        syn_burst: None,
        vectors,
        ttl: None,
        reason: None,
        ..ThresholdRequest::default()
    })
}

#[test]
fn an_address_differs_where_its_section_says_so() {
    let config: Config = config(
        "amplification = ['dns', 'ntp']\n[thresholds.udp]\npackets = '100k/s'\nbits = '1G/s'\n[thresholds.icmp]\npackets = 500\n\
         [[address]]\naddress = '203.0.113.7'\nudp = { packets = '20k' }\nicmp = { packets = 'unlimited' }\namplification = 'all'\n",
    );
    let of = |text: &str| &config.protected[&address(text)];
    assert_eq!(
        of("203.0.113.8").vectors.to_string(),
        "udp 100k/s packets, 1G/s bits; icmp 500/s packets"
    );
    assert_eq!(of("203.0.113.7").vectors.to_string(), "udp 20k/s packets, 1G/s bits");
    assert_eq!(of("203.0.113.8").amplification.to_string(), "dns,ntp");
    assert_eq!(of("203.0.113.7").amplification.to_string(), "all");
    assert_eq!(config.resolvers, host().resolvers);
}

#[test]
fn mistakes_name_key_and_way_out() {
    for (text, parts) in [
        (
            "[thresholds.udp]\npackets = 0",
            &["thresholds.udp.packets = 0", "agent block-ip"][..],
        ),
        (
            "[thresholds.udp]\nbits = '0'",
            &["thresholds.udp.bits", "agent block-ip"],
        ),
        (
            "[thresholds.address]\nsyn_rate = 0",
            &["thresholds.address.syn_rate = 0", "agent block-ip"],
        ),
        (
            "[thresholds.udp]\nbits = '1Gbit/s'",
            &["\"1Gbit/s\" is not a rate of bits", "1.5G/s"],
        ),
        ("[thresholds.udp]\npacket = 5", &["did you mean `packets`"]),
        (
            "[thresholds.upd]\npackets = 5",
            &["thresholds.upd", "address, source, udp"],
        ),
        ("amplification = ['dsn']", &["\"dsn\" is no preset", "dns, ntp"]),
        ("amplification = ['quic']", &["QUIC is left alone"]),
        ("amplification = 'some'", &["\"all\""]),
        (
            "[[group]]\nprefix = '203.0.113.1/24'\nsyn_rate = 5",
            &["group[0].prefix", "203.0.113.0/24"],
        ),
        (
            "[[group]]\nprefix = '198.51.100.0/24'\nsyn_rate = 5",
            &["group[0].prefix", "holds no protected address"],
        ),
        (
            "[[group]]\nprefix = '203.0.113.0/24'\nsyn_rate = 5\n[[group]]\nprefix = '203.0.113.0/28'\nsyn_rate = 5",
            &["group[1].prefix", "overlaps group[0] (203.0.113.0/24)"],
        ),
        (
            "[[group]]\nprefix = '203.0.113.0/24'",
            &["group[0].prefix", "limits nothing"],
        ),
        (
            "[[group]]\nprefix = '203.0.113.0/24'\nsyn_burst = 5",
            &["a syn_burst without a syn_rate"],
        ),
        (
            "[[group]]\nprefix = '203.0.113.0/24'\nsyn_rate = 0",
            &["group[0].syn_rate = 0", "agent block-ip"],
        ),
        (
            "[[group]]\nprefix = '203.0.113.0/24'\nsyn_rate = 5\n[[group]]\nprefix = '2001:db8::/64'\nsyn_rate = 5\n[limits]\ngroups = 1",
            &["there are 2 groups, and limits.groups is 1"],
        ),
        ("[limits]\ngroups = 0", &["limits.groups = 0", "from 1 to 1024"]),
    ] {
        let message = message(text);
        for part in parts {
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}

#[test]
fn the_kernel_is_told_of_groups_and_of_what_is_set_over_the_file() {
    let bench = Bench::default();
    let text = format!("[thresholds.udp]\npackets = '100k'\n{GROUPS}");
    let mut engine = bench.start(config(&text), noon()).expect("starts");
    {
        let kernel = bench.kernel.lock();
        let group = &kernel.groups[&net("203.0.113.0/24")];
        assert_eq!(
            group.limit.map(|limit| limit.to_string()).as_deref(),
            Some("50k/s burst 50k")
        );
        assert_eq!(group.vectors.to_string(), "udp 20k/s packets, 1G/s bits");
        assert!(kernel.addresses.values().all(|state| state.group == Some(group.prefix)));
        assert_eq!(kernel.settings.resolvers[0], Some(address("192.0.2.53")));
    }
    order(&mut engine, set("203.0.113.0/24", Some("5k"), udp("1k")), noon()).expect("set");
    order(&mut engine, set("203.0.113.7", None, udp("10")), noon()).expect("set");
    order(&mut engine, set("address", None, udp("20")), noon()).expect("set");
    {
        let kernel = bench.kernel.lock();
        let group = &kernel.groups[&net("203.0.113.0/24")];
        assert_eq!(group.limit.map(|limit| limit.syn_rate.per_second()), Some(5_000));
        assert_eq!(group.vectors.to_string(), "udp 1k/s packets, 1G/s bits");
        let of = |text: &str| kernel.addresses[&address(text)].vectors.to_string();
        assert_eq!(
            (of("203.0.113.7"), of("203.0.113.8")),
            ("udp 10/s packets".to_owned(), "udp 20/s packets".to_owned())
        );
    }
    drop(engine);
    let mut engine = bench.start(config(&text), later(noon(), 5)).expect("starts again");
    assert_eq!(
        bench.kernel.lock().groups[&net("203.0.113.0/24")].vectors.to_string(),
        "udp 1k/s packets, 1G/s bits",
        "the ledger remembers"
    );
    let views = view::thresholds(&engine.snapshots().borrow());
    let targets: Vec<&str> = views.iter().map(|view| view.target.as_str()).collect();
    assert_eq!(targets, ["source", "address", "203.0.113.7", "203.0.113.0/24"]);
    let unset = |target: &str| {
        Command::UnsetThreshold(UnsetRequest {
            target: target.to_owned(),
            ..UnsetRequest::default()
        })
    };
    for target in ["203.0.113.0/24", "203.0.113.7", "address"] {
        order(&mut engine, unset(target), noon()).expect(target);
    }
    let kernel = bench.kernel.lock();
    assert_eq!(
        kernel.addresses[&address("203.0.113.7")].vectors.to_string(),
        "udp 100k/s packets"
    );
    assert_eq!(
        kernel.groups[&net("203.0.113.0/24")]
            .limit
            .map(|limit| limit.syn_rate.per_second()),
        Some(50_000)
    );
}

#[test]
fn thresholds_that_make_no_sense_are_refused() {
    let bench = Bench::default();
    let mut engine = bench.start(config(GROUPS), noon()).expect("starts");
    for (command, part) in [
        (set("source", None, udp("5")), "sources have a SYN rate only"),
        (
            set("203.0.113.0/25", Some("5"), VectorsOverride::default()),
            "is not a group",
        ),
        (set("203.0.113.7", None, VectorsOverride::default()), "nothing to set"),
    ] {
        let refusal = order(&mut engine, command, noon()).expect_err(part);
        assert!(refusal.error.contains(part), "{refusal}");
    }
}

#[test]
fn a_reload_moves_groups_and_vectors() {
    let bench = Bench::default();
    let mut engine = bench.start(config(GROUPS), noon()).expect("starts");
    let next = config("amplification = 'all'\n[thresholds.udp]\npackets = '5k'\n");
    let done = order(&mut engine, Command::Reload(Box::new(next)), noon()).expect("reloads");
    let changes = done.changes.join("\n");
    for part in [
        "thresholds.udp: unlimited -> 5k/s packets",
        "amplification: none -> all",
        "group: - 203.0.113.0/24",
    ] {
        assert!(changes.contains(part), "{changes}");
    }
    let kernel = bench.kernel.lock();
    assert!(kernel.groups.is_empty() && kernel.addresses.values().all(|state| state.group.is_none()));
}

#[test]
fn a_group_is_the_sum_of_its_addresses() {
    let bench = Bench::default();
    let mut engine = bench.start(config(GROUPS), noon()).expect("starts");
    let at = |seconds: u64| -> Now { later(noon(), seconds) };
    let reading = |syns: u64, over: u64| {
        ["203.0.113.7", "203.0.113.8"].map(|text| {
            let mut counts = Counts::default();
            counts.add(Reason::Syn, syns);
            counts.add(Reason::GroupVectorRate, over);
            AddressCounts {
                address: Some(address(text)),
                counts,
                ..AddressCounts::default()
            }
        })
    };
    bench.kernel.lock().counts = reading(100, 0).to_vec();
    engine.tick(at(1));
    bench.kernel.lock().counts = reading(300, 50).to_vec();
    bench.kernel.lock().group_readings = vec![GroupReading {
        prefix: net("203.0.113.0/24"),
        verify: Some(InVerify {
            since: at(1).mono,
            until: MonotonicNs(at(12).mono.0),
        }),
    }];
    engine.tick(at(2));
    let snapshot = engine.snapshots().borrow().clone();
    let groups = view::groups(&snapshot);
    let group = &groups[0];
    assert_eq!((group.addresses, group.rung.as_str(), group.over), (2, "verify", 100));
    let rates = group.rates.expect("rates");
    assert!((rates.syn_pps - 400.0).abs() < 1e-6 && (group.over_pps.expect("rate") - 100.0).abs() < 1e-6);
    assert_eq!(view::status(&snapshot).groups_verifying, [net("203.0.113.0/24")]);
    engine.tick(at(13));
    assert_eq!(view::groups(&engine.snapshots().borrow())[0].rung, "limit");
}
