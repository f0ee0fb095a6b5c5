//! Stage: allowed and blocked sources. The longest prefix that has not expired decides.

use xdp_common::{
    Reason,
    list::{EXPIRED_STEPS, ListAction},
};

use crate::{packet::Packet, tables::Tables};

/// All bits of an address.
const WHOLE: u32 = 128;

#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, tables: &T) -> Option<Reason> {
    let entry = tables.listed(&packet.source, WHOLE)?;
    let now_ns = tables.now_ns();
    let mut action = entry.action(now_ns);
    let mut prefix_len = entry.prefix_len;
    // Only while the agent is dead do expired entries stay: then the next shorter prefix counts.
    for _ in 0..EXPIRED_STEPS {
        if action.is_some() || prefix_len == 0 {
            break;
        }
        let shorter = tables.listed(&packet.source, prefix_len - 1)?;
        action = shorter.action(now_ns);
        prefix_len = shorter.prefix_len;
    }
    match action? {
        ListAction::Allow => Some(Reason::Allowed),
        ListAction::Block => Some(Reason::Blocked),
    }
}
