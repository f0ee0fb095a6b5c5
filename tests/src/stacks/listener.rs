//! A TCP server of the kernel with the socket options that a test wants. It answers orders (see [`exchange`]).

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{exchange, md5};
use crate::netns::Netns;

/// How a listening socket is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `SO_RCVBUF`, bytes; the system's own without it.
    pub receive_buffer: Option<usize>,
    /// How many connections may wait to be accepted.
    pub backlog: i32,
    /// `SO_REUSEPORT`: several sockets share the address.
    pub reuse_port: bool,
    /// `IPV6_V6ONLY`; without it an IPv6 wildcard takes IPv4 too.
    pub v6_only: bool,
    /// Whose segments must be signed.
    pub signed_peer: Option<IpAddr>,
    /// Pending connections with data in their SYN; 0 for none.
    pub fast_open: i32,
    /// Multipath TCP (RFC 8684).
    pub multipath: bool,
    /// One order per connection, and the server closes it: its side has the TIME_WAIT.
    pub closes_first: bool,
}

impl Options {
    /// Of an IPv6 address, or of IPv4.
    pub const ONE_FAMILY: Self = Self {
        receive_buffer: None,
        backlog: 1_024,
        reuse_port: false,
        v6_only: true,
        signed_peer: None,
        fast_open: 0,
        multipath: false,
        closes_first: false,
    };

    /// Of all addresses of both families, when it listens at `::`.
    pub const DUAL_STACK: Self = Self {
        v6_only: false,
        ..Self::ONE_FAMILY
    };
}

/// A listening socket, and its service once that is started. Dropping it closes the socket and ends the service.
#[derive(Debug)]
pub struct Listener {
    socket: Option<TcpListener>,
    options: Options,
    service: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
}

impl Listener {
    /// Listens in a namespace; nobody accepts yet.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn bind(namespace: &Netns, at: SocketAddr, options: Options) -> Result<Self> {
        let socket = namespace.enter(|| listen(at, options).with_context(|| format!("cannot listen at {at}")))?;
        Ok(Self {
            socket: Some(socket),
            options,
            service: None,
            stop: Arc::default(),
            accepted: Arc::default(),
        })
    }

    /// Listens in a namespace and serves.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn start(namespace: &Netns, at: SocketAddr, options: Options) -> Result<Self> {
        let mut listener = Self::bind(namespace, at, options)?;
        listener.serve()?;
        Ok(listener)
    }

    /// Begins to accept connections and to serve them.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn serve(&mut self) -> Result<()> {
        let Some(socket) = self.socket.take() else {
            return Ok(());
        };
        socket.set_nonblocking(true)?;
        let (stop, accepted) = (Arc::clone(&self.stop), Arc::clone(&self.accepted));
        let closes_first = self.options.closes_first;
        let service = thread::Builder::new().name("listener".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match socket.accept() {
                    Ok((stream, _)) => {
                        accepted.fetch_add(1, Ordering::Relaxed);
                        thread::spawn(move || {
                            // It belongs to the client to say what went wrong: it sees the connection break.
                            let _outcome = stream
                                .set_nonblocking(false)
                                .map_err(Into::into)
                                .and_then(|()| exchange::serve(&stream, closes_first));
                        });
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
                    // A connection that was reset before it was accepted.
                    Err(_) => {}
                }
            }
        });
        self.service = Some(service.context("cannot start a listener's thread")?);
        Ok(())
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(service) = self.service.take() {
            // Its panic has been printed.
            let _panicked = service.join();
        }
    }
}

fn listen(at: SocketAddr, options: Options) -> Result<TcpListener> {
    let socket = super::client::new_socket(at, options.multipath)?;
    socket.set_reuse_port(options.reuse_port)?;
    if at.is_ipv6() {
        socket.set_only_v6(options.v6_only)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(peer) = options.signed_peer {
        md5::sign(&socket, peer)?;
    }
    socket.bind(&at.into())?;
    if options.fast_open > 0 {
        super::client::set_integer(&socket, libc::TCP_FASTOPEN, options.fast_open)?;
    }
    socket.listen(options.backlog)?;
    Ok(socket.into())
}
