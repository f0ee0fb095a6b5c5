//! How often a node asks something of etcd, by the size of its fleet: what costs nothing with a hundred nodes is most of what a
//! thousand cost (docs/scale.md).

use std::time::Duration;

/// So many nodes ask each second without being noticed.
const NODES: u32 = 100;
/// No fleet is asked to wait longer than so many times what a small one waits.
const SLOWEST: u32 = 10;
/// A node says anew what it is, and what its clock says, so often at least.
const ANEW: Duration = Duration::from_mins(10);

/// How many times as long as in a small fleet something waits.
#[must_use]
pub fn slower(nodes: u32) -> u32 {
    nodes.div_ceil(NODES).clamp(1, SLOWEST)
}

/// When a node says anew what it is: by chance earlier, so that a fleet that began together does not write together. `chance` is
/// any number.
#[must_use]
pub fn anew(chance: u32) -> Duration {
    ANEW.mul_f64(0.5 + 0.5 * f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_say_anew_what_they_are_each_at_another_time() {
        assert_eq!([0, u32::MAX].map(|chance| anew(chance).as_secs()), [300, 600]);
    }

    #[test]
    fn a_small_fleet_is_fast_and_a_large_one_bounded() {
        assert_eq!([0, 3, 100, 101, 1_000, 100_000].map(slower), [1, 1, 1, 2, 10, 10]);
    }
}
