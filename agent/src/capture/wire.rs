//! What passed the program, at one interface: a packet socket with a filter, read at a bounded rate.

use std::{io, net::IpAddr, os::fd::AsRawFd as _, time::Duration};

use jiff::Timestamp;
use nix::{
    errno::Errno,
    libc,
    sys::socket::{MsgFlags, recv},
};
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    time::Instant,
};

use super::{
    filter,
    packet::{Captured, Fate, SNAP},
};

/// Packets are read in windows of this length ..
const WINDOW: Duration = Duration::from_millis(100);
/// .. and at most so many in each: a thousand a second and interface. For the rest of a window the filter lets nothing through, so
/// that a flood that passes costs this host nothing more for being looked at.
const PER_WINDOW: usize = 100;
/// Bytes that wait in the socket.
const BUFFER: usize = 256 * 1024;

/// A packet socket at an interface.
#[derive(Debug)]
pub(super) struct Wire {
    socket: AsyncFd<Socket>,
    interface: String,
    address: IpAddr,
}

impl Wire {
    /// Listens for what comes in to an address.
    pub(super) fn listen(interface: &str, address: IpAddr) -> io::Result<Self> {
        // Without a protocol it hears nothing before it is bound, so nothing gets in unfiltered.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(BUFFER)?;
        socket.attach_filter(&filter::to(address))?;
        socket.bind(&everything_at(interface)?)?;
        // SAFETY: the socket owns its descriptor, keeps it for as long as it lives, and is moved into the AsyncFd.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self {
            socket,
            interface: interface.to_owned(),
            address,
        })
    }

    /// Sends on what comes, until nobody wants it any more. `true` goes along with a packet behind which others were left out.
    pub(super) async fn read(self, out: mpsc::Sender<(Captured, bool)>) -> io::Result<()> {
        let mut frame = [0; SNAP];
        let mut left_out = false;
        loop {
            let window = Instant::now() + WINDOW;
            let mut room = PER_WINDOW;
            while room > 0 && Instant::now() < window {
                let Ok(guard) = tokio::time::timeout_at(window, self.socket.readable()).await else {
                    break;
                };
                let mut guard = guard?;
                while room > 0 {
                    let length = match recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::MSG_TRUNC) {
                        Ok(length) => length,
                        Err(Errno::EAGAIN) => {
                            guard.clear_ready();
                            break;
                        }
                        Err(Errno::EINTR) => continue,
                        Err(error) => return Err(error.into()),
                    };
                    room -= 1;
                    let packet = self.captured(&frame[..length.min(SNAP)], length);
                    if out.send((packet, std::mem::take(&mut left_out))).await.is_err() {
                        return Ok(());
                    }
                }
            }
            if out.is_closed() {
                return Ok(());
            }
            if room == 0 {
                left_out = true;
                self.rest_until(window, &mut frame).await?;
            }
        }
    }

    /// Lets nothing through for the rest of the window, and forgets what waits.
    async fn rest_until(&self, window: Instant, frame: &mut [u8]) -> io::Result<()> {
        let socket = self.socket.get_ref();
        socket.attach_filter(&filter::nothing())?;
        while recv(socket.as_raw_fd(), frame, MsgFlags::empty()).is_ok() {}
        tokio::time::sleep_until(window).await;
        socket.attach_filter(&filter::to(self.address))
    }

    fn captured(&self, bytes: &[u8], length: usize) -> Captured {
        Captured {
            at: Timestamp::now(),
            interface: self.interface.clone(),
            fate: Fate::Passed,
            frame_bytes: u32::try_from(length).unwrap_or(u32::MAX),
            bytes: bytes.to_vec(),
        }
    }
}

/// The address of every protocol at an interface.
fn everything_at(interface: &str) -> io::Result<SockAddr> {
    let index = nix::net::if_::if_nametoindex(interface)?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a kind of sockaddr, so the storage may be viewed as one.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or_default().to_be();
    address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let length = u32::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or_default();
    // SAFETY: the storage holds an address of this length.
    Ok(unsafe { SockAddr::new(storage, length) })
}
