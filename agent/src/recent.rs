//! The last two minutes of every address, one number a second, for eyes: a curve says more than a rate.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use crate::detect::{Meter, syns};

/// Seconds that are kept.
pub const SECONDS: usize = 120;

/// The last [`SECONDS`] refreshes. A copy shares all of them: 4,096 addresses take 2 MB.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recent {
    seconds: VecDeque<Arc<Second>>,
}

/// SYNs per second of each protected address.
#[derive(Debug, PartialEq)]
struct Second {
    /// Sorted, and the same as in the second before unless they changed.
    addresses: Arc<[IpAddr]>,
    rates: Box<[u32]>,
    sum: u32,
}

impl Second {
    fn of(meter: &Meter, before: Option<&Self>) -> Self {
        let mut rates: Vec<(IpAddr, u32)> = meter
            .addresses
            .iter()
            .filter_map(|found| Some((found.address?, rounded(meter.per_second(syns(&found.delta))))))
            .collect();
        rates.sort_unstable();
        let same = before.filter(|before| {
            let now = rates.iter().map(|(address, _)| address);
            before.addresses.iter().eq(now)
        });
        let addresses = || rates.iter().map(|(address, _)| *address).collect();
        Self {
            addresses: same.map_or_else(addresses, |before| Arc::clone(&before.addresses)),
            rates: rates.iter().map(|(_, rate)| *rate).collect(),
            sum: rates.iter().fold(0, |sum: u32, (_, rate)| sum.saturating_add(*rate)),
        }
    }

    fn rate(&self, address: IpAddr) -> u32 {
        let place = self.addresses.binary_search(&address);
        place.map_or(0, |place| self.rates[place])
    }
}

impl Recent {
    /// Takes in what a meter measured; the first one of a run has no rates.
    pub fn note(&mut self, meter: &Meter) {
        if meter.seconds <= 0.0 {
            return;
        }
        if self.seconds.len() == SECONDS {
            self.seconds.pop_front();
        }
        let before = self.seconds.back().map(AsRef::as_ref);
        let second = Second::of(meter, before);
        self.seconds.push_back(Arc::new(second));
    }

    /// SYNs per second of one address, oldest first.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Vec<u32> {
        self.seconds.iter().map(|second| second.rate(address)).collect()
    }

    /// SYNs per second of all addresses together, oldest first.
    #[must_use]
    pub fn of_all(&self) -> Vec<u32> {
        self.seconds.iter().map(|second| second.sum).collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and no host takes four billion packets a second"
)]
fn rounded(rate: f64) -> u32 {
    rate.round() as u32
}
