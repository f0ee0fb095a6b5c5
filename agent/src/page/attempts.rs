//! How often a wrong token may be tried: by one peer, and by all together (behind a proxy or a tunnel all are one peer). Pure.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Wrong tokens at once of one peer, and the time after which it has one more.
const PEER: Allowance = Allowance {
    at_once: 5,
    every: Duration::from_secs(10),
};
/// The same of all peers together.
const ALL: Allowance = Allowance {
    at_once: 20,
    every: Duration::from_secs(3),
};
/// Peers that are remembered at most; more of them share what all have.
const MOST_PEERS: usize = 1_024;

#[derive(Debug, Clone, Copy)]
struct Allowance {
    at_once: u32,
    every: Duration,
}

impl Allowance {
    /// The time that must pass before another attempt, of who has used up so much; `None` if there is room.
    fn wait(self, full_at: Instant, now: Instant) -> Option<Duration> {
        let used = full_at.saturating_duration_since(now);
        let room = self.every * (self.at_once - 1);
        used.checked_sub(room).filter(|wait| !wait.is_zero())
    }

    fn used(self, full_at: Instant, now: Instant) -> Instant {
        full_at.max(now) + self.every
    }
}

/// Wrong tokens of late.
#[derive(Debug)]
pub(super) struct Attempts {
    /// When all that is allowed will be there again.
    all: Instant,
    peers: HashMap<IpAddr, Instant>,
}

impl Attempts {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            all: now,
            peers: HashMap::new(),
        }
    }

    /// The time that a peer must wait before its next token is looked at; `None` if it need not.
    pub(super) fn wait(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let own = self.peers.get(&key(peer)).and_then(|full_at| PEER.wait(*full_at, now));
        own.max(ALL.wait(self.all, now))
    }

    /// Notes a wrong token.
    pub(super) fn wrong(&mut self, peer: IpAddr, now: Instant) {
        self.all = ALL.used(self.all, now);
        self.peers.retain(|_, full_at| *full_at > now);
        if self.peers.len() < MOST_PEERS || self.peers.contains_key(&key(peer)) {
            let full_at = self.peers.entry(key(peer)).or_insert(now);
            *full_at = PEER.used(*full_at, now);
        }
    }
}

/// Who has one IPv6 address has its whole /64.
fn key(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0xc000_0200 + number).into()
    }

    #[test]
    fn a_peer_has_five_at_once_and_one_each_ten_seconds() {
        let start = Instant::now();
        let mut attempts = Attempts::new(start);
        for _ in 0..5 {
            assert_eq!(attempts.wait(peer(1), start), None);
            attempts.wrong(peer(1), start);
        }
        assert_eq!(attempts.wait(peer(1), start), Some(Duration::from_secs(10)));
        assert_eq!(attempts.wait(peer(2), start), None, "another one is not kept waiting");
        let later = start + Duration::from_secs(10);
        assert_eq!(attempts.wait(peer(1), later), None);
        attempts.wrong(peer(1), later);
        assert!(attempts.wait(peer(1), later).is_some());
    }

    #[test]
    fn all_together_have_twenty_at_once() {
        let start = Instant::now();
        let mut attempts = Attempts::new(start);
        for number in 0..20 {
            assert_eq!(attempts.wait(peer(number), start), None);
            attempts.wrong(peer(number), start);
        }
        assert_eq!(attempts.wait(peer(99), start), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_whole_64_is_one_peer_and_memory_is_bounded() {
        let start = Instant::now();
        let mut attempts = Attempts::new(start);
        for number in 0..5u128 {
            attempts.wrong(Ipv6Addr::from_bits((0x2001_0db8 << 96) + number).into(), start);
        }
        assert!(
            attempts
                .wait("2001:db8::ffff".parse().expect("address"), start)
                .is_some()
        );
        for number in 0..5_000 {
            attempts.wrong(peer(number), start);
        }
        assert!(attempts.peers.len() <= MOST_PEERS);
    }
}
