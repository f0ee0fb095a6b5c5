//! A TCP client of the kernel: connects from an address, and perhaps a port, of its own.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{
    exchange::{self, Order},
    md5,
};
use crate::netns::Netns;

/// How a client connects.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long it waits for the handshake.
    pub patience: Duration,
    /// Whether it signs its segments.
    pub signed: bool,
    /// Sends this many bytes with the SYN (TCP Fast Open), zeros.
    pub fast_open: usize,
    /// Multipath TCP (RFC 8684).
    pub multipath: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
            signed: false,
            fast_open: 0,
            multipath: false,
        }
    }
}

/// Connects; the stream, and how long the handshake took.
///
/// # Errors
/// No connection within the time.
pub fn connect(namespace: &Netns, from: SocketAddr, to: SocketAddr, options: Options) -> Result<(TcpStream, Duration)> {
    namespace.enter(|| {
        let what = || format!("cannot connect from {from} to {to}");
        let socket = open(from, to, options).with_context(what)?;
        let begun = Instant::now();
        if options.fast_open > 0 {
            send_with_syn(&socket, to, options.fast_open).with_context(what)?;
        } else {
            socket
                .connect_timeout(&to.into(), options.patience)
                .with_context(what)?;
        }
        Ok((socket.into(), begun.elapsed()))
    })
}

/// Connects from any port and has an order filled.
///
/// # Errors
/// No connection within the time, or the exchange fails.
pub fn visit(namespace: &Netns, from: IpAddr, to: SocketAddr, order: Order) -> Result<Duration> {
    let (stream, took) = connect(namespace, SocketAddr::new(from, 0), to, Options::default())?;
    exchange::ask(&stream, order).with_context(|| format!("connected from {from} to {to} in {took:?}"))?;
    Ok(took)
}

fn open(from: SocketAddr, to: SocketAddr, options: Options) -> Result<Socket> {
    let socket = new_socket(from, options.multipath)?;
    if options.signed {
        md5::sign(&socket, to.ip())?;
    }
    socket.bind(&from.into())?;
    Ok(socket)
}

/// A socket for addresses like `at`, which may be used again at once.
pub(super) fn new_socket(at: SocketAddr, multipath: bool) -> Result<Socket> {
    let protocol = if multipath { Protocol::MPTCP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(protocol))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Connects by sending. The kernel leaves the data out of the SYN while it has no Fast Open cookie of the server.
fn send_with_syn(socket: &Socket, to: SocketAddr, bytes: usize) -> Result<()> {
    let to = SockAddr::from(to);
    let data = vec![0; bytes];
    // SAFETY: the buffer and the address are valid for their lengths.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            data.as_ptr().cast(),
            data.len(),
            libc::MSG_FASTOPEN,
            to.as_ptr().cast(),
            to.len(),
        )
    };
    if usize::try_from(sent) != Ok(bytes) {
        bail!("sent {sent} bytes with the SYN: {}", io::Error::last_os_error());
    }
    Ok(())
}

/// Sets an option of TCP that is an integer.
pub(super) fn set_integer(socket: &impl AsRawFd, option: libc::c_int, value: libc::c_int) -> Result<()> {
    // SAFETY: the option takes an integer and its length.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    } != 0;
    if failed {
        return Err(io::Error::last_os_error()).with_context(|| format!("cannot set option {option} of TCP"));
    }
    Ok(())
}
