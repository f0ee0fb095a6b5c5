//! What ethtool and the kernel's `netdev` family tell of an interface, by generic netlink.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use netlink_bindings::{
    ethtool, netdev,
    traits::{NetlinkRequest, Protocol},
};
use netlink_socket2::NetlinkSocket;
use nix::libc;

use crate::doctor::facts::{Feature, Seen};

/// Asks; one socket for each family.
pub(super) struct Asker {
    socket: NetlinkSocket,
}

/// Queues and how they are counted.
pub(super) struct Queues {
    /// Receive queues in use, and at most.
    pub(super) receive: (u32, u32),
    /// They send too.
    pub(super) combined: bool,
}

/// A question to ethtool under its right number: the library (0.3.5) counts questions and answers in one row, where the kernel
/// counts each by itself.
struct Numbered<R> {
    request: R,
    payload: Vec<u8>,
}

/// Numbers of questions (`ETHTOOL_MSG_*`, include/uapi/linux/ethtool_netlink.h).
const FEATURES_GET: u8 = 11;
const RINGS_GET: u8 = 15;
const CHANNELS_GET: u8 = 17;
const RSS_GET: u8 = 38;

impl<R: NetlinkRequest> Numbered<R> {
    fn new(number: u8, request: R) -> Self {
        let mut payload = request.payload().to_vec();
        // The first byte of `struct genlmsghdr`.
        if let Some(first) = payload.first_mut() {
            *first = number;
        }
        Self { request, payload }
    }
}

impl<R: NetlinkRequest> NetlinkRequest for Numbered<R> {
    fn protocol(&self) -> Protocol {
        self.request.protocol()
    }

    fn flags(&self) -> u16 {
        self.request.flags()
    }

    fn payload(&self) -> &[u8] {
        &self.payload
    }

    type ReplyType<'buf> = R::ReplyType<'buf>;

    fn decode_reply(buffer: &[u8]) -> Self::ReplyType<'_> {
        R::decode_reply(buffer)
    }
}

impl Asker {
    pub(super) fn new() -> Self {
        Self {
            socket: NetlinkSocket::new(),
        }
    }

    /// What a question is answered with, as `read` takes it out of the answer.
    fn ask<R: NetlinkRequest, T>(&mut self, request: &R, read: impl Fn(R::ReplyType<'_>) -> Option<T>) -> Seen<T> {
        let mut answer = self.socket.request(request).map_err(|error| told(&error))?;
        let mut found = None;
        while let Some(part) = answer.recv() {
            found = found.or(read(part.map_err(|error| told(error.as_io_error()))?));
        }
        found.ok_or_else(|| "the kernel does not tell".to_owned())
    }

    /// Bits of `enum netdev_xdp_act`.
    pub(super) fn xdp_features(&mut self, index: u32) -> Seen<u64> {
        let mut request = netdev::Request::new().op_dev_get_do();
        request.encode().push_ifindex(index);
        self.ask(&request, |device| device.get_xdp_features().ok())
    }

    /// Features by name.
    pub(super) fn features(&mut self, interface: &str) -> Seen<BTreeMap<String, Feature>> {
        let mut request = ethtool::Request::new().op_features_get_do();
        request
            .encode()
            .nested_header()
            .push_dev_name_bytes(interface.as_bytes());
        self.ask(&Numbered::new(FEATURES_GET, request), |features| {
            let active: BTreeSet<String> = names(&features.get_active().ok()?)?;
            let changeable: BTreeSet<String> = names(&features.get_hw().ok()?)?;
            let fixed: BTreeSet<String> = features
                .get_nochange()
                .ok()
                .and_then(|set| names(&set))
                .unwrap_or_default();
            let all = active.union(&changeable);
            Some(
                all.map(|name| {
                    let feature = Feature {
                        active: active.contains(name),
                        changeable: changeable.contains(name) && !fixed.contains(name),
                    };
                    (name.clone(), feature)
                })
                .collect(),
            )
        })
    }

    /// Receive queues.
    pub(super) fn queues(&mut self, interface: &str) -> Seen<Queues> {
        let mut request = ethtool::Request::new().op_channels_get_do();
        request
            .encode()
            .nested_header()
            .push_dev_name_bytes(interface.as_bytes());
        self.ask(&Numbered::new(CHANNELS_GET, request), |channels| {
            let combined = (
                channels.get_combined_count().unwrap_or(0),
                channels.get_combined_max().unwrap_or(0),
            );
            let receive = (channels.get_rx_count().unwrap_or(0), channels.get_rx_max().unwrap_or(0));
            Some(Queues {
                receive: (combined.0 + receive.0, combined.1.max(receive.1)),
                combined: combined.1 > 0,
            })
        })
    }

    /// Descriptors of the receive ring, and at most.
    pub(super) fn ring(&mut self, interface: &str) -> Seen<(u32, u32)> {
        let mut request = ethtool::Request::new().op_rings_get_do();
        request
            .encode()
            .nested_header()
            .push_dev_name_bytes(interface.as_bytes());
        self.ask(&Numbered::new(RINGS_GET, request), |rings| {
            Some((rings.get_rx().ok()?, rings.get_rx_max().ok()?))
        })
    }

    /// Queues that the indirection table sends to.
    pub(super) fn indirection(&mut self, interface: &str) -> Seen<BTreeSet<u32>> {
        let mut request = ethtool::Request::new().op_rss_get_do();
        request
            .encode()
            .nested_header()
            .push_dev_name_bytes(interface.as_bytes());
        let asked = self.ask(&Numbered::new(RSS_GET, request), |rss| {
            let table = rss.get_indir().unwrap_or_default();
            let (words, _) = table.as_chunks::<4>();
            Some(words.iter().map(|word| u32::from_ne_bytes(*word)).collect())
        });
        match asked {
            // It has no table.
            Err(why) if why == NOT_OF_THIS_DRIVER => Ok(BTreeSet::new()),
            other => other,
        }
    }
}

/// What there is no such thing of.
const NOT_OF_THIS_DRIVER: &str = "the driver does not tell";

/// Names of the bits that are set.
fn names(set: &ethtool::IterableBitset<'_>) -> Option<BTreeSet<String>> {
    let listed = set.get_nomask().is_ok();
    let bits = set.get_bits().ok()?;
    let set = bits.get_bit().filter(|bit| listed || bit.get_value().is_ok());
    Some(
        set.filter_map(|bit| Some(bit.get_name().ok()?.to_string_lossy().into_owned()))
            .collect(),
    )
}

fn told(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => NOT_OF_THIS_DRIVER.to_owned(),
        Some(libc::ENOENT) => "this kernel does not tell".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_tells_its_features() {
        let mut asker = Asker::new();
        let features = asker.features("lo").expect("every interface has features");
        assert!(
            features["loopback"].active && !features["loopback"].changeable,
            "{features:?}"
        );
        assert_eq!(
            asker.ring("lo").expect_err("it has no ring"),
            "the driver does not tell"
        );
        let queues = asker.queues("lo").err();
        assert_eq!(queues.as_deref(), Some("the driver does not tell"));
        asker.features("no-such-one").expect_err("there is none");
    }
}
