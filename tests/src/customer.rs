//! One customer: by hand (`curl` from one of the customers' addresses), or as a connection of this process.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use socket2::{Domain, Socket, Type};

use crate::{server::BODY, topology::Topology};

/// How long a customer waits, in seconds: one SYN may be lost and sent again.
const PATIENCE_S: &str = "2.5";

/// Whether `source` gets an answer from the web server at `target`.
pub fn is_served(topology: &Topology, source: &str, target: &str) -> Result<bool> {
    let url = match target
        .parse::<IpAddr>()
        .with_context(|| format!("{target:?} is no address"))?
    {
        IpAddr::V4(address) => format!("http://{address}/"),
        IpAddr::V6(address) => format!("http://[{address}]/"),
    };
    let mut curl = topology.client().command("curl");
    curl.args(["--silent", "--max-time", PATIENCE_S, "--interface", source, &url]);
    let output = curl
        .stdin(Stdio::null())
        .output()
        .context("cannot start curl: is its Debian package installed?")?;
    Ok(output.status.success() && output.stdout == BODY.as_bytes())
}

/// Connects, asks the web server, and reads its answer to the end, in the calling thread's namespace. Returns how long that took.
///
/// # Errors
/// The deadline came first, the connection was refused or reset, or the answer was not the server's.
pub fn visit(source: IpAddr, target: SocketAddr, deadline: Duration) -> io::Result<Duration> {
    let start = Instant::now();
    let left = || {
        let left = deadline.saturating_sub(start.elapsed());
        // A timeout of zero would be none.
        left.max(Duration::from_millis(1))
    };
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    // Closing sends a reset and leaves no TIME_WAIT behind.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&target.into(), left())?;
    let mut stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(left()))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 1_024];
    while !answer.ends_with(BODY.as_bytes()) {
        stream.set_read_timeout(Some(left()))?;
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&part[..read]);
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        Ok(start.elapsed())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
