//! HAProxy from Debian, with a configuration of its own: it answers by itself, as nginx does, on another port.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    addresses::vips,
    child::{Manner, Running},
    server::BODY,
    topology::Topology,
};

/// Where it listens, on every address of both families with one dual-stack socket.
pub const PORT: u16 = 8080;

const PATIENCE: Duration = Duration::from_secs(5);

/// Starts HAProxy where connections end, and waits until it answers.
///
/// # Errors
/// It does not start.
pub fn start(topology: &Topology) -> Result<Running> {
    let directory = topology.lab().path("haproxy");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let file = directory.join("haproxy.cfg");
    fs::write(&file, configuration()).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = topology.server().command("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let log = fs::File::create(directory.join("log")).context("cannot make HAProxy's log")?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let manner = Manner {
        core: Some(topology.cores().balancer),
        ..Manner::default()
    };
    let mut server = Running::start(topology.lab(), command, manner)?;
    let start = Instant::now();
    loop {
        let knock = || {
            let at = |address| SocketAddr::new(address, PORT);
            Ok(vips()
                .into_iter()
                .take(2)
                .all(|vip| TcpStream::connect_timeout(&at(vip), Duration::from_secs(1)).is_ok()))
        };
        if topology.server().enter(knock)? {
            return Ok(server);
        }
        if server.ended()?.is_some() || start.elapsed() > PATIENCE {
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            bail!("HAProxy does not answer: {}", log.trim());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn configuration() -> String {
    let body = BODY.trim_end();
    format!(
        "global\n    maxconn 4000\n    nbthread 1\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\
         frontend lab\n    bind :::{PORT} v4v6\n    \
         http-request return status 200 content-type text/plain string \"{body}\\n\"\n"
    )
}
