//! The options of a SYN in another layout than Linux clients have: few SYNs come here.

use aya_ebpf::{bindings::xdp_md, helpers::generated::bpf_xdp_load_bytes};
use xdp_ebpf::reply::options::{LEN_MAX, Options, read};

use crate::verifier::{forget, up_to};

/// Length of a TCP header without options, bytes.
const FIXED: u32 = 20;

/// What the SYN offers whose TCP header begins at `tcp_at` and has `len` bytes of options: [`Options::to_word`]. A global
/// function: the verifier looks at it once, by itself, and not again from each place and state that it is called from.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn options_of(ctx: *mut xdp_md, tcp_at: u32, len: u32) -> u64 {
    let mut bytes = [0u8; 64];
    let len = len as usize;
    if ctx.is_null() || len == 0 || len > LEN_MAX {
        return Options::NONE.to_word();
    }
    let len = up_to::<64>(len);
    // SAFETY: the context of this run, and as many bytes as are asked for.
    let failed = unsafe { bpf_xdp_load_bytes(ctx, tcp_at + FIXED, bytes.as_mut_ptr().cast(), len as u32) };
    if failed != 0 {
        return Options::NONE.to_word();
    }
    read(&bytes, len, |word| forget(word, u64::from(tcp_at))).to_word()
}
