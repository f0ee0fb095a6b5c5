//! Where an address stands on the ladder at an instant.

use crate::{
    ladder::Rung,
    overrides::Overrides,
    tables::{AddressState, InVerify, MonotonicNs},
};

/// The rung that an address stands on, given when it last went to verify by itself.
#[must_use]
pub fn rung(state: &AddressState, verify: Option<InVerify>, now: MonotonicNs) -> Rung {
    if state
        .blackhole
        .is_some_and(|hole| hole.until.is_none_or(|until| until > now))
    {
        return Rung::Blackhole;
    }
    let by_itself = || in_verify(state, verify, now).map_or(Rung::Limit, |_| Rung::Verify);
    state.rung.and_then(|forced| forced.at(now)).unwrap_or_else(by_itself)
}

/// The same, and `upstream` where that is why the address is blackholed here.
#[must_use]
pub fn stands(state: &AddressState, verify: Option<InVerify>, overrides: &Overrides, now: MonotonicNs) -> Rung {
    let in_force = rung(state, verify, now);
    let forced = overrides.rungs.get(&state.address).map(|forced| forced.rung);
    let wanted = forced.or_else(|| overrides.taken.get(&state.address).map(|taken| taken.rung));
    let by_hand = overrides.blackholes.contains_key(&state.address) && forced.is_none();
    if in_force == Rung::Blackhole && wanted == Some(Rung::Upstream) && !by_hand {
        return Rung::Upstream;
    }
    in_force
}

/// The time in verify that goes on, if the address may take that rung by itself.
#[must_use]
pub fn in_verify(state: &AddressState, verify: Option<InVerify>, now: MonotonicNs) -> Option<InVerify> {
    verify.filter(|verify| state.ladder.most >= Rung::Verify && verify.is_on(now))
}
