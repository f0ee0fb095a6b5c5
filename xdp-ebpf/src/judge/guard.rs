//! Stage: TCP other than SYNs. While an address is in verify, what belongs to no connection ends here, and resets may be
//! the answers to challenges.

use xdp_common::{AddressPolicy, Method, Reason, address_index::Found, sketch, word::SharedWord as _};

use super::verify;
use crate::{
    packet::{Packet, tcp_flag::RST},
    reply::challenge,
    tables::{Connection, Tables},
};

#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Reason {
    match in_verify(found, tables) {
        Some(policy) if policy.method == Method::Cookie as u8 => match tables.connection(policy.slot, packet) {
            Connection::Exists => Reason::Tcp,
            Connection::Cookie => Reason::CookieAck,
            Connection::None => Reason::Guard,
        },
        Some(policy) if policy.method == Method::Challenge as u8 && packet.tcp_flags & RST != 0 => {
            answered(packet, tables)
        }
        _ => Reason::Tcp,
    }
}

/// The policy of an address that is in verify. While none is, that takes one look.
#[inline(always)]
fn in_verify<T: Tables>(found: Found, tables: &T) -> Option<&AddressPolicy> {
    let latest_ns = tables.address_rate(0)?.verify_until_ns.load();
    if latest_ns == 0 && !found.verify {
        return None;
    }
    let now_ns = tables.now_ns();
    if now_ns >= latest_ns && !found.verify {
        return None;
    }
    let (policy, shared) = (tables.policy(found)?, tables.address_rate(found.slot())?);
    verify::is_on(policy, &shared, now_ns).then_some(policy)
}

/// A reset that answers a challenge makes its source known. Any other goes on.
#[inline(always)]
fn answered<T: Tables>(packet: &Packet, tables: &T) -> Reason {
    if !tables.may_answer_again() || !challenge::is_answer(packet, tables) {
        return Reason::Tcp;
    }
    tables.remember_known(sketch::hash(packet.source.source(), tables.settings().seed));
    Reason::ChallengePassed
}
