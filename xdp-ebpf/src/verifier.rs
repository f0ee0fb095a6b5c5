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

/// The value, from 1 to `BOUND` (a power of two) in a way that the verifier sees. A comparison that rules out zero is no such
/// way: the code generator compares the value less one, of which kernels before 6.18 do not conclude back.
#[inline(always)]
pub(crate) fn up_to<const BOUND: usize>(value: usize) -> usize {
    const { assert!(BOUND.is_power_of_two(), "a mask needs a power of two") };
    let mut value = value;
    // SAFETY: arithmetic on a register.
    unsafe {
        asm!("{value} += -1", "{value} &= {mask}", "{value} += 1", value = inout(reg) value, mask = const BOUND - 1,
            options(pure, nomem, nostack));
    };
    value
}

/// The word as it was, but unknown to the verifier: exclusive-or with something unknown, twice.
#[inline(always)]
pub(crate) fn forget(word: u64, unknown: u64) -> u64 {
    let mut word = word;
    // SAFETY: two arithmetic instructions on a register, which undo each other.
    unsafe {
        asm!("{word} ^= {unknown}", "{word} ^= {unknown}", word = inout(reg) word, unknown = in(reg) unknown,
            options(pure, nomem, nostack));
    };
    word
}

/// All ones of a number with its highest bit set, zero of others: by arithmetic, where the code generator would make a branch
/// of it, and the verifier would go both ways.
#[inline(always)]
pub(crate) fn sign(word: u64) -> u64 {
    let mut word = word;
    // SAFETY: one arithmetic instruction on a register.
    unsafe { asm!("{word} s>>= 63", word = inout(reg) word, options(pure, nomem, nostack)) };
    word
}

/// The pointer as it was, and in use: where a function does nothing with one of its arguments, the code generator has callers
/// pass whatever is in the register, and the verifier refuses that.
#[inline(always)]
#[expect(
    clippy::pointers_in_nomem_asm_block,
    reason = "the pointer is moved, and nothing behind it is looked at"
)]
pub(crate) fn used<T>(pointer: *mut T) -> *mut T {
    let mut pointer = pointer;
    // SAFETY: one instruction on a register, which changes nothing.
    unsafe { asm!("{pointer} = {pointer}", pointer = inout(reg) pointer, options(nomem, nostack)) };
    pointer
}

/// What was written to maps before this is read from there after it: values that the verifier knows nothing of. An
/// assembly block without its options may touch any memory, so the code generator cannot keep values in registers.
#[inline(always)]
pub(crate) fn reload() {
    let mut nothing = 0u64;
    // SAFETY: one instruction on a register of its own. (An empty block would lose its place in the line table.)
    unsafe { asm!("{nothing} = 0", nothing = inout(reg) nothing) };
    let _ = nothing;
}
