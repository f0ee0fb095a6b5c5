//! etcd from Debian, in a namespace of a lab: one member, with its data in the lab's directory.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{
    certificates::Pair,
    child::{Manner, Running},
    command::output,
    guarded::until_within,
    lab::Lab,
    netns::Netns,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Where clients find it.
pub const PORT: u16 = 2379;

/// How it runs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Its certificate, and whose clients it takes: with this it speaks TLS, and asks clients for certificates.
    pub tls: Option<(Pair, PathBuf)>,
    /// Further options.
    pub more: Vec<String>,
}

/// One etcd. Dropping it ends it.
#[derive(Debug)]
pub struct Etcd {
    process: Running,
    settings: Settings,
    namespace: String,
    directory: PathBuf,
    /// Name and password for `etcdctl`, once there are users.
    pub user: Option<String>,
}

impl Etcd {
    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(lab: &Lab, namespace: &Netns, settings: Settings) -> Result<Self> {
        let directory = lab.path("etcd");
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let etcd = Self {
            process: run(lab, namespace, &directory, &settings)?,
            settings,
            namespace: namespace.name().to_owned(),
            directory,
            user: None,
        };
        etcd.wait()?;
        Ok(etcd)
    }

    fn wait(&self) -> Result<()> {
        until_within(PATIENCE, "etcd answers", || Ok(self.ctl(&["get", "nothing"]).is_ok()))
            .with_context(|| fs::read_to_string(self.directory.join("log")).unwrap_or_default())
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Errors
    /// It was gone before.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts it again with its data.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self, lab: &Lab, namespace: &Netns) -> Result<()> {
        self.process = run(lab, namespace, &self.directory, &self.settings)?;
        self.wait()
    }

    /// What `etcdctl` says.
    ///
    /// # Errors
    /// It fails.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let scheme = if self.settings.tls.is_some() { "https" } else { "http" };
        let mut command = std::process::Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace, "etcdctl"])
            .arg(format!("--endpoints={scheme}://127.0.0.1:{PORT}"))
            .arg("--command-timeout=5s")
            .env("ETCDCTL_API", "3");
        if let Some((pair, ca)) = &self.settings.tls {
            command
                .arg("--cacert")
                .arg(ca)
                .arg("--cert")
                .arg(&pair.cert)
                .arg("--key")
                .arg(&pair.key);
        }
        if let Some(user) = &self.user {
            command.arg("--user").arg(user);
        }
        output(command.args(arguments))
    }

    /// Writes a key.
    ///
    /// # Errors
    /// etcd does not take it.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        let value = std::str::from_utf8(value).context("etcdctl takes text")?;
        // Behind `--`, because a value may begin with anything.
        self.ctl(&["put", "--", key, value]).map(drop)
    }

    /// What a key holds.
    ///
    /// # Errors
    /// etcd does not answer.
    pub fn get(&self, key: &str) -> Result<Option<String>> {
        let text = self.ctl(&["get", "--print-value-only", key])?;
        Ok((!text.is_empty()).then(|| text.trim_end_matches('\n').to_owned()))
    }

    /// The names of all keys with a prefix.
    ///
    /// # Errors
    /// etcd does not answer.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = self.ctl(&["get", "--prefix", "--keys-only", prefix])?;
        Ok(text
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// Forgets all history up to now.
    ///
    /// # Errors
    /// etcd refuses.
    pub fn compact(&self) -> Result<()> {
        let status: serde_json::Value = serde_json::from_str(&self.ctl(&["get", "nothing", "-w", "json"])?)?;
        let revision = status["header"]["revision"].as_i64().context("a revision")?;
        self.ctl(&["compact", &revision.to_string()]).map(drop)
    }

    /// Makes users: `root`, and one that may read and write everything under a prefix; from then on etcd asks for them.
    ///
    /// # Errors
    /// etcd refuses.
    pub fn ask_for_users(&mut self, name: &str, password: &str, prefix: &str) -> Result<()> {
        self.ctl(&["user", "add", "root:root-of-this-test"])?;
        self.ctl(&["user", "grant-role", "root", "root"])?;
        self.ctl(&["role", "add", name])?;
        self.ctl(&["role", "grant-permission", "--prefix=true", name, "readwrite", prefix])?;
        self.ctl(&["user", "add", &format!("{name}:{password}")])?;
        self.ctl(&["user", "grant-role", name, name])?;
        self.ctl(&["auth", "enable"])?;
        self.user = Some("root:root-of-this-test".to_owned());
        ensure!(self.ctl(&["user", "list"])?.contains(name), "etcd has the user");
        Ok(())
    }
}

fn run(lab: &Lab, namespace: &Netns, directory: &std::path::Path, settings: &Settings) -> Result<Running> {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("log"))?;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let mut command = namespace.command("etcd");
    command
        .arg("--data-dir")
        .arg(directory.join("data"))
        .arg(format!("--listen-client-urls={scheme}://0.0.0.0:{PORT}"))
        .arg(format!("--advertise-client-urls={scheme}://127.0.0.1:{PORT}"))
        .args([
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--logger=zap",
            "--log-level=warn",
        ])
        .args(&settings.more)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    if let Some((pair, ca)) = &settings.tls {
        command
            .arg("--cert-file")
            .arg(&pair.cert)
            .arg("--key-file")
            .arg(&pair.key);
        command.arg("--trusted-ca-file").arg(ca).arg("--client-cert-auth");
    }
    Running::start(lab, command, Manner::default())
}
