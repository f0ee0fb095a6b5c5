//! BIRD 2 from Debian: one on the load balancer, as an operator runs it beside the agent, and one that is the network above.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    addresses::BALANCER_LINK,
    child::{Manner, Running},
    guarded::until_within,
    netns::Netns,
    topology::Topology,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// The session of the load balancer's BIRD, and of the other one.
pub const SESSION: &str = "above";

/// One BIRD. Dropping it ends it.
#[derive(Debug)]
pub struct Bird {
    process: Running,
    directory: PathBuf,
    namespace: fn(&Topology) -> &Netns,
}

impl Bird {
    /// The load balancer's, which includes the file that Levee writes, if there is one.
    ///
    /// # Errors
    /// It does not start.
    pub fn balancer(topology: &Topology) -> Result<Self> {
        let include = directory(topology, "balancer").join("levee*.conf");
        let [own, other] = [BALANCER_LINK.peer_v4, BALANCER_LINK.wire_v4];
        let config = format!(
            "router id {own};\nflow4 table flowtab4;\nflow6 table flowtab6;\nprotocol device {{}}\n\
             include \"{}\";\n\
             protocol static ours {{ ipv4; route 198.51.100.0/24 blackhole; }}\n\
             protocol bgp {SESSION} {{\n{}\tlocal {own} as 64500;\n\tneighbor {other} as 64501;\n\
             \tipv4 {{ import none; export where levee_announces() || proto = \"ours\"; }};\n\
             \tipv6 {{ import none; export where levee_announces(); }};\n\
             \tflow4 {{ table flowtab4; import none; export where levee_announces(); }};\n\
             \tflow6 {{ table flowtab6; import none; export where levee_announces(); }};\n}}\n",
            include.display(),
            timers()
        );
        Self::start(topology, Topology::balancer, "balancer", &config)
    }

    /// The network above.
    ///
    /// # Errors
    /// It does not start.
    pub fn above(topology: &Topology) -> Result<Self> {
        let [own, other] = [BALANCER_LINK.wire_v4, BALANCER_LINK.peer_v4];
        let config = format!(
            "router id {own};\nflow4 table flowtab4;\nflow6 table flowtab6;\nprotocol device {{}}\n\
             protocol bgp {SESSION} {{\n{}\tlocal {own} as 64501;\n\tneighbor {other} as 64500;\n\
             \tipv4 {{ import all; export none; }};\n\
             \tipv6 {{ gateway recursive; import all; export none; }};\n\
             \tflow4 {{ table flowtab4; import all; export none; validate off; }};\n\
             \tflow6 {{ table flowtab6; import all; export none; validate off; }};\n}}\n",
            timers()
        );
        Self::start(topology, Topology::wire, "above", &config)
    }

    fn start(topology: &Topology, namespace: fn(&Topology) -> &Netns, name: &str, config: &str) -> Result<Self> {
        let directory = directory(topology, name);
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        fs::write(directory.join("bird.conf"), config)?;
        let process = run(topology, namespace(topology), &directory)?;
        let bird = Self {
            process,
            directory,
            namespace,
        };
        until_within(PATIENCE, "BIRD answers", || Ok(bird.ask("show status").is_ok()))?;
        Ok(bird)
    }

    /// Ends it as `kill -9` does, and starts it again.
    ///
    /// # Errors
    /// It does not come back.
    pub fn restart(&mut self, topology: &Topology) -> Result<()> {
        self.process.kill()?;
        self.process = run(topology, (self.namespace)(topology), &self.directory)?;
        until_within(PATIENCE, "BIRD answers again", || Ok(self.ask("show status").is_ok()))
    }

    /// What `birdc` answers.
    ///
    /// # Errors
    /// It answers with an error, or not at all.
    pub fn ask(&self, command: &str) -> Result<String> {
        let output = std::process::Command::new("birdc")
            .arg("-s")
            .arg(self.socket())
            .args(command.split(' '))
            .output()
            .context("cannot run birdc")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "birdc {command}: {text}");
        Ok(text)
    }

    /// True once the session is up.
    ///
    /// # Errors
    /// BIRD does not answer.
    pub fn is_up(&self) -> Result<bool> {
        Ok(self.ask(&format!("show protocols {SESSION}"))?.contains("Established"))
    }

    /// Its own configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.join("bird.conf")
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("ctl")
    }

    /// The file that Levee writes.
    #[must_use]
    pub fn include(&self) -> PathBuf {
        self.directory.join("levee.conf")
    }
}

/// Sessions of labs come up soon and go down soon.
const fn timers() -> &'static str {
    "\tconnect delay time 1;\n\tconnect retry time 1;\n\terror wait time 1, 2;\n\thold time 6;\n\tkeepalive time 2;\n"
}

fn directory(topology: &Topology, name: &str) -> PathBuf {
    topology.lab().path(&format!("bird-{name}"))
}

fn run(topology: &Topology, namespace: &Netns, directory: &Path) -> Result<Running> {
    let log = fs::File::create(directory.join("log"))?;
    let mut command = namespace.command("bird");
    command
        .arg("-f")
        .arg("-c")
        .arg(directory.join("bird.conf"))
        .arg("-s")
        .arg(directory.join("ctl"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Running::start(topology.lab(), command, Manner::default())
}
