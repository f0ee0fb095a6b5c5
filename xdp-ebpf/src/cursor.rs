//! The only place that reads packet bytes by address: a cursor that moves forward and checks each step.

use core::{marker::PhantomData, mem::size_of};

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
/// The type must be `repr(C)` or `repr(transparent)` of integers and byte arrays.
pub unsafe trait Wire: Copy {}

macro_rules! wire {
    ($($header:ty),+ $(,)?) => {
        // SAFETY: `repr(C)` structures of integers and byte arrays.
        $(unsafe impl Wire for $header {})+
    };
}
wire!(
    network_types::eth::EthHdr,
    network_types::vlan::VlanHdr,
    network_types::ip::Ipv4Hdr,
    network_types::ip::Ipv6Hdr,
    network_types::tcp::TcpHdr,
    network_types::udp::UdpHdr,
    [u8; 2],
    [u8; 4],
    [u8; 8],
);

/// Reads a header that may lie anywhere.
///
/// # Safety
/// `size_of::<T>()` bytes from `at` must be readable.
#[cfg(not(target_arch = "bpf"))]
#[inline(always)]
unsafe fn load<T: Wire>(at: *const T) -> T {
    // SAFETY: the caller's; `Wire` types accept any bytes, and the read makes no claim of alignment.
    unsafe { at.read_unaligned() }
}

/// Reads a header in words of four bytes. The code generator would otherwise go byte by byte, four times as many
/// instructions; JITs that run XDP load unaligned words, and the verifier lets packet reads do so there.
///
/// # Safety
/// `size_of::<T>()` bytes from `at` must be readable.
#[cfg(target_arch = "bpf")]
#[inline(always)]
unsafe fn load<T: Wire>(at: *const T) -> T {
    #[repr(C, align(4))]
    struct Words<T>(T);
    // SAFETY: the caller's; `Wire` types accept any bytes. The claimed alignment decides the width of loads, no more.
    unsafe { (*at.cast::<Words<T>>()).0 }
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
        // SAFETY: `size_of::<T>()` bytes from `at` lie within the frame, which lives as long as `self.frame`.
        let value = unsafe { load(self.at as *const T) };
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
