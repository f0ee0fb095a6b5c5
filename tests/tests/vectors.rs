//! Rates of what is not a SYN, and amplifiers: the same frames through the loaded program and through the model on the host,
//! in both families.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

use std::{
    net::{IpAddr, UdpSocket},
    process::Command,
    thread,
};

use agent::{
    config::units::{Amplification, Burst, Rate},
    tables::{
        AddressState, ForcedRung, KernelSettings, KernelTables as _, Limit, ListAction, ListEntry, Mode, MonotonicNs,
        Rung, Vectors,
    },
    vectors::VectorRates,
};
use lab::{
    expect,
    host_tables::HostTables,
    packet::{Packet, Transport, flag},
    prog_run::ProgRun,
};
use nix::sched::{CloneFlags, unshare};
use xdp_common::{Address, Preset, Reason, Vector};
use xdp_ebpf::OwnSocket;

/// Of this host, each with its rates.
const OURS: [&str; 2] = ["198.51.100.10", "2001:db8:1::10"];
/// Forwarded.
const BEHIND: [&str; 2] = ["198.51.100.20", "2001:db8:1::20"];
/// Without any rate.
const FREE: [&str; 2] = ["198.51.100.30", "2001:db8:1::30"];
const CLIENTS: [&str; 2] = ["203.0.113.7", "2001:db8:2::7"];
const RESOLVERS: [&str; 2] = ["192.0.2.53", "2001:db8:53::53"];
/// So many frames of [`FRAME`] come at once at the lowest rate of bits, 1,000 per second: 15,140 bytes, and the frame that
/// begins within them. The next one comes eleven seconds later: no test takes so long, and time does not matter.
const BURST: usize = 11;
/// Length of the frames that are to meet a rate.
const FRAME: usize = 1_500;
/// The lowest rate.
const LOWEST: (&str, &str) = ("unlimited", "1k");

fn limit() -> Limit {
    Limit {
        syn_rate: Rate::new(100_000).unwrap(),
        syn_burst: Burst::new(100_000).unwrap(),
    }
}

/// A frame with bytes behind the end of its packet, up to [`FRAME`].
fn padded(packet: &Packet) -> Vec<u8> {
    let mut frame = packet.bytes();
    frame.resize(FRAME, 0);
    frame
}

fn rates((packets, bits): (&str, &str)) -> VectorRates {
    VectorRates {
        packets: packets.parse().unwrap(),
        bits: bits.parse().unwrap(),
    }
}

/// Kernel and model with the same addresses.
struct Sides {
    kernel: ProgRun,
    host: HostTables,
}

impl Sides {
    fn new(mode: Mode) -> Self {
        let mut sides = Self {
            kernel: ProgRun::load().unwrap(),
            host: HostTables::default(),
        };
        let settings = KernelSettings {
            resolvers: [
                Some(RESOLVERS[0].parse().unwrap()),
                Some(RESOLVERS[1].parse().unwrap()),
                None,
                None,
            ],
            ..KernelSettings::new(mode, limit())
        };
        sides.kernel.kernel.put_settings(&settings).unwrap();
        sides.host.put_settings(&settings);
        sides
    }

    fn protect(&mut self, address: &str, with: impl Fn(&mut AddressState)) {
        let mut state = AddressState::new(address.parse().unwrap(), limit());
        with(&mut state);
        self.kernel.kernel.put_address(&state).unwrap();
        self.host.put_address(&state);
    }

    /// Both sides say `reason`, and one counter of the frame's address moves.
    fn expect(&mut self, what: &str, to: &str, frame: &[u8], reason: Reason) {
        let (_, moved) = self.kernel.frame(frame).unwrap();
        let address: IpAddr = to.parse().unwrap();
        assert_eq!(
            expect::moved(&moved),
            [(Some(address), reason, 1)],
            "{what}, in the kernel"
        );
        assert_eq!(self.host.examine(frame).reason, reason, "{what}, on the host");
    }

    /// Within its rate a frame meets `within`; beyond it, `over`.
    fn exhaust(&mut self, what: &str, to: &str, frame: &[u8], within: usize, reasons: (Reason, Reason)) {
        for _ in 0..within {
            self.expect(what, to, frame, reasons.0);
        }
        self.expect(what, to, frame, reasons.1);
    }
}

fn udp(payload: usize) -> Transport {
    Transport::Udp { payload }
}

fn only(vector: Vector, rates: VectorRates) -> Vectors {
    Vectors::from_each(|each| if each == vector { rates } else { VectorRates::default() })
}

#[test]
fn each_vector_has_its_own_rate_and_counter() {
    let rows: [(Vector, Transport, Reason, Reason); 4] = [
        (Vector::Udp, udp(100), Reason::Udp, Reason::UdpRate),
        (Vector::Icmp, Transport::Icmp(8), Reason::Icmp, Reason::IcmpRate),
        (
            Vector::Other,
            Transport::Raw(47, vec![0; 24]),
            Reason::Other,
            Reason::OtherRate,
        ),
        (
            Vector::Tcp,
            Transport::Tcp {
                flags: flag::ACK,
                options: 0,
                payload: 10,
            },
            Reason::Tcp,
            Reason::OutOfState,
        ),
    ];
    for (vector, transport, pass, drop) in rows {
        let mut sides = Sides::new(Mode::Enforce);
        for (to, from) in OURS.into_iter().zip(CLIENTS) {
            sides.protect(to, |state| {
                state.local = true;
                state.vectors = only(vector, rates(LOWEST));
            });
            let frame = padded(&Packet::new(from, to, transport.clone()));
            sides.exhaust(vector.name(), to, &frame, BURST, (pass, drop));
            let others = [
                (udp(9), Reason::Udp),
                (Transport::Icmp(8), Reason::Icmp),
                (Transport::Raw(50, vec![0; 8]), Reason::Other),
            ];
            for (other, reason) in others.into_iter().filter(|(_, reason)| *reason != pass) {
                let frame = Packet::new(from, to, other).bytes();
                sides.expect("another vector has room", to, &frame, reason);
            }
            sides.expect("a SYN is no vector", to, &Packet::syn(from, to).bytes(), Reason::Syn);
        }
        for (to, from) in FREE.into_iter().zip(CLIENTS) {
            sides.protect(to, |_| {});
            let frame = padded(&Packet::new(from, to, transport.clone()));
            sides.exhaust("an address without rates", to, &frame, 3 * BURST, (pass, pass));
        }
    }
}

#[test]
fn packets_are_counted_whatever_their_length() {
    let mut sides = Sides::new(Mode::Enforce);
    for (to, from) in OURS.into_iter().zip(CLIENTS) {
        sides.protect(to, |state| state.vectors = only(Vector::Udp, rates(("1", "unlimited"))));
        for payload in 0..10 {
            let frame = Packet::new(from, to, udp(100 * payload)).bytes();
            sides.expect("ten packets come at once", to, &frame, Reason::Udp);
        }
        sides.expect(
            "the eleventh",
            to,
            &Packet::new(from, to, udp(0)).bytes(),
            Reason::UdpRate,
        );
    }
}

#[test]
fn fragments_count_in_their_transport_too() {
    let mut sides = Sides::new(Mode::Enforce);
    for (to, from) in OURS.into_iter().zip(CLIENTS) {
        sides.protect(to, |state| state.vectors = only(Vector::Fragments, rates(LOWEST)));
        let first = padded(&Packet::new(from, to, udp(100)).fragment(0, true));
        let later = padded(&Packet::new(from, to, Transport::Raw(17, vec![0; 64])).fragment(9, false));
        for _ in 0..BURST / 2 {
            sides.expect("first fragment", to, &first, Reason::Udp);
            sides.expect("later fragment", to, &later, Reason::Fragment);
        }
        sides.expect("the last that fits", to, &first, Reason::Udp);
        sides.expect("first fragment over the rate", to, &first, Reason::FragmentRate);
        sides.expect("later fragment over the rate", to, &later, Reason::FragmentRate);
        let syn = Packet::syn(from, to).fragment(0, true).bytes();
        sides.expect("a SYN in a fragment is one too", to, &syn, Reason::FragmentRate);
        sides.expect(
            "a whole packet",
            to,
            &Packet::new(from, to, udp(100)).bytes(),
            Reason::Udp,
        );
    }
    for (to, from) in BEHIND.into_iter().zip(CLIENTS) {
        sides.protect(to, |state| state.vectors = only(Vector::Udp, rates(LOWEST)));
        let first = padded(&Packet::new(from, to, udp(100)).fragment(0, true));
        sides.exhaust(
            "first fragments of UDP",
            to,
            &first,
            BURST,
            (Reason::Udp, Reason::UdpRate),
        );
        let later = padded(&Packet::new(from, to, Transport::Raw(17, vec![0; 64])).fragment(9, false));
        sides.exhaust(
            "later ones have no transport",
            to,
            &later,
            2 * BURST,
            (Reason::Fragment, Reason::Fragment),
        );
    }
}

#[test]
fn neighbour_discovery_is_never_limited() {
    let mut sides = Sides::new(Mode::Enforce);
    let (to, from) = (OURS[1], CLIENTS[1]);
    sides.protect(to, |state| state.vectors = only(Vector::Icmp, rates(LOWEST)));
    for kind in 133..=137 {
        let frame = padded(&Packet::new(from, to, Transport::Icmp(kind)));
        sides.exhaust(
            "neighbour discovery",
            to,
            &frame,
            2 * BURST,
            (Reason::Icmp, Reason::Icmp),
        );
    }
    let ping = padded(&Packet::new(from, to, Transport::Icmp(128)));
    sides.exhaust("pings", to, &ping, BURST, (Reason::Icmp, Reason::IcmpRate));
    let solicitation = Packet::new(from, to, Transport::Icmp(135)).bytes();
    sides.expect("neighbour discovery while pings flood", to, &solicitation, Reason::Icmp);
}

#[test]
fn a_forwarded_address_over_its_rate_admits_known_sources_only() {
    let mut sides = Sides::new(Mode::Enforce);
    for (to, from) in BEHIND.into_iter().zip(CLIENTS) {
        sides.protect(to, |state| state.vectors = only(Vector::Tcp, rates(LOWEST)));
        let frame = padded(&Packet::tcp(from, to, flag::ACK));
        sides.exhaust("a stranger", to, &frame, BURST, (Reason::Tcp, Reason::OutOfState));
        let source: IpAddr = from.parse().unwrap();
        sides
            .kernel
            .kernel
            .remember(&[source], MonotonicNs(agent::clock::Now::read().mono.0))
            .unwrap();
        sides.host.make_known(Address::from(source));
        sides.exhaust("a known source", to, &frame, BURST, (Reason::Tcp, Reason::Tcp));
    }
}

#[test]
fn monitor_counts_and_observe_lets_pass() {
    let mut sides = Sides::new(Mode::Monitor);
    let (to, from) = (OURS[0], CLIENTS[0]);
    let vectors = only(Vector::Udp, rates(LOWEST));
    sides.protect(to, |state| state.vectors = vectors);
    let frame = padded(&Packet::new(from, to, udp(1)));
    sides.exhaust("monitor", to, &frame, BURST, (Reason::Udp, Reason::UdpRate));
    let (run, moved) = sides.kernel.frame(&frame).unwrap();
    assert_eq!((run.action, moved.host.would_drop), (xdp_common::Action::Pass, 1));
    sides.protect(to, |state| {
        state.vectors = vectors;
        state.amplification = Amplification::from_bits(Preset::EVERY);
        state.rung = Some(ForcedRung {
            rung: Rung::Observe,
            until: None,
        });
    });
    sides.expect("on the rung observe", to, &frame, Reason::Udp);
    let reflected = Packet::new(from, to, udp(400)).ports(53, 40_000).bytes();
    sides.expect("amplifiers on the rung observe", to, &reflected, Reason::Udp);
}

#[test]
fn amplifiers_are_dropped_each_with_its_counter() {
    let mut sides = Sides::new(Mode::Enforce);
    for (to, from) in OURS.into_iter().chain(BEHIND).zip(CLIENTS.into_iter().chain(CLIENTS)) {
        let local = OURS.contains(&to);
        sides.protect(to, |state| {
            state.local = local;
            state.amplification = Amplification::from_bits(Preset::EVERY);
        });
        for preset in Preset::ALL {
            let frame = Packet::new(from, to, udp(400)).ports(preset.port(), 53).bytes();
            sides.expect(preset.name(), to, &frame, preset.reason());
            let to_it = Packet::new(from, to, udp(40)).ports(40_000, preset.port()).bytes();
            sides.expect("a query to such a port", to, &to_it, Reason::Udp);
        }
        let quic = Packet::new(from, to, udp(1_200)).ports(443, 40_000).bytes();
        sides.expect("QUIC", to, &quic, Reason::Udp);
        let segment = Packet::tcp(from, to, flag::ACK).ports(53, 40_000).bytes();
        sides.expect("TCP from such a port", to, &segment, Reason::Tcp);
    }
}

#[test]
fn only_the_presets_of_an_address_hold_and_allowed_sources_and_resolvers_pass() {
    let mut sides = Sides::new(Mode::Enforce);
    let allowed = ListEntry {
        prefix: "203.0.113.0/24".parse().unwrap(),
        action: ListAction::Allow,
        until: None,
    };
    for ((to, from), resolver) in OURS.into_iter().zip(CLIENTS).zip(RESOLVERS) {
        sides.protect(to, |state| {
            state.amplification = Amplification::from_bits(Preset::Dns.bit());
        });
        let from_port = |from, port| Packet::new(from, to, udp(400)).ports(port, 40_000).bytes();
        sides.expect("dns", to, &from_port(from, 53), Reason::AmplifiedDns);
        sides.expect("ntp is not asked for", to, &from_port(from, 123), Reason::Udp);
        sides.expect("our resolver", to, &from_port(resolver, 53), Reason::Udp);
    }
    sides.kernel.kernel.put_entry(&allowed).unwrap();
    sides.host.put_entry(&allowed);
    let dns = Packet::new(CLIENTS[0], OURS[0], udp(400)).ports(53, 40_000).bytes();
    sides.expect("an allowed source", OURS[0], &dns, Reason::Allowed);
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// With sockets of this host: what it asked for comes back, from an amplifier's port and through a rate that is used up.
#[test]
fn answers_to_own_queries_pass() {
    lab::require::root().unwrap();
    let outcome = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip("link set lo up");
        for address in OURS.into_iter().chain(CLIENTS) {
            let length = if address.contains(':') { "128 nodad" } else { "32" };
            ip(&format!("address add {address}/{length} dev lo"));
        }
        for (to, from) in OURS.into_iter().zip(CLIENTS) {
            own_answers(to, from);
        }
    })
    .join();
    assert!(outcome.is_ok(), "the test failed in its namespace");
}

fn own_answers(to: &str, from: &str) {
    let mut sides = Sides::new(Mode::Enforce);
    sides.protect(to, |state| {
        state.local = true;
        state.amplification = Amplification::from_bits(Preset::EVERY);
        state.vectors = only(Vector::Udp, rates(LOWEST));
    });
    // A service has a port that it did not draw; what it asks for, it asks from a connected socket.
    let client = UdpSocket::bind((to, 0)).unwrap();
    let connected = UdpSocket::bind((to, 500)).unwrap();
    connected.connect((from, 123)).unwrap();
    let _service = UdpSocket::bind((to, 53)).unwrap();
    let frame = |port, to_port| padded(&Packet::new(from, to, udp(400)).ports(port, to_port));
    let own = client.local_addr().unwrap().port();
    for _ in 0..2 * BURST {
        sides.host.own_socket.set(Some(OwnSocket::UdpClient));
        sides.expect("an answer to a client", to, &frame(53, own), Reason::Udp);
        sides.expect("an answer to a connected socket", to, &frame(123, 500), Reason::Udp);
        sides.host.own_socket.set(None);
        sides.expect("another server's time", to, &frame(53, 500), Reason::AmplifiedDns);
        sides.expect("reflected at a service", to, &frame(53, 53), Reason::AmplifiedDns);
    }
    sides.expect(
        "what nobody asked for is over the rate",
        to,
        &frame(40_000, own),
        Reason::UdpRate,
    );
}
