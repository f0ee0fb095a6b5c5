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
    /// The count, which is below `BOUND` (a power of two), in a way that whoever verifies the program sees: kernels before
    /// 6.18 know nothing of a number whose bytes were swapped, whatever its width, and refuse to move by it.
    #[inline(always)]
    fn below<const BOUND: usize>(count: usize) -> usize {
        count & (BOUND - 1)
    }
    /// The word as it was, but unknown to whoever verifies the program, as `unknown` is.
    #[inline(always)]
    fn forget(word: usize, unknown: usize) -> usize {
        let _ = unknown;
        word
    }
}

/// A frame that can be made into another.
pub trait FrameMut: Frame {
    /// Cuts it, or lengthens it by bytes of no meaning, to `len` bytes. False when that cannot be: it is as it was.
    fn set_len(&mut self, len: usize) -> bool;
    /// Writes words, in the order of their bytes in memory, `at` bytes from the beginning. False when the linear part
    /// ends before.
    fn put<const N: usize>(&mut self, at: usize, words: [u32; N]) -> bool;

    /// The words `at` bytes from the beginning, as they lie in memory; zero where the linear part ends before.
    #[inline(always)]
    fn words<const N: usize>(&self, at: usize) -> [u32; N] {
        let from = self.start() + at;
        let mut words = [0; N];
        if from + 4 * N <= self.end() {
            let from = from as *const u32;
            let mut index = 0;
            while index < N {
                // SAFETY: within the frame, as just compared; any bytes are a word.
                words[index] = unsafe { load(from.wrapping_add(index)) };
                index += 1;
            }
        }
        words
    }
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

/// A frame in memory of our own that can be made into another.
impl Frame for &mut Buffer {
    fn start(&self) -> usize {
        self.bytes.as_ptr() as usize
    }

    fn end(&self) -> usize {
        self.start() + self.len
    }

    fn full_len(&self) -> usize {
        self.len
    }
}

/// Room for a frame and its length.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// The room.
    pub bytes: [u8; 2_048],
    /// How much of it is the frame.
    pub len: usize,
}

impl FrameMut for &mut Buffer {
    fn set_len(&mut self, len: usize) -> bool {
        let fits = len <= self.bytes.len();
        if fits {
            self.len = len;
        }
        fits
    }

    fn put<const N: usize>(&mut self, at: usize, words: [u32; N]) -> bool {
        if at + 4 * N > self.len {
            return false;
        }
        for (index, word) in words.into_iter().enumerate() {
            let at = at + 4 * index;
            self.bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        true
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
    network_types::ip::Ipv6Hdr as [u64; 5],
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

    /// Bytes from the beginning of the frame to here.
    #[inline(always)]
    pub fn offset(&self) -> u16 {
        (self.at - self.frame.start()) as u16
    }

    /// Length of the frame, when `count` more bytes are known to be in it: fragments of a multi-buffer frame count as far as
    /// they were asked for, so that nothing needs the kernel's help here.
    #[inline(always)]
    pub fn frame_len(&self, count: usize) -> u64 {
        let count = F::below::<0x1_0000>(count);
        // Whole words: of a pointer cut to half of one, the verifier does not know any more that it is one.
        let (linear, known) = (self.end - self.frame.start(), self.at - self.frame.start() + count);
        if linear > known { linear as u64 } else { known as u64 }
    }

    /// Moves over `count` bytes, which may lead past the end: the next [`take`](Self::take) says so. `count` is at
    /// most 2,048, so that the verifier can bound the position.
    #[inline(always)]
    pub fn skip(&mut self, count: usize) {
        self.at += F::below::<0x1000>(count);
    }

    /// Where it is, and the words as they are: whoever verifies the program forgets which way led here, and need not walk on
    /// from here once for each way. Headers end within 32 KiB.
    #[inline(always)]
    pub fn forget<const N: usize>(&mut self, words: [usize; N]) -> [usize; N] {
        let unknown = self.end - self.frame.start();
        self.at = self.frame.start() + F::below::<0x8000>(self.at - self.frame.start());
        let mut words = words;
        let mut index = 0;
        while index < N {
            words[index] = F::forget(words[index], unknown);
            index += 1;
        }
        words
    }

    /// True when `count` more bytes, at most 65,535, are in the frame, whether linear or not.
    #[inline(always)]
    pub fn holds(&self, count: usize) -> bool {
        let count = F::below::<0x1_0000>(count);
        if self.at + count <= self.end {
            return true;
        }
        (self.at - self.frame.start()) + count <= self.frame.full_len()
    }
}
