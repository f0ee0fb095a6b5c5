//! One customer's visit: connect, ask, read the answer to its end, leave.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout_at},
};

use crate::server::BODY;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n";

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// The answer came, whole and in time.
    Served { connect: Duration, total: Duration },
    /// The deadline came first.
    TimedOut { connect: Option<Duration> },
    /// The connection was refused or reset, or the answer was not the server's.
    Failed { connect: Option<Duration> },
}

/// Visits `target` from `source`, whose port the kernel picks per target, so that ports last.
pub(super) async fn visit(source: IpAddr, target: SocketAddr, deadline: Duration) -> Visit {
    let start = Instant::now();
    let mut connected = None;
    let ended = timeout_at(start + deadline, async {
        let mut stream = connect(source, target).await?;
        connected = Some(start.elapsed());
        ask(&mut stream).await
    })
    .await;
    match (ended, connected) {
        (Ok(Ok(())), Some(connect)) => Visit::Served {
            connect,
            total: start.elapsed(),
        },
        (Ok(_), connect) => Visit::Failed { connect },
        (Err(_elapsed), connect) => Visit::TimedOut { connect },
    }
}

async fn connect(source: IpAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = if source.is_ipv6() {
        TcpSocket::new_v6()?
    } else {
        TcpSocket::new_v4()?
    };
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
    // Closing sends a reset and leaves no TIME_WAIT behind: thousands of visits per second would run out of ports.
    socket.set_zero_linger()?;
    socket.set_nodelay(true)?;
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(target).await
}

async fn ask(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::with_capacity(512);
    while !answer.ends_with(BODY.as_bytes()) {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
