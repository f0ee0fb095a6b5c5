//! What a client and a server of the tests say to each other: so many bytes up, so many down, each of them checked.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(15);

const CHUNK: usize = 64 * 1024;

/// What the client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Bytes from client to server.
    pub up: u64,
    /// Bytes from server to client.
    pub down: u64,
}

impl Order {
    /// Both ways so many megabytes.
    #[must_use]
    pub const fn megabytes(count: u64) -> Self {
        Self {
            up: count << 20,
            down: count << 20,
        }
    }

    /// Next to nothing both ways.
    #[must_use]
    pub const fn small() -> Self {
        Self { up: 100, down: 100 }
    }
}

/// The client's part; the connection can be used for another order afterwards.
///
/// # Errors
/// The connection breaks or stalls, or a byte is wrong.
pub fn ask(stream: &TcpStream, order: Order) -> Result<()> {
    ask_within(stream, order, PATIENCE)
}

/// The same; no more than `patience` may pass without progress.
///
/// # Errors
/// The connection breaks or stalls, or a byte is wrong.
pub fn ask_within(stream: &TcpStream, order: Order, patience: Duration) -> Result<()> {
    settle(stream, patience)?;
    let mut header = [0; 16];
    header[..8].copy_from_slice(&order.up.to_be_bytes());
    header[8..].copy_from_slice(&order.down.to_be_bytes());
    let mut writer = stream;
    writer.write_all(&header).context("cannot send the order")?;
    send(stream, order.up).context("to the server")?;
    receive(stream, order.down).context("from the server")
}

/// The server's part: orders until the client closes, or one only.
///
/// # Errors
/// The connection breaks or stalls, or a byte is wrong.
pub fn serve(stream: &TcpStream, one_only: bool) -> Result<()> {
    settle(stream, PATIENCE)?;
    loop {
        let mut header = [0; 16];
        let mut reader = stream;
        if reader.read(&mut header[..1]).context("waiting for an order")? == 0 {
            return Ok(());
        }
        reader.read_exact(&mut header[1..]).context("an order cut short")?;
        let word = |at: usize| {
            header[at..at + 8]
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte))
        };
        receive(stream, word(0)).context("from the client")?;
        send(stream, word(8)).context("to the client")?;
        if one_only {
            return Ok(());
        }
    }
}

fn settle(stream: &TcpStream, patience: Duration) -> Result<()> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    Ok(())
}

/// A prime length, so that a chunk lost or sent twice does not fit.
const PERIOD: u64 = 65_521;

fn fill(chunk: &mut [u8], offset: u64) {
    for (byte, at) in chunk.iter_mut().zip(offset..) {
        let at = at % PERIOD;
        *byte = (at ^ (at >> 8)) as u8;
    }
}

fn send(mut stream: &TcpStream, bytes: u64) -> Result<()> {
    let mut chunk = [0; CHUNK];
    let mut sent = 0;
    while sent < bytes {
        let length = CHUNK.min((bytes - sent) as usize);
        fill(&mut chunk[..length], sent);
        stream
            .write_all(&chunk[..length])
            .with_context(|| format!("sending stopped after {sent} of {bytes} bytes"))?;
        sent += length as u64;
    }
    Ok(())
}

fn receive(mut stream: &TcpStream, bytes: u64) -> Result<()> {
    let (mut chunk, mut expected) = ([0; CHUNK], [0; CHUNK]);
    let mut received = 0;
    while received < bytes {
        let length = CHUNK.min((bytes - received) as usize);
        let got = stream
            .read(&mut chunk[..length])
            .with_context(|| format!("receiving stopped after {received} of {bytes} bytes"))?;
        ensure!(got > 0, "the other side closed after {received} of {bytes} bytes");
        fill(&mut expected[..got], received);
        ensure!(
            chunk[..got] == expected[..got],
            "wrong bytes after the first {received}"
        );
        received += got as u64;
    }
    Ok(())
}
