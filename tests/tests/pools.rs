//! The examples that take an address out of a pool: sound as scripts, and against a real HAProxy under flood, by the agent's own hook.

use std::{
    fs,
    net::{IpAddr, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    alone, binary,
    child::{Manner, Running},
    command::output,
    guarded::{self, Guarded, allow_cookies, until, until_within},
    levee::Settings,
    topology::Topology,
};

const SCRIPTS: [&str; 5] = ["levee-pool", "pool-haproxy", "pool-bird", "pool-dns", "pool-file"];
/// Where HAProxy listens, with a frontend for each of two addresses.
const PORT: u16 = 8080;
/// SYNs per second: six times the address's rate.
const FLOOD_PPS: u32 = 30_000;
/// Detection ends an attack some time after the flood, and calm follows.
const PATIENCE: Duration = Duration::from_secs(90);

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../packaging/examples/pools")
        .join(name)
}

/// A directory with what a script needs.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A program that writes down its arguments and its input, and says this.
    fn program(&self, name: &str, body: &str) -> Result<PathBuf> {
        let file = self.path(name);
        fs::write(&file, format!("#!/bin/sh\n{body}\n"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        Ok(file)
    }

    /// The hook, as the agent runs it for a rung that changed.
    fn hook(&self, address: &str, details: &str, test: &str) -> Result<std::process::Output> {
        let input = self.path("input");
        fs::write(
            &input,
            format!("{{\"event\":\"rung_changed\",\"details\":{details}}}\n"),
        )?;
        Ok(self
            .pool()
            .args([Path::new("hook"), &script("pool-file"), &self.path("down")])
            .env("LEVEE_EVENT", "rung_changed")
            .env("LEVEE_SUBJECT", address)
            .env("LEVEE_TEST", test)
            .stdin(fs::File::open(&input)?)
            .output()?)
    }

    fn pool(&self) -> Command {
        let mut command = Command::new(script("levee-pool"));
        command.env("LEVEE_POOL_STATE", self.path("state"));
        command
    }

    fn is_out(&self, address: &str) -> bool {
        self.path("down").join(address).exists()
    }
}

#[test]
fn the_scripts_are_sound() -> Result<()> {
    output(Command::new("shellcheck").args(SCRIPTS.map(script)))?;
    for name in SCRIPTS {
        let mode = fs::metadata(script(name))?.permissions().mode();
        ensure!(mode & 0o111 == 0o111, "{name} cannot be run");
    }
    Ok(())
}

#[test]
fn an_address_goes_on_a_high_rung_and_comes_back_when_it_is_safe() -> Result<()> {
    let place = Place::new()?;
    let high = r#"{"from":"verify","to":"known","why":"x","dry_run":false}"#;
    for (address, details, test, what) in [
        ("203.0.113.7", &*high.replace("known", "limit"), "", "a low rung"),
        ("203.0.113.7", &high.replace("false", "true"), "", "only said"),
        ("203.0.113.7", high, "1", "a test"),
        ("group 203.0.113.0/24", high, "", "a group"),
        ("../203.0.113.7", high, "", "no address"),
    ] {
        let done = place.hook(address, details, test)?;
        ensure!(
            done.status.success() && !place.is_out("203.0.113.7"),
            "{what}: {done:?}"
        );
    }
    for _ in 0..2 {
        let done = place.hook("203.0.113.7", high, "")?;
        ensure!(
            done.status.success() && place.is_out("203.0.113.7"),
            "twice is once: {done:?}"
        );
    }
    let done = place.hook("2001:db8::7", high, "")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(
        !done.status.success() && said.contains("LEVEE_POOL_MOST is 1"),
        "{said}"
    );
    ensure!(!place.is_out("2001:db8::7"), "the pool keeps what it has");

    let back = |agent: &Path| -> Result<()> {
        let mut command = place.pool();
        command.args([Path::new("back"), &script("pool-file"), &place.path("down")]);
        output(command.env("LEVEE_AGENT", agent)).map(drop)
    };
    let asked = place.path("asked");
    back(&place.program("no", &format!("echo \"$@\" > {}; exit 1", asked.display()))?)?;
    ensure!(place.is_out("203.0.113.7"), "it is not safe");
    ensure!(fs::read_to_string(&asked)?.trim() == "safe 203.0.113.7");
    ensure!(output(place.pool().arg("list"))?.trim() == "203.0.113.7");
    back(&place.program("yes", "exit 0")?)?;
    ensure!(!place.is_out("203.0.113.7"), "it is safe");
    ensure!(output(place.pool().arg("list"))?.trim().is_empty());
    ensure!(place.hook("2001:db8::7", high, "")?.status.success() && place.is_out("2001:db8::7"));
    Ok(())
}

#[test]
fn bird_takes_what_its_driver_writes() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("pulled.conf");
    let config = place.path("bird.conf");
    fs::write(
        &config,
        format!(
            "router id 192.0.2.1;\ninclude {file:?};\nprotocol device {{}}\nprotocol bgp edge {{ local 192.0.2.1 as 64500; neighbor 192.0.2.2 as 64501;\n\
             ipv4 {{ import none; export where ! levee_pulled4(); }};\nipv6 {{ import none; export where ! levee_pulled6(); }}; }}\n"
        ),
    )?;
    place.program(
        "birdc",
        &format!("bird -p -c {} && echo Reconfigured", config.display()),
    )?;
    let path = format!(
        "{}:{}",
        place.0.path().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let drive = |verb: &str, address: &str| {
        let mut command = Command::new(script("pool-bird"));
        output(command.arg(&file).args([verb, address]).env("PATH", &path))
    };
    drive("back", "0.0.0.0")?;
    for address in ["203.0.113.7", "2001:db8::7", "203.0.113.8", "203.0.113.7"] {
        drive("pull", address)?;
    }
    drive("back", "203.0.113.8")?;
    let written = fs::read_to_string(&file)?;
    ensure!(
        written.contains("[ 0.0.0.0/32, 203.0.113.7/32 ]") && written.contains("[ ::/128, 2001:db8::7/128 ]"),
        "{written}"
    );

    place.program("birdc", "echo 'syntax error'")?;
    drive("pull", "203.0.113.9").expect_err("refused");
    ensure!(fs::read_to_string(&file)? == written, "taken back");
    Ok(())
}

#[test]
fn the_name_server_is_told() -> Result<()> {
    let place = Place::new()?;
    let told = place.path("told");
    place.program("nsupdate", &format!("echo \"$@\" >> {0}; cat >> {0}", told.display()))?;
    let path = format!(
        "{}:{}",
        place.0.path().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    for (verb, address) in [("pull", "203.0.113.7"), ("back", "2001:db8::7")] {
        let mut command = Command::new(script("pool-dns"));
        command.args(["www.example.", "60", "/etc/levee/dns.key", verb, address]);
        output(command.env("PATH", &path).env("DNS_SERVER", "192.0.2.53"))?;
    }
    let wanted = "-k /etc/levee/dns.key\nserver 192.0.2.53\nupdate delete www.example. A 203.0.113.7\nsend\n\
                  -k /etc/levee/dns.key\nserver 192.0.2.53\nupdate add www.example. 60 AAAA 2001:db8::7\nsend\n";
    assert_eq!(fs::read_to_string(&told)?, wanted);
    Ok(())
}

/// HAProxy with a frontend for each of two addresses, and its runtime API.
fn haproxy(topology: &Topology, addresses: [IpAddr; 2]) -> Result<Running> {
    let directory = topology.lab().path("pool");
    fs::create_dir_all(&directory)?;
    let file = directory.join("haproxy.cfg");
    let mut config = format!(
        "global\n    nbthread 1\n    stats socket {} mode 600 level admin\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n",
        directory.join("admin.sock").display()
    );
    let mut map = String::new();
    for (number, address) in addresses.into_iter().enumerate() {
        config += &format!("frontend web{number}\n    bind {address}:{PORT}\n    http-request return status 200\n");
        map += &format!("{address} frontend web{number}\n");
    }
    fs::write(&file, config)?;
    fs::write(directory.join("map"), map)?;
    let mut command = topology.server().command("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let log = fs::File::create(directory.join("log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Running::start(topology.lab(), command, Manner::default())
}

/// Whether something listens there: asked on the host itself, past the flood.
fn listens(topology: &Topology, address: IpAddr) -> Result<bool> {
    topology
        .server()
        .enter(|| Ok(TcpStream::connect_timeout(&SocketAddr::new(address, PORT), Duration::from_secs(2)).is_ok()))
}

/// An agent whose hook takes addresses out of HAProxy from `verify` on.
fn start(topology: Topology) -> Result<Guarded> {
    let usual = guarded::settings();
    let pool = topology.lab().path("pool");
    let more = format!(
        "{}\n[ladder]\ncalm = \"4s\"\n[privileges]\nwritable = [{pool:?}]\n[[notify]]\nname = \"pool\"\nkind = \"exec\"\ncommand = [{:?}, \"hook\", {:?}, {:?}]\n\
         events = [\"rung_changed\"]\n\
         environment = {{ LEVEE_POOL_RUNGS = \"verify known blackhole upstream\", LEVEE_POOL_STATE = {:?}, HAPROXY_SOCKET = {:?} }}\n",
        usual.more,
        script("levee-pool"),
        script("pool-haproxy"),
        pool.join("map"),
        pool.join("state"),
        pool.join("admin.sock"),
    );
    Guarded::start(topology, &Settings { more, ..usual })
}

/// What the timer does.
fn put_back(lab: &Guarded) -> Result<String> {
    let pool = lab.topology().lab().path("pool");
    let mut command = Command::new(script("levee-pool"));
    command
        .args([Path::new("back"), &script("pool-haproxy"), &pool.join("map")])
        .env("LEVEE_AGENT", binary::agent()?)
        .env("LEVEE_SOCKET", lab.home().socket())
        .env("LEVEE_POOL_STATE", pool.join("state"))
        .env("HAPROXY_SOCKET", pool.join("admin.sock"));
    output(&mut command)
}

#[test]
fn an_attacked_address_leaves_haproxy_and_comes_back_when_it_is_safe() -> Result<()> {
    let _turn = alone::wait()?;
    let topology = Topology::routed()?;
    allow_cookies(topology.server())?;
    let [attacked, other] = guarded::targets(PORT).map(|target| target.ip());
    let _haproxy = haproxy(&topology, [attacked, other])?;
    until("HAProxy listens", || {
        Ok(listens(&topology, attacked)? && listens(&topology, other)?)
    })?;
    let lab = start(topology)?;

    let port = PORT.to_string();
    let mut flood = lab.flood(&[attacked], &["--sources", "spoofed", "--port", &port], FLOOD_PPS, 20)?;
    until("the hook takes it out", || Ok(!listens(lab.topology(), attacked)?))?;
    ensure!(listens(lab.topology(), other)?, "the other one stays");
    let said = put_back(&lab)?;
    ensure!(
        said.starts_with("no:") && !listens(lab.topology(), attacked)?,
        "not under flood: {said}"
    );
    flood.stop()?;
    flood.flood_report()?;

    until_within(PATIENCE, "it is safe, and put back", || {
        let said = put_back(&lab)?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(said.contains(&format!("put {attacked} back")))
    })?;
    ensure!(listens(lab.topology(), attacked)?, "it serves again");
    let state = lab.topology().lab().path("pool").join("state");
    let left = fs::read_dir(&state).context("the state of the pool")?.flatten();
    let left: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name != ".lock")
        .collect();
    ensure!(left.is_empty(), "stranded: {left:?}");
    Ok(())
}
