//! Every other node reaches etcd at an address of its own, which can be made to swallow everything.

use anyhow::Result;

use crate::{
    command::{output, output_with_input},
    netns::Netns,
};

/// Where nodes reach etcd: every other one at the second address.
pub(super) const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

/// The way to the second address.
#[derive(Debug)]
pub(super) struct Cut<'a> {
    namespace: &'a Netns,
}

impl<'a> Cut<'a> {
    pub(super) const fn of(namespace: &'a Netns) -> Self {
        Self { namespace }
    }

    /// Packets there and back are dropped without a word.
    pub(super) fn off(&self) -> Result<()> {
        let [_, address] = ADDRESSES;
        let rules = format!(
            "table inet cut {{\nchain in {{\ntype filter hook input priority 0\nip daddr {address} drop\nip saddr {address} drop\n}}\n}}\n"
        );
        output_with_input(self.namespace.command("nft").args(["-f", "-"]), &rules).map(drop)
    }

    /// They pass again.
    pub(super) fn mend(&self) -> Result<()> {
        output(self.namespace.command("nft").args(["delete", "table", "inet", "cut"])).map(drop)
    }
}
