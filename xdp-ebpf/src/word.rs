//! The BPF instructions behind [`SharedWord`]: atomic add and compare-and-swap (instruction set v3).

use core::arch::asm;

use xdp_common::word::SharedWord;

/// A word inside a map element.
#[derive(Clone, Copy)]
pub(crate) struct KernelWord(*mut u64);

impl KernelWord {
    /// # Safety
    /// `word` must point to an aligned word of a live map element.
    #[inline(always)]
    pub(crate) unsafe fn new(word: *mut u64) -> Self {
        Self(word)
    }
}

impl SharedWord for KernelWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: see `new`; an aligned 8-byte load is one instruction.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    fn store(&self, value: u64) {
        // SAFETY: see `new`; an aligned 8-byte store is one instruction.
        unsafe { self.0.write_volatile(value) }
    }

    #[inline(always)]
    fn add(&self, value: u64) {
        // SAFETY: see `new`.
        unsafe { asm!("lock *(u64 *)({word} + 0) += {value}", word = in(reg) self.0, value = in(reg) value) }
    }

    #[inline(always)]
    fn replace(&self, seen: u64, next: u64) -> Result<(), u64> {
        let mut found = seen;
        // SAFETY: see `new`; the instruction compares with r0 and leaves there what it found.
        unsafe {
            asm!("r0 = cmpxchg_64({word} + 0, r0, {next})", inout("r0") found, word = in(reg) self.0, next = in(reg) next);
        }
        if found == seen { Ok(()) } else { Err(found) }
    }
}
