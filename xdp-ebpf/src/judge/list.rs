//! Stage: allowed and blocked sources. The longest prefix that has not expired decides, wherever it stands: among the entries
//! made by hand (a trie), or in the large lists (a table). Of two of the same length the one made by hand decides.
//!
//! A look into the large lists is dear (their memory is far away), and most of a flood is dropped for other reasons. So there
//! are two questions. [`stage`] is for each packet: a filter tells where there is anything by hand, or a list that allows, and
//! only there everything is asked. [`blocks`] is for the others, about whom nothing but a list that blocks can have a say: it
//! must be asked before a packet is granted anything, and need not be asked of a packet that is dropped anyhow.

use xdp_common::{
    ListAction, Listed, Reason,
    list::{EXPIRED_STEPS, ListEntry},
};

use crate::{packet::Packet, tables::Tables};

/// All bits of an address.
const WHOLE: u32 = 128;

/// What decides about a source as the first of all, where the filter says that there may be anything.
#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, tables: &T) -> Option<Reason> {
    let by_hand = longest(packet, tables);
    // The filter's bit may be a neighbour's: then only a list that allows could decide here.
    let listed = match by_hand.is_some() || tables.lists_allow() {
        true => tables.in_lists(&packet.source),
        false => return None,
    };
    let (action, list) = match by_hand {
        Some(entry) if listed.is_none() || entry.prefix_len >= listed.prefix_len() => {
            (entry.action, u32::from(entry.list))
        }
        _ if listed.is_none() => return None,
        _ => (action(listed) as u8, listed.list()),
    };
    if list != 0 {
        tables.count_listed(list);
    }
    Some(if action == ListAction::Allow as u8 {
        Reason::Allowed
    } else {
        Reason::Blocked
    })
}

/// Whether a large list blocks a source that [`stage`] said nothing of.
#[inline(always)]
pub(super) fn blocks<T: Tables>(packet: &Packet, tables: &T) -> bool {
    let listed = tables.in_lists(&packet.source);
    // A list that allows has its bit in the filter of `stage`; between two versions of it that may be seen late.
    if !listed.blocks() {
        return false;
    }
    tables.count_listed(listed.list());
    true
}

#[inline(always)]
const fn action(listed: Listed) -> ListAction {
    if listed.blocks() {
        ListAction::Block
    } else {
        ListAction::Allow
    }
}

/// The longest entry of the trie that has not expired.
#[inline(always)]
fn longest<'t, T: Tables>(packet: &Packet, tables: &'t T) -> Option<&'t ListEntry> {
    let mut entry = tables.listed(&packet.source, WHOLE)?;
    let now_ns = tables.now_ns();
    // Only while the agent is dead do expired entries stay: then the next shorter prefix counts.
    for _ in 0..EXPIRED_STEPS {
        if now_ns < entry.until_ns || entry.prefix_len == 0 {
            break;
        }
        entry = tables.listed(&packet.source, entry.prefix_len - 1)?;
    }
    (now_ns < entry.until_ns).then_some(entry)
}
