//! Frames in and out of an interface, past the stack: an `AF_PACKET` socket.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{interface, netns::Netns, segment::Segment};

/// Sends frames by one interface and sees the segments that come in there.
#[derive(Debug)]
pub struct Raw {
    socket: OwnedFd,
}

impl Raw {
    /// Opens a socket at an interface of a namespace.
    ///
    /// # Errors
    /// Not root, or there is no such interface.
    pub fn open(namespace: &Netns, interface: &str) -> Result<Self> {
        namespace.enter(|| Self::here(interface).with_context(|| format!("cannot open a raw socket at {interface}")))
    }

    fn here(interface: &str) -> Result<Self> {
        // SAFETY: a plain system call on integers.
        let descriptor = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let this = Self { socket };
        // Past traffic control, which would tag frames that have their VLAN tag already.
        this.set(libc::PACKET_QDISC_BYPASS, 1)?;
        this.set(libc::PACKET_IGNORE_OUTGOING, 1)?;
        // SAFETY: integers, for which zero is valid.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = i32::try_from(interface::index(interface)?)?;
        // SAFETY: the address is valid for its length.
        let failed = unsafe {
            libc::bind(
                this.socket.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        } != 0;
        ensure!(!failed, "cannot bind: {}", io::Error::last_os_error());
        Ok(this)
    }

    fn set(&self, option: libc::c_int, value: libc::c_int) -> Result<()> {
        // SAFETY: the option takes an integer and its length.
        let failed = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                option,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        } != 0;
        ensure!(!failed, "cannot set option {option}: {}", io::Error::last_os_error());
        Ok(())
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        // SAFETY: the buffer is valid for its length.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        ensure!(
            usize::try_from(sent) == Ok(frame.len()),
            "cannot send a frame of {} bytes: {}",
            frame.len(),
            io::Error::last_os_error()
        );
        Ok(())
    }

    /// Waits for a segment that is wanted; none if the time is up.
    ///
    /// VLAN tags are not seen here: the kernel has put them beside the frame.
    ///
    /// # Errors
    /// The socket fails.
    pub fn receive(&self, patience: Duration, mut wanted: impl FnMut(&Segment) -> bool) -> Result<Option<Segment>> {
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 2_048];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut poll = libc::pollfd {
                fd: self.socket.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one descriptor to poll, as is said.
            let ready = unsafe { libc::poll(&raw mut poll, 1, i32::try_from(left.as_millis())?) };
            if ready <= 0 {
                return Ok(None);
            }
            // SAFETY: the buffer is valid for its length.
            let length = unsafe { libc::recv(self.socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            let Ok(length) = usize::try_from(length) else {
                return Err(io::Error::last_os_error()).context("cannot receive a frame");
            };
            if let Some(segment) = Segment::read(&buffer[..length])
                && wanted(&segment)
            {
                return Ok(Some(segment));
            }
        }
    }

    /// Sends a segment and waits for an answer to it: from its destination, to its source, and not what has come before.
    ///
    /// # Errors
    /// The socket fails.
    pub fn answer(&self, segment: &Segment, patience: Duration) -> Result<Option<Segment>> {
        while self.receive(Duration::ZERO, |_| true)?.is_some() {}
        self.send(&segment.frame())?;
        self.receive(patience, |answer| {
            answer.source == segment.destination && answer.destination == segment.source
        })
    }
}
