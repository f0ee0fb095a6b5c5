//! Wrong kernels and wrong settings of the network.

use agent::{
    doctor::facts::{Facts, InterfacesFrom},
    kernel::Probed,
    tables::Syncookies,
};

use super::{
    Row,
    healthy::{configure, healthy},
    hold, wrong,
};

fn probed(facts: &mut Facts) -> &mut Probed {
    facts.kernel.probed.as_mut().expect("the healthy host was probed")
}

fn set(facts: &mut Facts, name: &str, value: u64) {
    facts.sysctls.values.insert(name.to_owned(), value);
}

const KERNEL: &[Row] = &[
    (
        "an old kernel",
        |f| f.kernel.too_old = Some("this kernel (5.10) is too old".to_owned()),
        "kernel.version",
        "apt-get install",
    ),
    (
        "no BTF",
        |f| f.kernel.btf = false,
        "kernel.btf",
        "CONFIG_DEBUG_INFO_BTF",
    ),
    (
        "no XDP",
        |f| probed(f).missing_programs = Ok(vec!["Xdp".to_owned()]),
        "kernel.programs",
        "apt-get",
    ),
    (
        "no cookies from XDP",
        |f| probed(f).missing_helpers = Ok(vec!["bpf_tcp_raw_gen_syncookie_ipv4".to_owned()]),
        "kernel.helpers",
        "apt-get",
    ),
    (
        "no ring buffer",
        |f| probed(f).missing_maps = Ok(vec!["RingBuf".to_owned()]),
        "kernel.maps",
        "apt-get",
    ),
    (
        "no frags",
        |f| probed(f).frags = Ok(false),
        "kernel.xdp_frags",
        "apt-get",
    ),
    ("no links", |f| probed(f).link = Ok(false), "kernel.xdp_link", "apt-get"),
    (
        "no tracepoint",
        |f| f.kernel.tracepoint = Ok(Some(false)),
        "kernel.tracepoint",
        "CONFIG_FTRACE",
    ),
    (
        "no JIT",
        |f| f.kernel.jit = Ok(0),
        "kernel.jit",
        "sysctl -w net.core.bpf_jit_enable=1",
    ),
    (
        "a hardened JIT",
        |f| f.kernel.jit_harden = Ok(2),
        "kernel.jit_harden",
        "sysctl -w net.core.bpf_jit_harden=1",
    ),
];

const SYSCTLS: &[Row] = &[
    (
        "no cookies",
        |f| f.sysctls.tcp.syncookies = Syncookies::Never,
        "sysctl.syncookies",
        "sysctl -w net.ipv4.tcp_syncookies=1",
    ),
    (
        "disguised timestamps",
        |f| f.sysctls.tcp.timestamps = 1,
        "sysctl.timestamps",
        "sysctl -w net.ipv4.tcp_timestamps=2",
    ),
    (
        "no windows",
        |f| f.sysctls.tcp.window_scaling = false,
        "sysctl.window_scaling",
        "tcp_window_scaling=1",
    ),
    ("no SACK", |f| f.sysctls.tcp.sack = false, "sysctl.sack", "tcp_sack=1"),
    (
        "a short SYN queue",
        |f| set(f, "net.ipv4.tcp_max_syn_backlog", 128),
        "sysctl.syn_backlog",
        "sysctl -w net.ipv4.tcp_max_syn_backlog=4096",
    ),
    (
        "a short accept queue",
        |f| set(f, "net.core.somaxconn", 128),
        "sysctl.somaxconn",
        "net.core.somaxconn=4096",
    ),
    (
        "resets for customers",
        |f| set(f, "net.ipv4.tcp_abort_on_overflow", 1),
        "sysctl.abort_on_overflow",
        "tcp_abort_on_overflow=0",
    ),
    (
        "a forwarder that does not forward",
        |f| set(f, "net.ipv4.ip_forward", 0),
        "sysctl.forwarding",
        "sysctl -w net.ipv4.ip_forward=1",
    ),
    (
        "answers by another interface, and a strict filter",
        |f| {
            f.config.interfaces_from = InterfacesFrom::CommandLine;
            f.config.default_interfaces = vec!["eth1".to_owned()];
            set(f, "net/ipv4/conf/eth0/rp_filter", 1);
        },
        "sysctl.rp_filter",
        "sysctl -w net/ipv4/conf/eth0/rp_filter=2",
    ),
    (
        "a short backlog",
        |f| set(f, "net.core.netdev_max_backlog", 300),
        "sysctl.netdev_max_backlog",
        "netdev_max_backlog=10000",
    ),
    (
        "a namespace without a backlog of its own",
        |f| {
            f.sysctls.values.remove("net.core.netdev_max_backlog");
        },
        "sysctl.netdev_max_backlog",
        "",
    ),
    (
        "a small connection table",
        |f| set(f, "net.netfilter.nf_conntrack_max", 65_536),
        "sysctl.conntrack_max",
        "nf_conntrack_max=1048576",
    ),
    (
        "a connection table that is nearly full",
        |f| {
            set(f, "net.netfilter.nf_conntrack_max", 1_000_000);
            set(f, "net.netfilter.nf_conntrack_count", 800_000);
        },
        "sysctl.conntrack_max",
        "nf_conntrack_max=2000000",
    ),
    (
        "connection tracking that does not know cookies",
        |f| {
            set(f, "net.netfilter.nf_conntrack_max", 1_000_000);
            set(f, "net.netfilter.nf_conntrack_tcp_loose", 0);
        },
        "sysctl.conntrack_loose",
        "nf_conntrack_tcp_loose=1",
    ),
];

#[test]
fn wrong_kernels() {
    hold(KERNEL);
}

#[test]
fn wrong_settings() {
    hold(SYSCTLS);
}

#[test]
fn what_the_agent_does_by_itself_is_not_wrong() {
    let mut facts = healthy();
    configure(&mut facts, "[verify]\nset_sysctls = true");
    facts.sysctls.tcp.timestamps = 1;
    assert!(wrong(&facts).is_empty(), "{:#?}", wrong(&facts));
    let mut facts = healthy();
    configure(&mut facts, "[verify]\nmethod = 'challenge'");
    facts.sysctls.tcp.syncookies = Syncookies::Never;
    assert!(wrong(&facts).is_empty(), "{:#?}", wrong(&facts));
    let mut facts = healthy();
    facts.xdp.has_maps = true;
    facts.memory.available = Ok(1 << 20);
    assert!(wrong(&facts).is_empty(), "the maps are there: {:#?}", wrong(&facts));
}
