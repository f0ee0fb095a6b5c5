//! Capabilities and Landlock belong to threads, not to processes: each has to give them up by itself. As the C library does for
//! setuid(2), and libpsx for capset(2), a signal makes them.

use std::{
    collections::BTreeSet,
    fs, io,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{libc, unistd::gettid};

/// `_LINUX_CAPABILITY_VERSION_3` (include/uapi/linux/capability.h).
const VERSION: u32 = 0x2008_0522;
/// Root is a user like others, and stays one: `SECBIT_NOROOT`, `SECBIT_NO_SETUID_FIXUP`, `SECBIT_NO_CAP_AMBIENT_RAISE`, each with its
/// lock (include/uapi/linux/securebits.h).
const SECURE_BITS: libc::c_ulong = 0b1100_1111;
/// A thread answers within this, unless the kernel holds it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks whether it has.
const PAUSE: Duration = Duration::from_micros(200);

/// What a handler can reach.
static KEEP: AtomicU64 = AtomicU64::new(0);
static RULESET: AtomicI32 = AtomicI32::new(-1);
static DONE: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicI32 = AtomicI32::new(0);

/// What every thread is to do.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// Capabilities that it keeps, bit by number.
    pub(super) keep: u64,
    /// Rules of Landlock.
    pub(super) ruleset: Option<&'a OwnedFd>,
}

/// Has every thread of this process do it, and those that they start later.
///
/// # Errors
/// A thread that did not answer, or what the kernel refused.
pub(super) fn drop(order: &Order<'_>) -> Result<(), String> {
    KEEP.store(order.keep, Ordering::SeqCst);
    RULESET.store(order.ruleset.map_or(-1, OwnedFd::as_raw_fd), Ordering::SeqCst);
    let signal = libc::SIGRTMIN() + 3;
    listen(signal).map_err(|error| format!("no handler for signal {signal}: {error}"))?;
    let mut done = BTreeSet::new();
    // A thread that one of those still to come started meanwhile is seen in the next round; in the end only those are left that have
    // done it, or were started by one that has.
    loop {
        let all = threads().map_err(|error| format!("/proc/self/task: {error}"))?;
        let Some(next) = all.iter().find(|thread| !done.contains(*thread)) else {
            break;
        };
        ask(*next, signal)?;
        done.insert(*next);
    }
    // The descriptor ends with the caller's; a stray signal later does the rest once more, which changes nothing.
    RULESET.store(-1, Ordering::SeqCst);
    match FAILED.load(Ordering::SeqCst) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno).to_string()),
    }
}

fn threads() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc/self/task")?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// Has one thread do it, and waits until it has, or is gone.
fn ask(thread: i32, signal: i32) -> Result<(), String> {
    if thread == gettid().as_raw() {
        give_up();
        return Ok(());
    }
    let before = DONE.load(Ordering::SeqCst);
    // SAFETY: tgkill(2) takes three numbers; a thread that is gone is an error.
    if unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), thread, signal) } != 0 {
        return match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(format!("thread {thread}: {error}")),
        };
    }
    let begun = Instant::now();
    while DONE.load(Ordering::SeqCst) == before {
        if !threads().is_ok_and(|all| all.contains(&thread)) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("thread {thread} does not answer"));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn listen(signal: i32) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `sigaction` (no handler, no flags, an empty mask); the handler calls nothing but system calls and
    // atomics, which is what a signal handler may.
    let outcome = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

extern "C" fn on_signal(_: libc::c_int) {
    // SAFETY: every thread has an errno of its own, and this is its place; what was interrupted finds it as it left it.
    let errno = unsafe { &mut *libc::__errno_location() };
    let before = *errno;
    give_up();
    *errno = before;
    DONE.fetch_add(1, Ordering::SeqCst);
}

/// The calling thread gives up what it is told to. Only system calls: this runs in a signal handler.
fn give_up() {
    let keep = KEEP.load(Ordering::SeqCst);
    let ruleset = RULESET.load(Ordering::SeqCst);
    // SAFETY: prctl(2) with numbers only; capget(2) and capset(2) with a header and two halves that live through the calls and are as
    // long as version 3 says; landlock_restrict_self(2) with a descriptor that `drop` keeps open.
    unsafe {
        note(i64::from(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)));
        if ruleset >= 0 {
            note(libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0));
        }
        // These two take CAP_SETPCAP, which a unit does not give; there the bounding set is the unit's.
        for capability in (0..64_u32).filter(|number| keep & (1 << number) == 0) {
            libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0);
        }
        libc::prctl(libc::PR_SET_SECUREBITS, SECURE_BITS, 0, 0, 0);
        note(i64::from(libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )));
        let header = [VERSION, 0];
        // Effective, permitted and inheritable, of the lower half and of the upper one.
        let mut halves = [[0_u32; 3]; 2];
        note(libc::syscall(libc::SYS_capget, &raw const header, &raw mut halves));
        for (half, kept) in halves.iter_mut().zip([keep as u32, (keep >> 32) as u32]) {
            let [effective, permitted, inheritable] = half;
            *permitted &= kept;
            *effective = *permitted;
            *inheritable = 0;
        }
        note(libc::syscall(libc::SYS_capset, &raw const header, &raw const halves));
    }
}

/// Remembers what the kernel refused.
fn note(outcome: i64) {
    if outcome < 0 {
        // SAFETY: as in `on_signal`, read only.
        FAILED.store(unsafe { *libc::__errno_location() }, Ordering::SeqCst);
    }
}
