//! The packet that is asked about: checked, then built byte by byte as a real client would send it.

use std::net::IpAddr;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpOptionElement};
use serde::{Deserialize, Serialize};

use crate::{control::api::ExplainRequest, decide::Refusal};

/// What servers listen on unless another port is named.
const PORT: u16 = 443;
/// A port that clients use.
const SOURCE_PORT: u16 = 50_000;
/// What real clients' packets have left of their time to live when they arrive.
const HOPS: u8 = 55;
/// Locally administered hardware addresses: the judge does not look at them.
const MACS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
const WINDOW: u16 = 64_240;
/// Payload of datagrams and pings, bytes.
const PAYLOAD: [u8; 32] = [0; 32];

/// The protocol of a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Proto {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// A ping, of the addresses' family.
    Icmp,
}

/// A TCP flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Flag {
    /// Begins a connection.
    Syn,
    /// Acknowledges.
    Ack,
    /// Ends it.
    Fin,
    /// Resets it.
    Rst,
    /// Push.
    Psh,
    /// Urgent.
    Urg,
    /// No flag at all.
    None,
}

/// A packet that could come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Who sends it.
    pub source: IpAddr,
    /// Whom it goes to.
    pub destination: IpAddr,
    /// What it is.
    pub proto: Proto,
    /// Source port; 0 where there are none.
    pub source_port: u16,
    /// Destination port; 0 where there are none.
    pub port: u16,
    /// TCP flags; none where there are none.
    pub flags: Vec<Flag>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish<'a> {
    /// Source and destination.
    pub between: (IpAddr, IpAddr),
    /// The protocol.
    pub proto: Proto,
    /// Destination port.
    pub port: Option<u16>,
    /// Source port.
    pub source_port: Option<u16>,
    /// TCP flags; a SYN where there are none.
    pub flags: &'a [Flag],
}

impl Probe {
    /// Checks a wish. `is_ours` tells whether an address is a protected one.
    ///
    /// # Errors
    /// A packet that cannot be, or cannot come from outside.
    pub fn new(wish: &Wish<'_>, is_ours: impl Fn(IpAddr) -> bool) -> Result<Self, Refusal> {
        let (source, destination) = (wish.between.0.to_canonical(), wish.between.1.to_canonical());
        check_addresses(source, destination, is_ours)?;
        for (name, port) in [("--port", wish.port), ("--sport", wish.source_port)] {
            check_port(name, port, wish.proto)?;
        }
        check_flags(wish.flags, wish.proto)?;
        let has_ports = wish.proto != Proto::Icmp;
        let flags = match (wish.proto, wish.flags) {
            (Proto::Tcp, []) => vec![Flag::Syn],
            (_, flags) => flags.to_vec(),
        };
        Ok(Self {
            source,
            destination,
            proto: wish.proto,
            source_port: if has_ports {
                wish.source_port.unwrap_or(SOURCE_PORT)
            } else {
                0
            },
            port: if has_ports { wish.port.unwrap_or(PORT) } else { 0 },
            flags,
        })
    }

    /// True for a TCP segment that asks for a connection.
    #[must_use]
    pub fn is_syn(&self) -> bool {
        self.proto == Proto::Tcp && self.has(Flag::Syn) && !self.has(Flag::Ack)
    }

    fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// The frame, with this TCP sequence number: a SYN that came before with the same would be its retransmission.
    #[must_use]
    pub fn frame(&self, sequence: u32) -> Vec<u8> {
        let link = PacketBuilder::ethernet2(MACS.0, MACS.1);
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.above(link.ipv4(source.octets(), destination.octets(), HOPS), sequence)
            }
            (source, destination) => {
                let octets = |address: IpAddr| match address {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                    IpAddr::V6(v6) => v6.octets(),
                };
                self.above(link.ipv6(octets(source), octets(destination), HOPS), sequence)
            }
        }
    }

    fn above(&self, ip: PacketBuilderStep<etherparse::IpHeaders>, sequence: u32) -> Vec<u8> {
        let mut frame = Vec::new();
        let written = match self.proto {
            Proto::Tcp => return self.tcp(ip, sequence),
            Proto::Udp => ip.udp(self.source_port, self.port).write(&mut frame, &PAYLOAD),
            Proto::Icmp if self.source.is_ipv4() => ip.icmpv4_echo_request(1, 1).write(&mut frame, &PAYLOAD),
            Proto::Icmp => ip.icmpv6_echo_request(1, 1).write(&mut frame, &PAYLOAD),
        };
        // Writing to memory fails only for what is longer than a packet may be.
        debug_assert!(written.is_ok(), "{written:?}");
        frame
    }

    /// A segment: a SYN with the options of a usual client (MSS, SACK permitted, timestamps, window scale).
    fn tcp(&self, ip: PacketBuilderStep<etherparse::IpHeaders>, sequence: u32) -> Vec<u8> {
        let mut tcp = ip.tcp(self.source_port, self.port, sequence, WINDOW);
        for flag in &self.flags {
            tcp = match flag {
                Flag::Syn => tcp.syn(),
                Flag::Ack => tcp.ack(!sequence),
                Flag::Fin => tcp.fin(),
                Flag::Rst => tcp.rst(),
                Flag::Psh => tcp.psh(),
                Flag::Urg => tcp.urg(0),
                Flag::None => tcp,
            };
        }
        let timestamps = TcpOptionElement::Timestamp(sequence, 0);
        let mss = TcpOptionElement::MaximumSegmentSize(if self.source.is_ipv4() { 1_460 } else { 1_440 });
        let noop = TcpOptionElement::Noop;
        let options = if self.has(Flag::Syn) {
            let scale = TcpOptionElement::WindowScale(7);
            vec![
                mss,
                TcpOptionElement::SelectiveAcknowledgementPermitted,
                timestamps,
                noop,
                scale,
            ]
        } else if self.has(Flag::Rst) || self.has(Flag::None) {
            Vec::new()
        } else {
            vec![noop.clone(), noop, timestamps]
        };
        let mut frame = Vec::new();
        let written = tcp.options(&options).map(|tcp| tcp.write(&mut frame, &[]));
        debug_assert!(matches!(written, Ok(Ok(()))), "the options fit");
        frame
    }
}

fn check_addresses(source: IpAddr, destination: IpAddr, is_ours: impl Fn(IpAddr) -> bool) -> Result<(), Refusal> {
    if source.is_ipv4() != destination.is_ipv4() {
        let family = |address: IpAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(Refusal::invalid(
            format!(
                "{source} is {} and {destination} is {}: no packet goes from one to the other",
                family(source),
                family(destination)
            ),
            "give both addresses of one family",
        ));
    }
    for (what, address) in [("SRC", source), ("DST", destination)] {
        if address.is_multicast() || address.is_unspecified() || is_broadcast(address) {
            return Err(Refusal::invalid(
                format!("{what} {address} is no address of one host"),
                "give the address of one client and one of ours; multicast and broadcast are not Levee's business",
            ));
        }
    }
    if is_ours(source) {
        let hint = if is_ours(destination) {
            "give the address of a client first".to_owned()
        } else {
            format!("the client comes first: `agent explain {destination} {source}`")
        };
        return Err(Refusal::invalid(
            format!("SRC {source} is one of our own addresses: Levee looks at what comes in, not at what goes out"),
            hint,
        ));
    }
    Ok(())
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.is_broadcast())
}

fn check_port(name: &str, port: Option<u16>, proto: Proto) -> Result<(), Refusal> {
    match port {
        Some(_) if proto == Proto::Icmp => Err(Refusal::invalid(
            format!("{name}: ICMP has no ports"),
            format!("leave {name} out, or name another --proto"),
        )),
        Some(0) => Err(Refusal::invalid(
            format!("{name} 0: no packet uses port 0"),
            "give a port from 1 to 65535".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn check_flags(flags: &[Flag], proto: Proto) -> Result<(), Refusal> {
    if !flags.is_empty() && proto != Proto::Tcp {
        return Err(Refusal::invalid(
            "--flags: only TCP has flags",
            "leave --flags out, or say --proto tcp",
        ));
    }
    if flags.len() > 1 && flags.contains(&Flag::None) {
        return Err(Refusal::invalid(
            "--flags: none stands alone",
            "say --flags none, or name the flags",
        ));
    }
    Ok(())
}

/// The packet that a request asks about.
///
/// # Errors
/// As [`Probe::new`].
pub fn of(request: &ExplainRequest, is_ours: impl Fn(IpAddr) -> bool) -> Result<Probe, Refusal> {
    let wish = Wish {
        between: (request.source, request.destination),
        proto: request.proto,
        port: request.port,
        source_port: request.source_port,
        flags: &request.flags,
    };
    Probe::new(&wish, is_ours)
}

/// A sequence number that no packet before had, but for one in four billion.
///
/// # Errors
/// If the kernel has no random numbers.
pub fn sequence() -> Result<u32, Refusal> {
    getrandom::u32().map_err(|error| Refusal::failed(format!("cannot draw a sequence number: {error}")))
}

#[cfg(test)]
mod tests {
    use xdp_common::Address;
    use xdp_ebpf::{Packet, Transport, packet::tcp_flag, parse};

    use super::*;

    const PAIRS: [(&str, &str); 2] = [("192.0.2.1", "203.0.113.7"), ("2001:db8:2::1", "2001:db8::7")];

    fn address(text: &str) -> IpAddr {
        text.parse().expect("test address")
    }

    fn wish<'a>(between: (&str, &str), proto: Proto, flags: &'a [Flag]) -> Wish<'a> {
        Wish {
            between: (address(between.0), address(between.1)),
            proto,
            port: None,
            source_port: None,
            flags,
        }
    }

    fn parsed(wish: &Wish<'_>) -> Packet {
        let frame = Probe::new(wish, |_| false).expect("sound").frame(7);
        parse(&&frame[..]).expect("has a destination")
    }

    #[test]
    fn the_program_reads_each_packet_as_it_was_meant() {
        for pair in PAIRS {
            let [tcp, udp, icmp] = [Proto::Tcp, Proto::Udp, Proto::Icmp].map(|proto| parsed(&wish(pair, proto, &[])));
            for packet in [tcp, udp, icmp] {
                assert_eq!(packet.fault, None);
                assert_eq!(packet.source, Address::from(address(pair.0)));
                assert_eq!(packet.destination, Address::from(address(pair.1)));
                assert!(!packet.is_fragment);
            }
            assert_eq!(
                (tcp.transport, udp.transport, icmp.transport),
                (Transport::Tcp, Transport::Udp, Transport::Icmp)
            );
            assert!(tcp.is_syn() && !tcp.has_data && tcp.sequence == 7);
            assert_eq!(tcp.tcp_header_len, 40, "a SYN with its options");
            for packet in [tcp, udp] {
                assert_eq!(u16::from_be_bytes(packet.destination_port), PORT);
                assert_eq!(u16::from_be_bytes(packet.source_port), SOURCE_PORT);
            }
            let ping = if pair.0.contains(':') { 128 } else { 8 };
            assert_eq!(icmp.icmp_type, ping);
        }
    }

    #[test]
    fn flags_are_those_that_were_asked_for() {
        for (flags, byte) in [
            (&[Flag::Syn, Flag::Ack][..], tcp_flag::SYN | tcp_flag::ACK),
            (&[Flag::Fin, Flag::Ack], tcp_flag::FIN | tcp_flag::ACK),
            (&[Flag::Rst], tcp_flag::RST),
            (&[Flag::Psh, Flag::Urg], tcp_flag::PSH | tcp_flag::URG),
            (&[Flag::None], 0),
        ] {
            let packet = parsed(&wish(PAIRS[0], Proto::Tcp, flags));
            assert_eq!(packet.tcp_flags, byte, "{flags:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_way_out() {
        let refused = |wish: &Wish<'_>| {
            let refusal = Probe::new(wish, |address| address == self::address("203.0.113.7")).expect_err("refused");
            assert_eq!(refusal.kind, crate::decide::refusal::Kind::Invalid);
            format!("{}; {}", refusal.error, refusal.hint.unwrap_or_default())
        };
        let between = |source, destination| refused(&wish((source, destination), Proto::Tcp, &[]));
        assert!(between("192.0.2.1", "2001:db8::7").contains("one family"));
        assert!(between("192.0.2.1", "224.0.0.1").contains("DST 224.0.0.1"));
        assert!(between("ff02::1", "2001:db8::7").contains("SRC ff02::1"));
        assert!(between("192.0.2.1", "255.255.255.255").contains("one host"));
        assert!(between("203.0.113.7", "192.0.2.1").contains("`agent explain 192.0.2.1 203.0.113.7`"));
        assert!(between("203.0.113.7", "203.0.113.7").contains("a client first"));
        let port = |proto, port, source_port| {
            refused(&Wish {
                port,
                source_port,
                ..wish(PAIRS[0], proto, &[])
            })
        };
        assert!(port(Proto::Tcp, Some(0), None).contains("--port 0"));
        assert!(port(Proto::Udp, None, Some(0)).contains("--sport 0"));
        assert!(port(Proto::Icmp, Some(80), None).contains("no ports"));
        assert!(refused(&wish(PAIRS[0], Proto::Udp, &[Flag::Syn])).contains("only TCP"));
        assert!(refused(&wish(PAIRS[0], Proto::Tcp, &[Flag::Syn, Flag::None])).contains("stands alone"));
    }

    #[test]
    fn mapped_addresses_are_what_they_stand_for() {
        let probe = Probe::new(&wish(("::ffff:192.0.2.1", "203.0.113.7"), Proto::Tcp, &[]), |_| false);
        assert_eq!(probe.map(|probe| probe.source), Ok(address("192.0.2.1")));
    }
}
