//! The only place that reads packet bytes by address: a cursor that moves forward and checks each step.

use core::{
    marker::PhantomData,
    mem::{size_of, transmute_copy},
};

/// A frame that can be read: its linear part by address, and the length of all of it.
pub trait Frame {
    /// Address of the first byte.
    fn start(&self) -> usize;
    /// Address behind the last byte of the linear part.
    fn end(&self) -> usize;
    /// Length of the frame in bytes, fragments of a multi-buffer frame included. Asked only when a header claims more
    /// than the linear part holds.
    fn full_len(&self) -> usize;
}

/// A frame in memory of our own.
impl Frame for &[u8] {
    fn start(&self) -> usize {
        self.as_ptr() as usize
    }

    fn end(&self) -> usize {
        self.as_ptr() as usize + self.len()
    }

    fn full_len(&self) -> usize {
        self.len()
    }
}

/// Header types: plain bytes, so that every bit pattern is a value.
///
/// # Safety
/// The type must be `repr(C)` or `repr(transparent)` of integers and byte arrays, and `Words` an array of integers of the
/// same size.
pub unsafe trait Wire: Copy {
    /// The words that it is read by.
    type Words: Copy;
}

macro_rules! wire {
    ($($header:ty as [$word:ty; $count:literal]),+ $(,)?) => {
        $(
            const _: () = assert!(size_of::<$header>() == size_of::<[$word; $count]>());
            // SAFETY: a `repr(C)` structure of integers and byte arrays, of the size just asserted.
            unsafe impl Wire for $header {
                type Words = [$word; $count];
            }
        )+
    };
}
wire!(
    network_types::eth::EthHdr as [u16; 7],
    network_types::vlan::VlanHdr as [u16; 2],
    network_types::ip::Ipv4Hdr as [u32; 5],
    network_types::ip::Ipv6Hdr as [u32; 10],
    network_types::udp::UdpHdr as [u32; 2],
    [u8; 4] as [u32; 1],
    [u8; 20] as [u32; 5],
);

/// Reads words that may lie anywhere.
///
/// # Safety
/// `size_of::<W>()` bytes from `at` must be readable, and any bytes a value of `W`.
#[inline(always)]
unsafe fn load<W: Copy>(at: *const W) -> W {
    // SAFETY: the caller's. For BPF the pointer is dereferenced as if it were aligned: otherwise the code generator goes
    // byte by byte, four times as many instructions. JITs that run XDP load unaligned words, and the verifier lets packet
    // reads do so there.
    unsafe {
        if cfg!(target_arch = "bpf") {
            *at
        } else {
            at.read_unaligned()
        }
    }
}

/// A position in a frame.
#[derive(Debug)]
pub struct Cursor<'a, F> {
    at: usize,
    end: usize,
    frame: &'a F,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a, F: Frame> Cursor<'a, F> {
    /// At the first byte of the frame.
    #[inline(always)]
    pub fn new(frame: &'a F) -> Self {
        Self {
            at: frame.start(),
            end: frame.end(),
            frame,
            bytes: PhantomData,
        }
    }

    /// The header here, by value; the cursor moves behind it. `None` when the linear part ends before.
    #[inline(always)]
    pub fn take<T: Wire>(&mut self) -> Option<T> {
        let next = self.at + size_of::<T>();
        if next > self.end {
            return None;
        }
        // SAFETY: `size_of::<T>()` bytes from `at` lie within the frame, which lives as long as `self.frame`; words and
        // header are plain bytes of one size (see [`Wire`]).
        let value = unsafe { transmute_copy(&load(self.at as *const T::Words)) };
        self.at = next;
        Some(value)
    }

    /// Moves over `count` bytes, which may lead past the end: the next [`take`](Self::take) says so. `count` is at
    /// most 2,048, so that the verifier can bound the position.
    #[inline(always)]
    pub fn skip(&mut self, count: usize) {
        self.at += count & 0xfff;
    }

    /// True when `count` more bytes are in the frame, whether linear or not.
    #[inline(always)]
    pub fn holds(&self, count: usize) -> bool {
        if self.at + count <= self.end {
            return true;
        }
        (self.at - self.frame.start()) + count <= self.frame.full_len()
    }
}
