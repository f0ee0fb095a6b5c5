//! What both sides know: addresses, segments, listeners; and the namespace in which the kernel side has them.

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use agent::{
    config::units::{Burst, Rate},
    ladder::{ForcedRung, KnownFor, Ladder, Method, Rung, Syncookies},
    tables::{AddressState, KernelSettings, KernelTables as _, Limit, ListenerFacts, Mode},
};
use etherparse::TcpHeader;
use lab::{
    answers::assert_answers,
    expect,
    host_tables::HostTables,
    packet::{Transport, flag},
    prog_run::ProgRun,
};
use nix::{
    sched::{CloneFlags, CpuSet, sched_getcpu, sched_setaffinity, unshare},
    unistd::Pid,
};
use xdp_common::{Action, Address, AddressPolicy, Reason, listener, rate};
use xdp_ebpf::Listener;

/// In verify by cookie, by challenge, not at all; and open to known sources only.
pub(crate) const COOKIE: [&str; 2] = ["198.51.100.10", "2001:db8:1::10"];
pub(crate) const CHALLENGE: [&str; 2] = ["198.51.100.11", "2001:db8:1::11"];
pub(crate) const DROP: [&str; 2] = ["198.51.100.12", "2001:db8:1::12"];
pub(crate) const KNOWN: [&str; 2] = ["198.51.100.13", "2001:db8:1::13"];
/// In verify by cookie, at ten SYNs per second.
pub(crate) const SMALL: [&str; 2] = ["198.51.100.14", "2001:db8:1::14"];
pub(crate) const CLIENTS: [&str; 2] = ["203.0.113.7", "2001:db8:2::7"];
/// Somebody listens; somebody does, but never accepts; nobody does.
pub(crate) const OPEN: u16 = 443;
pub(crate) const FULL: u16 = 444;
pub(crate) const CLOSED: u16 = 445;
pub(crate) const ISN: u32 = 0x1234_5678;

pub(crate) const LINUX: &[u8] = &[2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
pub(crate) const WINDOWS: &[u8] = &[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2];
pub(crate) const LONGEST: &[u8] = &[
    2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 0, 0,
];
pub(crate) const MD5: &[u8] = &[
    2, 4, 5, 0xb4, 19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
];
pub(crate) const FAST_OPEN: &[u8] = &[2, 4, 5, 0xb4, 34, 2, 1, 1];
pub(crate) const LYING: &[u8] = &[2, 4, 5, 0xb4, 8, 99, 1, 1];

/// A TCP segment with these options (a multiple of four bytes) and this much data.
pub(crate) fn segment(flags: u8, sequence: u32, acknowledgement: u32, options: &[u8], data: usize) -> Transport {
    from_port(40_000, OPEN, flags, sequence, acknowledgement, options, data)
}

pub(crate) fn from_port(
    source: u16,
    destination: u16,
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    options: &[u8],
    data: usize,
) -> Transport {
    let mut header = TcpHeader::new(source, destination, sequence, 64_240);
    header.acknowledgment_number = acknowledgement;
    let mut bytes = header.to_bytes()[..20].to_vec();
    bytes[12] = ((20 + options.len()) as u8 / 4) << 4;
    bytes[13] = flags;
    bytes.extend(options);
    bytes.resize(bytes.len() + data, 0x55);
    Transport::Raw(6, bytes)
}

pub(crate) fn syn(options: &[u8]) -> Transport {
    segment(flag::SYN, ISN, 0, options, 0)
}

pub(crate) fn limit(rate: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).unwrap(),
        syn_burst: Burst::new(rate).unwrap(),
    }
}

/// Both sides, with the same addresses and settings.
pub(crate) struct Sides {
    pub(crate) kernel: ProgRun,
    pub(crate) host: HostTables,
}

impl Sides {
    pub(crate) fn new() -> Self {
        let kernel = ProgRun::load().unwrap();
        let mut host = HostTables::default();
        host.settings.source_syn = rate::Limit::new(100_000, 100_000);
        host.settings.known_ticks = 100;
        let mut sides = Self { kernel, host };
        sides.set(Mode::Enforce, Syncookies::Always, None);
        let groups = [
            (COOKIE, Method::Cookie, Rung::Verify, 100_000),
            (CHALLENGE, Method::Challenge, Rung::Verify, 100_000),
            (DROP, Method::Drop, Rung::Verify, 100_000),
            (KNOWN, Method::Cookie, Rung::Known, 100_000),
            (SMALL, Method::Cookie, Rung::Verify, 10),
        ];
        for (addresses, method, rung, syn_rate) in groups {
            for address in addresses {
                sides.add(address.parse().unwrap(), method, rung, syn_rate);
            }
        }
        sides
    }

    pub(crate) fn set(&mut self, mode: Mode, syncookies: Syncookies, answers_per_second: Option<u32>) {
        let settings = KernelSettings {
            syncookies,
            answers_per_second: answers_per_second.map(|rate| Rate::new(rate).unwrap()),
            known_for: KnownFor::from_ticks(100),
            ..KernelSettings::new(mode, limit(100_000))
        };
        self.kernel.kernel.put_settings(&settings).unwrap();
    }

    pub(crate) fn add(&mut self, address: IpAddr, method: Method, rung: Rung, syn_rate: u32) {
        let local = method == Method::Cookie;
        let state = AddressState {
            local,
            rung: Some(ForcedRung { rung, until: None }),
            ladder: Ladder {
                method,
                ..Ladder::default()
            },
            ..AddressState::new(address, limit(syn_rate))
        };
        self.kernel.kernel.put_address(&state).unwrap();
        let slot = self.host.policies.len() as u32 + 1;
        let limit = rate::Limit::new(syn_rate, syn_rate);
        let policy = AddressPolicy {
            syn: limit,
            calm: limit,
            rung_until_ns: u64::MAX,
            slot,
            rung: rung as u8,
            method: method as u8,
            local: u8::from(local),
            ..AddressPolicy::default()
        };
        self.host.policies.insert(Address::from(address), policy);
    }

    /// What a packet meets in the kernel, and what is sent back.
    pub(crate) fn in_kernel(&mut self, frame: &[u8]) -> (Reason, Vec<u8>) {
        let (run, moved) = self.kernel.frame(frame).unwrap();
        let [(Some(_), reason, 1)] = expect::moved(&moved)[..] else {
            panic!(
                "one counter of one address should have moved by one: {:?}",
                expect::moved(&moved)
            );
        };
        assert_eq!(run.action, reason.action(), "{reason:?}");
        (reason, run.frame)
    }

    /// Both sides say `reason`. What they send back, if that is a reply, is sound, and answers the frame.
    pub(crate) fn expect(&mut self, what: &str, frame: &[u8], reason: Reason) -> [Vec<u8>; 2] {
        let (in_kernel, from_kernel) = self.in_kernel(frame);
        assert_eq!(in_kernel, reason, "{what}, in the kernel: {frame:02x?}");
        let (judgement, from_host) = self.host.reply(frame);
        assert_eq!(judgement.reason, reason, "{what}, on the host: {frame:02x?}");
        for back in [&from_kernel, &from_host] {
            if reason.action() == Action::Reply {
                assert_answers(what, frame, back);
            } else {
                assert_eq!(back, frame, "{what}: what is not answered is not changed");
            }
        }
        [from_kernel, from_host]
    }

    /// As [`Self::expect`] of a retransmission, which each CPU may answer only when it has saved up for it.
    pub(crate) fn expect_at_last(&mut self, what: &str, frame: &[u8], reason: Reason) {
        assert_eq!(self.host.reply(frame).0.reason, reason, "{what}, on the host");
        let mut met = Vec::new();
        for _ in 0..20 {
            met.push(self.in_kernel(frame).0);
            if met.last() == Some(&reason) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{what}, in the kernel: {met:?}");
    }

    /// The host's listener does what a real one does in the kernel.
    pub(crate) fn host_listens(&self, state: u32) {
        let facts = listener::ListenerFacts {
            window: 64_240,
            mss: 1_400,
            window_scale: 7,
            options: 0xf,
            learned: 1,
            reserved: 0,
        };
        self.host.listener.set(Listener { state, facts });
    }

    pub(crate) fn kernel_learns(&mut self, address: &str) {
        let listener = agent::tables::Listener {
            address: address.parse().unwrap(),
            port: OPEN,
            facts: ListenerFacts {
                window: 64_240,
                mss: 1_400,
                window_scale: 7,
                timestamps: true,
                window_scaling: true,
                sack: true,
                ecn: true,
            },
        };
        self.kernel.kernel.put_listener(&listener).unwrap();
    }
}

/// Runs `test` in a network namespace of its own that has every address, listeners, and cookies always on.
pub(crate) fn in_namespace(test: impl FnOnce(Sides) + Send + 'static) {
    lab::require::root().unwrap();
    let outcome = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        // One CPU, because each has a budget of its own.
        let mut cpus = CpuSet::new();
        cpus.set(sched_getcpu().unwrap()).unwrap();
        sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
        ip("link set lo up");
        for address in [COOKIE, KNOWN, SMALL, CLIENTS].as_flattened() {
            let bits = if address.contains(':') {
                "128 dev lo nodad"
            } else {
                "32 dev lo"
            };
            ip(&format!("address add {address}/{bits}"));
        }
        sysctl("tcp_syncookies", "2");
        sysctl("tcp_timestamps", "2");
        let _listener = TcpListener::bind(("::", OPEN)).unwrap();
        test(Sides::new());
    })
    .join();
    assert!(outcome.is_ok(), "the test failed in its namespace");
}

pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Of the namespace of this thread.
pub(crate) fn sysctl(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value).unwrap();
}

/// Each family.
pub(crate) fn families(addresses: [&'static str; 2]) -> impl Iterator<Item = (&'static str, &'static str)> {
    CLIENTS.into_iter().zip(addresses)
}

/// A connection from that address of this namespace.
pub(crate) fn connect_from(source: IpAddr, to: SocketAddr) -> TcpStream {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
    use std::os::fd::AsRawFd as _;
    let family = if source.is_ipv6() {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    let socket = socket(family, SockType::Stream, SockFlag::empty(), None).unwrap();
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0))).unwrap();
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to)).unwrap();
    TcpStream::from(socket)
}
