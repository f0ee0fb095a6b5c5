//! The tracepoint at each change of a TCP socket's state: it counts the handshakes that this host completed, and remembers
//! whose they were. It runs for every socket of the machine and leaves at once for those that are none of ours.

use aya_ebpf::{EbpfContext as _, macros::tracepoint, programs::TracePointContext};
use xdp_common::{Address, sketch};

use crate::maps;

/// Fields of the event (the kernel's include/trace/events/sock.h, `inet_sock_set_state`), bytes from its beginning.
const OLD_STATE: usize = 16;
const NEW_STATE: usize = 20;
const OWN_ADDRESS: usize = 40;
const PEER_ADDRESS: usize = 56;
/// States (the kernel's include/net/tcp_states.h).
const ESTABLISHED: i32 = 1;
const SYN_RECV: i32 = 3;
const FIN_WAIT1: i32 = 4;
const FIN_WAIT2: i32 = 5;
const CLOSE: i32 = 7;
const CLOSING: i32 = 11;

/// One change of state.
#[tracepoint(category = "sock", name = "inet_sock_set_state")]
pub(crate) fn handshake(ctx: TracePointContext) -> u32 {
    let event = ctx.as_ptr();
    // SAFETY: within the event, which the kernel made.
    let (old, new) = unsafe { (read::<i32>(event, OLD_STATE), read::<i32>(event, NEW_STATE)) };
    let completed = old == SYN_RECV && new == ESTABLISHED;
    // What we closed first leaves a TIME_WAIT behind. Its peer must reach it, and not be answered with a cookie.
    let lingers = new == CLOSE && matches!(old, FIN_WAIT1 | FIN_WAIT2 | CLOSING);
    if !completed && !lingers {
        return 0;
    }
    // SAFETY: as above. IPv4 addresses are IPv4-mapped there, as they are here.
    let (own, peer) = unsafe { (address(event, OWN_ADDRESS), address(event, PEER_ADDRESS)) };
    remember(own, peer, completed);
    0
}

#[inline(always)]
fn remember(own: Address, peer: Address, completed: bool) {
    let Some(settings) = maps::settings() else {
        return;
    };
    let found = maps::find(&own, settings);
    if !found.is_protected() {
        return;
    }
    if completed {
        maps::count_handshake(found.slot());
    }
    maps::remember_known(sketch::hash(peer.source(), settings.seed), settings);
}

/// # Safety
/// `at` must be the place of a `T` within the event.
#[inline(always)]
unsafe fn read<T: Copy>(event: *mut core::ffi::c_void, at: usize) -> T {
    // SAFETY: the caller's.
    unsafe { *event.wrapping_byte_add(at).cast::<T>() }
}

/// # Safety
/// `at` must be the place of an address within the event.
#[inline(always)]
unsafe fn address(event: *mut core::ffi::c_void, at: usize) -> Address {
    // SAFETY: the caller's.
    Address::from_words(unsafe { [read(event, at), read(event, at + 8)] })
}
