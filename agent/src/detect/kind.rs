//! What packets count as, by the reason of their verdict.

use xdp_common::{Action, Reason};

use super::Rates;
use crate::tables::{Counts, Gain};

/// What a reason's packets count as.
enum Kind {
    Syn,
    Tcp,
    Udp,
    Icmp,
    Other,
    Fragments,
    Amplified,
    Malformed,
    Blocked,
    Blackholed,
    /// Any protocol: only the verdict is known.
    Any,
}

const fn kind(reason: Reason) -> Kind {
    use Reason as R;
    match reason {
        R::Syn
        | R::GroupRate
        | R::SourceRate
        | R::AddressRate
        | R::Known
        | R::SynKernel
        | R::Retransmitted
        | R::Retry
        | R::NotKnown
        | R::NoListener
        | R::AcceptFull
        | R::ReplyCookie
        | R::ReplyCookiePlain
        | R::ReplyCookieData
        | R::ReplyCookieMalformed
        | R::ReplyChallenge => Kind::Syn,
        R::Tcp | R::BlackholeEstablished | R::CookieAck | R::Guard | R::ChallengePassed | R::OutOfState => Kind::Tcp,
        R::Udp | R::UdpRate => Kind::Udp,
        R::Icmp | R::IcmpRate | R::BlackholeControl => Kind::Icmp,
        R::Other | R::OtherRate => Kind::Other,
        R::Fragment | R::FragmentRate => Kind::Fragments,
        R::AmplifiedDns
        | R::AmplifiedNtp
        | R::AmplifiedSsdp
        | R::AmplifiedCldap
        | R::AmplifiedMemcached
        | R::AmplifiedChargen
        | R::AmplifiedQotd
        | R::AmplifiedSnmp
        | R::AmplifiedPortmap
        | R::AmplifiedNetbios
        | R::AmplifiedMdns
        | R::AmplifiedWsDiscovery
        | R::AmplifiedCoap => Kind::Amplified,
        R::Ipv4Malformed
        | R::Ipv6Malformed
        | R::Ipv6Chain
        | R::FragmentMalformed
        | R::TcpMalformed
        | R::TcpFlags
        | R::UdpMalformed
        | R::IcmpMalformed
        | R::ImpossibleSource => Kind::Malformed,
        R::Blocked => Kind::Blocked,
        R::Blackhole => Kind::Blackholed,
        R::NotIp | R::Unreadable | R::VlanDepth | R::NotOurs | R::Allowed | R::BlackholeReply | R::GroupVectorRate => {
            Kind::Any
        }
    }
}

/// Dropped over a rate other than that of SYNs.
const OVER_VECTORS: [Reason; 6] = [
    Reason::UdpRate,
    Reason::IcmpRate,
    Reason::OtherRate,
    Reason::FragmentRate,
    Reason::OutOfState,
    Reason::GroupVectorRate,
];

/// Where this host forwards: a source has proved itself, or had done so before.
const PROVEN: [Reason; 2] = [Reason::ChallengePassed, Reason::Known];

/// Rates of what an address gained.
#[expect(clippy::cast_precision_loss, reason = "a rate: 53 bits are plenty")]
pub(super) fn rates(gain: &Gain, local: bool, seconds: f64) -> Rates {
    let per_second = |packets: u64| packets as f64 / seconds;
    let sum = |reasons: &[Reason]| reasons.iter().map(|reason| gain.counts.get(*reason)).sum();
    let handshakes = if local { gain.handshakes } else { sum(&PROVEN) };
    let mut rates = Rates {
        handshakes: per_second(handshakes),
        over_vectors: per_second(sum(&OVER_VECTORS)),
        unanswered: per_second(gain.counts.get(Reason::Retry)),
        ..by_kind(&gain.counts, seconds)
    };
    for (reason, packets) in gain.counts.nonzero() {
        let rate = match reason.action() {
            Action::Pass => &mut rates.passed,
            Action::Drop => &mut rates.dropped,
            Action::Reply => &mut rates.replied,
        };
        *rate += per_second(packets);
    }
    rates
}

/// Rates of packets by what they are; `handshakes` and what became of the packets are left out.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a rate: 53 bits are plenty")]
pub fn by_kind(counts: &Counts, seconds: f64) -> Rates {
    let mut rates = Rates::default();
    for (reason, packets) in counts.nonzero() {
        let rate = match kind(reason) {
            Kind::Syn => &mut rates.syn,
            Kind::Tcp => &mut rates.tcp,
            Kind::Udp => &mut rates.udp,
            Kind::Icmp => &mut rates.icmp,
            Kind::Other => &mut rates.other,
            Kind::Fragments => &mut rates.fragments,
            Kind::Amplified => &mut rates.amplified,
            Kind::Malformed => &mut rates.malformed,
            Kind::Blocked => &mut rates.blocked,
            Kind::Blackholed => &mut rates.blackholed,
            Kind::Any => continue,
        };
        *rate += packets as f64 / seconds;
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syn_that_people_are_shown_is_one_here() {
        for &reason in Reason::ALL {
            let mut counts = Counts::default();
            counts.add(reason, 1);
            assert_eq!(
                super::super::syns(&counts) == 1,
                matches!(kind(reason), Kind::Syn),
                "{}",
                reason.name()
            );
        }
    }
}
