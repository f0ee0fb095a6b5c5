//! Amplifiers: UDP services that answer a small forged request with a large reply to the address that it was forged of
//! (US-CERT TA14-017A; Rossow, "Amplification Hell", NDSS 2014; RFC 8932 and CVE-2018-1000115 for the later ones). What
//! comes from their ports and was not asked for is a flood. QUIC (443) is left alone: most of what comes from there is wanted.

use crate::reason::Reason;

macro_rules! presets {
    ($($preset:ident = $bit:literal, $port:literal, $reason:ident, $name:literal, $text:literal;)+) => {
        /// A service that attackers reflect floods from.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Preset { $(#[doc = $text] $preset = $bit,)+ }

        impl Preset {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$preset,)+];

            /// The preset with this source port.
            #[inline(always)]
            pub const fn of_port(port: u16) -> Option<Self> {
                match port {
                    $($port => Some(Self::$preset),)+
                    _ => None,
                }
            }

            /// Its UDP port.
            pub const fn port(self) -> u16 {
                match self { $(Self::$preset => $port,)+ }
            }

            /// Why a packet from it is dropped.
            #[inline(always)]
            pub const fn reason(self) -> Reason {
                match self { $(Self::$preset => Reason::$reason,)+ }
            }

            /// The word for it in the configuration.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$preset => $name,)+ }
            }

            /// What it is.
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$preset => $text,)+ }
            }
        }
    };
}

presets! {
    Dns = 0, 53, AmplifiedDns, "dns", "Domain name system: open resolvers and large zones.";
    Ntp = 1, 123, AmplifiedNtp, "ntp", "Network time protocol: monlist and other queries of old daemons.";
    Ssdp = 2, 1900, AmplifiedSsdp, "ssdp", "Simple service discovery protocol (UPnP) of home devices.";
    Cldap = 3, 389, AmplifiedCldap, "cldap", "Connectionless LDAP of domain controllers.";
    Memcached = 4, 11211, AmplifiedMemcached, "memcached", "Memcached: up to 50,000 times the request.";
    Chargen = 5, 19, AmplifiedChargen, "chargen", "Character generator (RFC 864).";
    Qotd = 6, 17, AmplifiedQotd, "qotd", "Quote of the day (RFC 865).";
    Snmp = 7, 161, AmplifiedSnmp, "snmp", "Simple network management protocol: bulk requests.";
    Portmap = 8, 111, AmplifiedPortmap, "portmap", "The port mapper of ONC RPC (rpcbind).";
    Netbios = 9, 137, AmplifiedNetbios, "netbios", "NetBIOS name service.";
    Mdns = 10, 5353, AmplifiedMdns, "mdns", "Multicast DNS, answered beyond its link.";
    WsDiscovery = 11, 3702, AmplifiedWsDiscovery, "ws-discovery", "Web services dynamic discovery of cameras and printers.";
    Coap = 12, 5683, AmplifiedCoap, "coap", "Constrained application protocol of small devices.";
}

impl Preset {
    /// All of them, as bits of [`crate::AddressPolicy::amplification`].
    pub const EVERY: u32 = (1 << Self::ALL.len()) - 1;

    /// Its bit among the presets of an address.
    #[inline(always)]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Preset;
    use crate::Action;

    #[test]
    fn ports_bits_and_counters_are_their_own() {
        let mut bits = 0;
        for (at, &preset) in Preset::ALL.iter().enumerate() {
            assert_eq!(Preset::of_port(preset.port()), Some(preset));
            assert_eq!(bits & preset.bit(), 0);
            bits |= preset.bit();
            assert_eq!(preset.reason().action(), Action::Drop);
            let others = &Preset::ALL[at + 1..];
            assert!(
                others
                    .iter()
                    .all(|other| other.reason() != preset.reason() && other.name() != preset.name())
            );
        }
        assert_eq!(bits, Preset::EVERY);
        assert_eq!(Preset::of_port(443), None, "QUIC is left alone");
    }
}
