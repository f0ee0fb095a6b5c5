//! Entries of the source list: allowed and blocked prefixes in one trie, the longest prefix wins.

/// What a listed source meets.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAction {
    /// Passes every later stage.
    Allow = 1,
    /// Is dropped.
    Block = 2,
}

/// Value of the source list's trie; the key is the prefix of the 16-byte address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListEntry {
    /// Valid until then: CLOCK_MONOTONIC ns, `u64::MAX` for no end.
    pub until_ns: u64,
    /// Length of this entry's own prefix in bits of the 16-byte address: an expired entry gives way to the next shorter one.
    pub prefix_len: u32,
    /// A [`ListAction`].
    pub action: u8,
    /// The number of the list that it belongs to (see [`list_table`](crate::list_table)); 0: made by hand.
    pub list: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// Expired entries that one look-up steps over before it gives up and treats the source as not listed. The agent
/// removes expired entries; this only matters while it is dead.
pub const EXPIRED_STEPS: u32 = 8;

impl ListEntry {
    /// An entry for a prefix of `prefix_len` bits (of 128), until `until_ns`.
    pub const fn new(action: ListAction, prefix_len: u32, until_ns: u64) -> Self {
        Self {
            until_ns,
            prefix_len,
            action: action as u8,
            list: 0,
            reserved: [0; 2],
        }
    }

    /// The same as a part of the list with this number.
    pub const fn of_list(self, list: u8) -> Self {
        Self { list, ..self }
    }

    /// The action while the entry lasts.
    #[inline(always)]
    pub const fn action(&self, now_ns: u64) -> Option<ListAction> {
        if now_ns >= self.until_ns {
            None
        } else if self.action == ListAction::Allow as u8 {
            Some(ListAction::Allow)
        } else {
            Some(ListAction::Block)
        }
    }
}
