//! etcd itself, in front of it perhaps some of its own proxies, and what they take.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use etcd_client::{Client, ConnectOptions};

use super::{Plan, cut::ADDRESSES, path, session::bounded};
use crate::{
    child::{Manner, Running},
    lab::Lab,
    netns::Netns,
    process,
};

/// Where etcd listens, and the first of the proxies.
const PORT: u16 = 2_379;
const PROXY_PORT: u16 = 23_790;
const PATIENCE: Duration = Duration::from_secs(20);
const MIB: f64 = 1_048_576.0;

/// etcd and its proxies. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Store {
    proxies: Vec<Running>,
    etcd: Running,
}

/// What they have taken so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) at: Instant,
    pub(super) cpu_secs: f64,
    pub(super) proxy_cpu_secs: f64,
    pub(super) own_cpu_secs: f64,
}

/// What they hold now, MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) rss: f64,
    pub(super) anonymous: f64,
    pub(super) proxy_rss: f64,
}

/// What etcd says of its store.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) version: String,
    pub(super) store_mib: f64,
    pub(super) revision: i64,
    pub(super) log_index: u64,
}

impl Store {
    pub(super) fn start(lab: &Lab, namespace: &Netns, plan: &Plan) -> Result<Self> {
        let directory = path(lab, "etcd");
        fs::create_dir_all(&directory)?;
        let url = format!("http://{}:{PORT}", ADDRESSES[0]);
        let mut etcd = namespace.command("env");
        etcd.args(&plan.environment)
            .arg("etcd")
            .arg("--data-dir")
            .arg(directory.join("data"))
            .args(["--listen-client-urls", &format!("http://0.0.0.0:{PORT}")])
            .args(["--advertise-client-urls", &url])
            .args(["--listen-peer-urls", "http://127.0.0.1:0"])
            // What an operator has to set: without it every change is kept for ever.
            .args([
                "--auto-compaction-mode",
                "periodic",
                "--auto-compaction-retention",
                "5m",
            ])
            .args(["--log-level", "warn"])
            .args(&plan.arguments);
        let etcd = run(lab, etcd, "etcd.log")?;
        let mut proxies = Vec::new();
        for number in 0..plan.proxies {
            let mut proxy = namespace.command("env");
            proxy
                .args(&plan.environment)
                .args(["etcd", "grpc-proxy", "start"])
                .arg(format!("--endpoints={}:{PORT}", ADDRESSES[0]))
                .arg(format!("--listen-addr=0.0.0.0:{}", PROXY_PORT + number));
            proxies.push(run(lab, proxy, &format!("proxy{number}.log"))?);
        }
        Ok(Self { proxies, etcd })
    }

    /// Where a node reaches it.
    pub(super) fn endpoint(plan: &Plan, node: u32) -> String {
        let address = ADDRESSES[node as usize % ADDRESSES.len()];
        let port = match u32::from(plan.proxies) {
            0 => PORT,
            proxies => PROXY_PORT + (node / 2 % proxies) as u16,
        };
        format!("http://{address}:{port}")
    }

    /// A connection of the simulation's own, past all proxies, once etcd answers.
    pub(super) async fn connect(&mut self) -> Result<Client> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.etcd.ended()? {
                bail!("`{}` ended at once: {status}", self.etcd.line());
            }
            let options = ConnectOptions::new().with_connect_timeout(Duration::from_secs(1));
            let endpoint = format!("http://{}:{PORT}", ADDRESSES[0]);
            let mut client = bounded(Client::connect([endpoint], Some(options))).await;
            let answer = match &mut client {
                Ok(client) => bounded(client.status()).await.map(drop),
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            match (client, answer) {
                (Ok(client), Ok(())) => return Ok(client),
                (_, Err(error)) if start.elapsed() > PATIENCE => return Err(error.context("etcd does not answer")),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    pub(super) fn taken(&self) -> Result<Taken> {
        let proxies = self.proxies.iter().map(|proxy| process::cpu_seconds(proxy.pid()));
        Ok(Taken {
            at: Instant::now(),
            cpu_secs: process::cpu_seconds(self.etcd.pid())?,
            proxy_cpu_secs: proxies.sum::<Result<f64>>()?,
            own_cpu_secs: process::cpu_seconds(std::process::id())?,
        })
    }

    pub(super) fn held(&self) -> Result<Held> {
        let mut held = Held {
            rss: process::resident_mib(self.etcd.pid())?,
            anonymous: process::anonymous_mib(self.etcd.pid())?,
            proxy_rss: 0.0,
        };
        for proxy in &self.proxies {
            held.proxy_rss = held.proxy_rss.max(process::resident_mib(proxy.pid())?);
        }
        Ok(held)
    }
}

/// What etcd says of its store.
pub(super) async fn said(client: &mut Client) -> Result<Said> {
    let status = bounded(client.status()).await?;
    Ok(Said {
        version: status.version().to_owned(),
        store_mib: status.db_size() as f64 / MIB,
        revision: status.header().context("a status without a header")?.revision(),
        log_index: status.raft_index(),
    })
}

fn run(lab: &Lab, mut command: Command, log: &str) -> Result<Running> {
    let log = fs::File::create(path(lab, log))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Running::start(lab, command, Manner::default())
}
