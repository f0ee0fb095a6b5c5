//! A host on which nothing is wrong.

use std::{collections::BTreeMap, net::IpAddr, path::Path, time::Duration};

use agent::{
    config::{self, ConfigFile},
    control::api::{DaemonView, LedgerView, ModeView, PrivilegesView, StatusView},
    doctor::facts::{
        AgentFacts, Bpffs, ClockFacts, ConfigFacts, Cpus, Facts, Feature, InterfacesFrom, KernelFacts, MemoryFacts,
        Nic, PermissionFacts, Place, SysctlFacts, Way, XdpFacts,
    },
    host::{HostFacts, Interface, Sysctls},
    kernel::Probed,
    tables::{LinkState, Mode, Syncookies, XdpMode},
};

const OWN: &str = "203.0.113.7";
const BEHIND: &str = "203.0.113.8";
pub(super) const PEER: &str = "192.0.2.9";

/// A configuration of it, with more lines in front.
pub(super) fn configure(facts: &mut Facts, more: &str) {
    let text = format!(
        "mode = 'enforce'\ninterfaces = ['eth0']\nprotect = ['{OWN}', '{BEHIND}']\nallow = ['{PEER}']\n{more}\n"
    );
    let host = HostFacts {
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            addresses: vec![ip(OWN)],
            mtu: 1_500,
            receive_drops: 0,
        }],
        gateways: vec![ip("192.0.2.1")],
        resolvers: Vec::new(),
    };
    let path = Path::new("/etc/levee/agent.toml");
    let loaded = config::load_text(&text, path, &host);
    facts.config.resolved = loaded.map(Box::new).map_err(|error| error.problems);
    facts.config.file = toml_file(&text);
}

fn toml_file(text: &str) -> Option<ConfigFile> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("agent.toml");
    std::fs::write(&path, text).expect("writes");
    config::load_what_can_be(&path).ok()
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) fn nic() -> Nic {
    let feature = |active, changeable| Feature { active, changeable };
    Nic {
        name: "eth0".to_owned(),
        driver: Some("ice".to_owned()),
        kind: None,
        lower: None,
        vlans: Vec::new(),
        up: true,
        carrier: true,
        mtu: 1_500,
        xdp_features: Ok(0b10_0011),
        features: Ok(BTreeMap::from([
            ("rx-lro".to_owned(), feature(false, true)),
            ("rx-gro-hw".to_owned(), feature(false, false)),
            ("rx-vlan-hw-parse".to_owned(), feature(true, true)),
        ])),
        queues: Ok((8, 8)),
        combined: true,
        ring: Ok((2_048, 4_096)),
        indirection: Ok((0..8).collect()),
        interrupts: (0..8).map(|at| (40 + at, at.to_string())).collect(),
        rps: (0, 8),
        programs: Vec::new(),
    }
}

fn place(path: &str) -> Place {
    Place {
        path: path.into(),
        obstacle: None,
        free: Some(1 << 40),
        mode: Some(0o40_750),
    }
}

fn sysctls() -> SysctlFacts {
    let values = [
        ("net.ipv4.tcp_max_syn_backlog", 4_096),
        ("net.core.somaxconn", 4_096),
        ("net.ipv4.tcp_abort_on_overflow", 0),
        ("net.ipv4.ip_forward", 1),
        ("net.ipv6.conf.all.forwarding", 0),
        ("net.core.netdev_max_backlog", 1_000),
        ("net/ipv4/conf/all/rp_filter", 0),
        ("net/ipv4/conf/eth0/rp_filter", 0),
    ];
    SysctlFacts {
        tcp: Sysctls {
            syncookies: Syncookies::WhenFull,
            timestamps: 2,
            ..Sysctls::default()
        },
        values: values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// The agent that runs on it.
pub(super) fn status() -> StatusView {
    let now = jiff::Timestamp::now();
    StatusView {
        daemon: Some(DaemonView {
            pid: 4_242,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: now,
            config: "/etc/levee/agent.toml".into(),
            ledger: LedgerView {
                path: "/var/lib/levee/ledger.db".into(),
                healthy: true,
                problem: None,
            },
            privileges: Some(PrivilegesView {
                dropped: true,
                capabilities: vec!["CAP_BPF".to_owned(), "CAP_NET_ADMIN".to_owned()],
                seccomp: true,
                landlock: true,
            }),
        }),
        mode: ModeView {
            mode: Mode::Enforce,
            configured: Some(Mode::Enforce),
            set_by: None,
        },
        interfaces: vec![LinkState {
            interface: "eth0".to_owned(),
            mode: XdpMode::Native,
            warning: None,
        }],
        unprotected: Vec::new(),
        protected: 2,
        blackholed: Vec::new(),
        over_rate: Vec::new(),
        groups: 0,
        groups_verifying: Vec::new(),
        verifying: Vec::new(),
        allowed: 1,
        blocked: 0,
        lists: Vec::new(),
        fleet: None,
        detection: None,
        rates: None,
        sources: None,
        busiest: Vec::new(),
        maps: Vec::new(),
        programs: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The healthy host, with an agent that runs.
pub(super) fn healthy() -> Facts {
    let mut facts = Facts {
        kernel: KernelFacts {
            release: "6.1.0-30-amd64".to_owned(),
            too_old: None,
            btf: true,
            probed: Ok(Probed {
                missing_programs: Ok(Vec::new()),
                missing_helpers: Ok(Vec::new()),
                missing_maps: Ok(Vec::new()),
                frags: Ok(true),
                link: Ok(true),
            }),
            tracepoint: Ok(Some(true)),
            jit: Ok(1),
            jit_harden: Ok(0),
        },
        cpus: Cpus { online: 8, possible: 8 },
        nics: vec![nic()],
        xdp: XdpFacts {
            pinned: Ok(BTreeMap::new()),
            other_versions: Vec::new(),
            other_sizes: Vec::new(),
            has_maps: false,
            locks: Vec::new(),
        },
        sysctls: sysctls(),
        memory: MemoryFacts {
            available: Ok(16 << 30),
            maps: 60 << 20,
            lists: 0,
            largest: vec![("RETRY".to_owned(), 8 << 20)],
            memlock: None,
            cgroup: None,
            open_files: 1_024,
        },
        clock: ClockFacts {
            now: jiff::Timestamp::now(),
            synchronised: Ok(true),
            source: Ok(("tsc".to_owned(), vec!["tsc".to_owned(), "hpet".to_owned()])),
            suspended: Duration::ZERO,
            behind_ledger: None,
        },
        permissions: PermissionFacts {
            root: true,
            missing: Vec::new(),
            may_mount: true,
            bpffs: ("/sys/fs/bpf".into(), Bpffs::Mounted),
            state: place("/var/lib/levee"),
            socket: place("/run/levee"),
            socket_taken: false,
            groups: Vec::new(),
            lockdown: Some("integrity".to_owned()),
            selinux: false,
            unprivileged_bpf: Some(2),
        },
        config: ConfigFacts {
            path: "/etc/levee/agent.toml".into(),
            is_there: true,
            file: None,
            resolved: Err(Vec::new()),
            ways: BTreeMap::from([
                (ip(OWN), Way::Local),
                (
                    ip(BEHIND),
                    Way::By {
                        interface: "eth1".to_owned(),
                        next_hop: None,
                        dead: false,
                    },
                ),
            ]),
            default_interfaces: vec!["eth0".to_owned()],
            gateways: vec![ip("192.0.2.1")],
            ssh_peer: Some(ip(PEER)),
            interfaces_from: InterfacesFrom::Config,
            lists: Vec::new(),
            listening: 4,
        },
        fleet: None,
        agent: AgentFacts::Running(Box::new(status())),
    };
    configure(&mut facts, "");
    facts
}

/// The status of the agent on a host whose agent runs.
pub(super) fn said(facts: &mut Facts) -> &mut StatusView {
    match &mut facts.agent {
        AgentFacts::Running(status) => status,
        _ => panic!("the healthy host has an agent"),
    }
}

/// What an interface's feature is.
pub(super) fn switch(nic: &mut Nic, name: &str, active: bool, changeable: bool) {
    let features = nic.features.as_mut().expect("the healthy host tells");
    features.insert(name.to_owned(), Feature { active, changeable });
}
