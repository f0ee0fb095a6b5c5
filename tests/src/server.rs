//! The load balancer's HTTP server: nginx from Debian, one worker, a configuration of its own.
//!
//! Everything it writes is in the lab's directory; the system's nginx service is not touched.

use std::{
    fs,
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    addresses::vips,
    child::{Manner, Running},
    cores::SERVER_NICE,
    topology::Topology,
};

/// Where it listens, on every address of both families.
pub const PORT: u16 = 80;

/// What every answer ends with.
pub const BODY: &str = "served by the lab\n";

/// A file to download, of [`DOWNLOAD_BYTES`].
pub const DOWNLOAD: &str = "download";

/// How long that file is.
pub const DOWNLOAD_BYTES: u64 = 64 << 20;

/// How many connections may wait to be accepted, and to be completed: as an operator who expects floods sets it. The namespace's
/// `somaxconn` may allow less.
const BACKLOG: u32 = 16_384;

const PATIENCE: Duration = Duration::from_secs(5);

/// Starts nginx where connections end, on the load balancer's core, and waits until every protected address answers.
pub fn start(topology: &Topology, outlives_parent: bool) -> Result<Running> {
    let lab = topology.lab();
    let directory = lab.path("nginx");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let download = fs::File::create(directory.join(DOWNLOAD)).context("cannot make the file to download")?;
    download
        .set_len(DOWNLOAD_BYTES)
        .context("cannot make the file to download")?;
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration(&directory)).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = topology.server().command("nginx");
    command
        .arg("-p")
        .arg(&directory)
        .arg("-c")
        .arg(&file)
        .arg("-e")
        .arg("error.log");
    // A lab that is kept must not hold on to the terminal or pipe of the command that made it; the error log says the same.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let manner = Manner {
        core: Some(topology.cores().balancer),
        nice: SERVER_NICE,
        outlives_parent,
    };
    let mut server = Running::start(lab, command, manner)?;
    for address in vips() {
        if let Err(error) = wait_for(topology, &mut server, address) {
            let log = fs::read_to_string(directory.join("error.log")).unwrap_or_default();
            return Err(error.context(format!("nginx says: {}", log.trim())));
        }
    }
    Ok(server)
}

fn wait_for(topology: &Topology, server: &mut Running, address: IpAddr) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = server.ended()? {
            bail!("nginx ended at once ({status})");
        }
        let knock = || Ok(TcpStream::connect_timeout(&SocketAddr::new(address, PORT), Duration::from_secs(1)).is_ok());
        if topology.server().enter(knock)? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("nginx does not answer at {address} after {} s", PATIENCE.as_secs())
}

fn configuration(directory: &Path) -> String {
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {kind};\n"))
        .concat();
    let body = BODY.trim_end();
    format!(
        "daemon off;\n\
         worker_processes 1;\n\
         worker_rlimit_nofile 65536;\n\
         pid nginx.pid;\n\
         error_log error.log;\n\
         events {{ worker_connections 30000; }}\n\
         http {{\n\
         {paths}    access_log off;\n    \
             server {{\n        \
                 listen {PORT} backlog={BACKLOG};\n        \
                 listen [::]:{PORT} backlog={BACKLOG};\n        \
                 location / {{ return 200 \"{body}\\n\"; }}\n        \
                 location = /{DOWNLOAD} {{ root {}; sendfile on; }}\n    \
             }}\n\
         }}\n",
        directory.display()
    )
}
