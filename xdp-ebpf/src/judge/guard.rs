//! Stage: TCP other than SYNs. While an address is in verify, what belongs to no connection ends here, and resets may be
//! the answers to challenges. Over a rate of such segments, so does what belongs to none in calm.

use xdp_common::{Method, Reason, address_index::Found, sketch, word::SharedWord as _};

use super::{
    Verdict,
    vector::{self, Excess},
    verify,
};
use crate::{
    packet::{Packet, tcp_flag::RST},
    reply::challenge,
    tables::{Connection, Tables},
};

/// As good as in no verify: `drop` asks nothing of what is not a SYN.
const NOT_IN_VERIFY: u8 = Method::Drop as u8;

#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Verdict {
    let method = method_in_verify(found, tables);
    if method == Method::Challenge as u8 && packet.tcp_flags & RST != 0 && answered(packet, tables) {
        return Verdict::within(Reason::ChallengePassed);
    }
    let by_cookie = method == Method::Cookie as u8;
    if !by_cookie {
        match vector::tcp(packet, found, tables) {
            Excess::None => return Verdict::within(Reason::Tcp),
            Excess::Known => return Verdict::over(Reason::Tcp),
            Excess::Unknown => return Verdict::over(Reason::OutOfState),
            Excess::AskSockets => {}
        }
    }
    let reason = match tables.connection(found.slot(), packet) {
        Connection::Exists => Reason::Tcp,
        Connection::Cookie => Reason::CookieAck,
        Connection::None if by_cookie => Reason::Guard,
        Connection::None => Reason::OutOfState,
    };
    Verdict {
        reason,
        over: !by_cookie,
    }
}

/// By which method an address that is in verify makes sources prove themselves; `Drop` for one that is not. While none is,
/// that takes one look.
#[inline(always)]
fn method_in_verify<T: Tables>(found: Found, tables: &T) -> u8 {
    let Some(latest) = tables.address_rate(0) else {
        return NOT_IN_VERIFY;
    };
    let latest_ns = latest.verify_until_ns.load();
    if latest_ns == 0 && !found.verify {
        return NOT_IN_VERIFY;
    }
    let now_ns = tables.now_ns();
    if now_ns >= latest_ns && !found.verify {
        return NOT_IN_VERIFY;
    }
    let (Some(policy), Some(shared)) = (tables.policy(found), tables.address_rate(found.slot())) else {
        return NOT_IN_VERIFY;
    };
    if verify::is_on(policy, &shared, now_ns) || verify::is_on_for_group(policy, tables, now_ns) {
        policy.method
    } else {
        NOT_IN_VERIFY
    }
}

/// A reset that answers a challenge makes its source known. Any other goes on.
#[inline(always)]
fn answered<T: Tables>(packet: &Packet, tables: &T) -> bool {
    let passed = tables.may_answer_again() && challenge::is_answer(packet, tables);
    if passed {
        tables.remember_known(sketch::hash(packet.source.source(), tables.settings().seed));
    }
    passed
}
