//! Signals that end the view. A thread of its own waits for them: one that is stuck in writing to a terminal that nobody reads any
//! more would not hear them.

use std::{thread, time::Duration};

use nix::sys::signal::{SigSet, Signal};
use tokio::sync::mpsc;

use super::screen;

/// The view has so long to end in order.
const GRACE: Duration = Duration::from_secs(1);

/// Signals from now on. To be called before any other thread is started: all of them must leave these to this one.
pub(super) fn listen() -> anyhow::Result<mpsc::Receiver<Signal>> {
    let mut wanted = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        wanted.add(signal);
    }
    wanted.thread_block()?;
    let (sender, receiver) = mpsc::channel(4);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(signal) = wanted.wait() else { return };
        let _ = sender.try_send(signal);
        thread::sleep(GRACE);
        end_at_once(signal);
    })?;
    Ok(receiver)
}

/// The exit code of what a signal ended, as shells have it.
pub(super) fn exit_code(signal: Signal) -> u8 {
    128 + signal as u8
}

/// Gives the terminal back as far as it takes it, and ends whatever the other threads do.
fn end_at_once(signal: Signal) {
    thread::spawn(screen::give_back);
    thread::sleep(GRACE / 2);
    // SAFETY: it ends the process without running anything of ours.
    unsafe { nix::libc::_exit(i32::from(exit_code(signal))) }
}
