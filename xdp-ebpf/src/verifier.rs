//! What the verifier wants to see and the code generator would leave out.

use core::arch::asm;

/// The value, below `BOUND` (a power of two) in a way that the verifier sees. The code generator, which knows from the
/// type that it is, would drop the mask.
#[inline(always)]
pub(crate) fn below<const BOUND: usize>(value: usize) -> usize {
    const { assert!(BOUND.is_power_of_two(), "a mask needs a power of two") };
    let mut value = value;
    // SAFETY: one arithmetic instruction on a register.
    unsafe {
        asm!("{value} &= {mask}", value = inout(reg) value, mask = const BOUND - 1, options(pure, nomem, nostack));
    };
    value
}
