//! Why a packet was passed, dropped or answered. A reason is the verdict and the index of its counter in one.

/// What happens to a packet in `enforce` mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Goes on to the host.
    Pass,
    /// Ends here.
    Drop,
    /// Is answered from here.
    Reply,
}

impl Action {
    /// The word used in metrics and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Reply => "reply",
        }
    }
}

/// Counters that an address has: room for the reasons that later rungs need, so that adding one moves no map.
pub const REASON_SLOTS: usize = 64;

macro_rules! reasons {
    ($($variant:ident = $index:literal, $action:ident, $name:literal, $text:literal;)+) => {
        /// Why: the verdict of one packet, and the index of its counter. Indexes are stable within a pin version.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $(#[doc = $text] $variant = $index,)+ }

        impl Reason {
            /// All reasons in the order of their indexes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What the packet meets in `enforce` mode.
            #[inline(always)]
            pub const fn action(self) -> Action {
                match self { $(Self::$variant => Action::$action,)+ }
            }

            /// Stable name for metrics, JSON and the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence for operators.
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    NotIp = 0, Pass, "not_ip", "Neither IPv4 nor IPv6 (ARP, LLDP, ..): not Levee's business.";
    Unreadable = 1, Pass, "unreadable", "The frame ends, or its IP version lies, before the destination address can be read.";
    VlanDepth = 2, Pass, "vlan_depth", "More than two VLAN tags: the packet behind them was not looked at.";
    NotOurs = 3, Pass, "not_ours", "The destination is not a protected address.";
    Allowed = 4, Pass, "allowed", "The source is on the allowlist.";
    Syn = 5, Pass, "syn", "A SYN within all rates.";
    Tcp = 6, Pass, "tcp", "TCP other than a SYN.";
    Udp = 7, Pass, "udp", "UDP.";
    Icmp = 8, Pass, "icmp", "ICMP or ICMPv6.";
    Fragment = 9, Pass, "fragment", "A later fragment, which carries no transport header.";
    Other = 10, Pass, "other", "Another IP protocol.";
    BlackholeEstablished = 11, Pass, "blackhole_established", "To a blackholed address, of a connection that was there before.";
    BlackholeReply = 12, Pass, "blackhole_reply", "To a blackholed address, the reply to a connection or query of ours.";
    BlackholeControl = 13, Pass, "blackhole_control", "To a blackholed address, ICMP that connections need: errors, packet too big, neighbour discovery.";
    Known = 14, Pass, "known", "A SYN of a source that completed a handshake lately, to an address in verify.";
    SynKernel = 15, Pass, "syn_kernel", "A SYN to an address in verify that only the kernel can answer: MD5 or TCP-AO option, an old connection of the same ports, cookies off or not yet needed.";
    Blocked = 16, Drop, "blocked", "The source is on the blocklist.";
    Blackhole = 17, Drop, "blackhole", "New traffic to a blackholed address.";
    Ipv4Malformed = 18, Drop, "ipv4_malformed", "IPv4 header too short, or its lengths disagree with the frame.";
    Ipv6Malformed = 19, Drop, "ipv6_malformed", "IPv6 header or payload length disagrees with the frame.";
    Ipv6Chain = 20, Drop, "ipv6_chain", "More IPv6 extension headers than any sound packet has, or one that is cut off.";
    FragmentMalformed = 21, Drop, "fragment_malformed", "A fragment that hides its transport header (RFC 1858, RFC 7112) or runs past 65,535 bytes.";
    TcpMalformed = 22, Drop, "tcp_malformed", "TCP header cut off, or its data offset is under 5 or past the packet.";
    TcpFlags = 23, Drop, "tcp_flags", "TCP flags that no stack sends: none, SYN with FIN or RST, FIN with RST, FIN or URG or PSH without ACK.";
    UdpMalformed = 24, Drop, "udp_malformed", "UDP header cut off, or its length disagrees with the packet.";
    IcmpMalformed = 25, Drop, "icmp_malformed", "ICMP header cut off.";
    ImpossibleSource = 26, Drop, "impossible_source", "A source address that cannot be outside: loopback, multicast, unspecified, or the destination itself.";
    SourceRate = 27, Drop, "source_rate", "A SYN of a source that is over its SYN rate.";
    AddressRate = 28, Drop, "address_rate", "A SYN to an address that is over its SYN rate.";
    CookieAck = 29, Pass, "cookie_ack", "To an address in verify, an acknowledgement that carries a valid cookie.";
    Retransmitted = 30, Pass, "retransmitted", "A SYN to a forwarded address in verify that came again: the slow way in for clients that cannot answer a challenge.";
    Retry = 31, Drop, "retry", "A SYN of an unknown source beyond what this CPU can answer: only its retransmission will be.";
    NotKnown = 32, Drop, "not_known", "A SYN of an unknown source to an address that admits only known ones.";
    NoListener = 33, Drop, "no_listener", "A SYN to an address in verify, to a port where nobody listens.";
    AcceptFull = 34, Drop, "accept_full", "A SYN to an address in verify whose server does not accept: the kernel would drop it too.";
    Guard = 35, Drop, "guard", "To an address in verify, TCP that belongs to no connection and carries no valid cookie.";
    ChallengePassed = 36, Drop, "challenge_passed", "The reset by which a source answers a challenge: it is known now, and the reset has done its work.";
    GroupVectorRate = 37, Drop, "group_vector_rate", "To an address whose group is over a rate of what is not a SYN, what the group has no room for.";
    ReplyCookie = 40, Reply, "cookie", "A SYN answered with a SYN cookie and timestamps.";
    ReplyCookiePlain = 41, Reply, "cookie_plain", "A SYN answered with a SYN cookie without timestamps: MSS only.";
    ReplyCookieData = 42, Reply, "cookie_data", "A SYN with data (or Fast Open) answered with a SYN cookie: the client sends the data again.";
    ReplyCookieMalformed = 43, Reply, "cookie_malformed", "A SYN with malformed options answered with a SYN cookie, by the options before the fault.";
    ReplyChallenge = 44, Reply, "challenge", "A SYN answered with an acknowledgement that only a real client resets.";
    UdpRate = 45, Drop, "udp_rate", "UDP to an address that is over its UDP rate.";
    IcmpRate = 46, Drop, "icmp_rate", "ICMP to an address that is over its ICMP rate.";
    OtherRate = 47, Drop, "other_rate", "Another IP protocol, to an address that is over its rate of these.";
    FragmentRate = 48, Drop, "fragment_rate", "A fragment to an address that is over its rate of fragments.";
    OutOfState = 49, Drop, "out_of_state", "To an address over its rate of TCP other than SYNs, a segment that belongs to no connection (where this host forwards: of a source that completed no handshake lately).";
    GroupRate = 50, Drop, "group_rate", "A SYN to an address that may not make it prove itself, and whose group is over its SYN rate.";
    AmplifiedDns = 51, Drop, "amplified_dns", "UDP from port 53 (DNS) that was not asked for.";
    AmplifiedNtp = 52, Drop, "amplified_ntp", "UDP from port 123 (NTP) that was not asked for.";
    AmplifiedSsdp = 53, Drop, "amplified_ssdp", "UDP from port 1900 (SSDP) that was not asked for.";
    AmplifiedCldap = 54, Drop, "amplified_cldap", "UDP from port 389 (connectionless LDAP) that was not asked for.";
    AmplifiedMemcached = 55, Drop, "amplified_memcached", "UDP from port 11211 (memcached) that was not asked for.";
    AmplifiedChargen = 56, Drop, "amplified_chargen", "UDP from port 19 (chargen) that was not asked for.";
    AmplifiedQotd = 57, Drop, "amplified_qotd", "UDP from port 17 (quote of the day) that was not asked for.";
    AmplifiedSnmp = 58, Drop, "amplified_snmp", "UDP from port 161 (SNMP) that was not asked for.";
    AmplifiedPortmap = 59, Drop, "amplified_portmap", "UDP from port 111 (port mapper) that was not asked for.";
    AmplifiedNetbios = 60, Drop, "amplified_netbios", "UDP from port 137 (NetBIOS names) that was not asked for.";
    AmplifiedMdns = 61, Drop, "amplified_mdns", "UDP from port 5353 (multicast DNS) that was not asked for.";
    AmplifiedWsDiscovery = 62, Drop, "amplified_ws_discovery", "UDP from port 3702 (WS-Discovery) that was not asked for.";
    AmplifiedCoap = 63, Drop, "amplified_coap", "UDP from port 5683 (CoAP) that was not asked for.";
}

impl Reason {
    /// Index of the counter, below [`REASON_SLOTS`].
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as u8 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::{REASON_SLOTS, Reason};

    #[test]
    fn indexes_are_unique_and_fit() {
        for pair in Reason::ALL.windows(2) {
            assert!(pair[0].index() < pair[1].index(), "{:?} {:?}", pair[0], pair[1]);
        }
        assert!(Reason::ALL.iter().all(|reason| reason.index() < REASON_SLOTS));
    }

    #[test]
    fn names_are_unique_snake_case() {
        for (at, reason) in Reason::ALL.iter().enumerate() {
            assert!(
                reason
                    .name()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
            assert!(Reason::ALL[at + 1..].iter().all(|other| other.name() != reason.name()));
            assert!(reason.describe().ends_with('.'));
        }
    }
}
