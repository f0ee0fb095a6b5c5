//! The frame of an XDP program, for what reads and writes it.

use aya_ebpf::{
    helpers::generated::{bpf_xdp_adjust_tail, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use xdp_ebpf::cursor::{Frame, FrameMut};

use crate::verifier::{below, forget};

/// The frame of an XDP context.
pub(crate) struct XdpFrame<'a>(pub(crate) &'a XdpContext);

impl Frame for XdpFrame<'_> {
    #[inline(always)]
    fn start(&self) -> usize {
        self.0.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.0.data_end()
    }

    #[inline(always)]
    fn full_len(&self) -> usize {
        // SAFETY: the context that the kernel gave this run.
        unsafe { bpf_xdp_get_buff_len(self.0.ctx) as usize }
    }

    #[inline(always)]
    fn below<const BOUND: usize>(count: usize) -> usize {
        below::<BOUND>(count)
    }

    #[inline(always)]
    fn forget(word: usize, unknown: usize) -> usize {
        forget(word as u64, unknown as u64) as usize
    }
}

impl FrameMut for XdpFrame<'_> {
    #[inline(always)]
    fn set_len(&mut self, len: usize) -> bool {
        if self.end() - self.start() == len {
            return true;
        }
        let delta = len as i32 - self.full_len() as i32;
        // SAFETY: the context that the kernel gave this run; pointers into the frame are made anew for each access.
        unsafe { bpf_xdp_adjust_tail(self.0.ctx, delta) == 0 }
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, at: usize, words: [u32; N]) -> bool {
        let to = self.start() + at;
        if to + 4 * N > self.end() {
            return false;
        }
        let to = to as *mut u32;
        let mut index = 0;
        while index < N {
            // SAFETY: within the frame, as just compared. JITs that run XDP store unaligned words, see `cursor`.
            unsafe { *to.wrapping_add(index) = words[index] };
            index += 1;
        }
        true
    }
}
