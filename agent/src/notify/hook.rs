//! A parcel by a command: our JSON on its standard input, an environment of its own, a time limit. When the command ends, or
//! its time does, everything that it left in its process group ends with it.

use std::{collections::BTreeMap, process::Stdio, sync::Arc};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    sync::Mutex,
    task::{JoinHandle, spawn_blocking},
    time::{Duration, timeout},
};

use super::{
    deliver::{Delivery, Failure},
    message::Parcel,
    tail::Tail,
};
use crate::config::{
    notify::Endpoint,
    secret::{Scrubber, Secret},
};

/// Where a hook finds programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Bytes of its output that are kept.
const KEPT: usize = 4_096;
/// Lines of it that are told.
const LINES: usize = 5;
/// When the group is gone, so are the pipes: what is in them is read within this.
const REST: Duration = Duration::from_millis(500);

/// Runs the command for a parcel.
pub(super) async fn run(
    endpoint: &Endpoint,
    command: &[String],
    environment: &BTreeMap<String, Secret>,
    parcel: &Parcel,
) -> Result<Delivery, Failure> {
    let mut scrubber = Scrubber::default();
    let mut input = serde_json::to_vec(&*parcel.message).map_err(|error| Failure::lasting(error.to_string()))?;
    input.push(b'\n');
    let mut child = start(command, environment, parcel, &mut scrubber)?;
    let (Some(mut group), Some(mut stdin)) = (Group::of(&child), child.stdin.take()) else {
        return Err(Failure::passing("ended before it began"));
    };
    let said = Ear::on(child.stderr.take());
    let printed = Ear::on(child.stdout.take());
    // A hook that does not read its input is no failure; one that is not read to the end does not hold anybody up.
    let feeding = tokio::spawn(async move {
        let _ = stdin.write_all(&input).await;
    });
    let ended = timeout(endpoint.timeout, group.leader_ends()).await;
    group.kill();
    feeding.abort();
    let status = child.wait().await;
    group.reaped = true;
    let (said, printed) = (said.lines().await, printed.lines().await);
    let words = scrubber.clean(if said.is_empty() { &printed } else { &said });
    let with = |what: String| {
        if words.is_empty() {
            what
        } else {
            format!("{what}: {words}")
        }
    };
    match (ended, status) {
        (Err(_), _) => {
            let within = humantime::format_duration(endpoint.timeout);
            Err(Failure::passing(with(format!(
                "did not end within {within} and was killed"
            ))))
        }
        (Ok(_), Ok(status)) if status.success() => Ok(Delivery {
            answer: with("ended well".to_owned()),
        }),
        (Ok(_), Ok(status)) => Err(Failure::passing(with(format!("failed with {status}")))),
        (Ok(_), Err(error)) => Err(Failure::passing(format!("cannot be waited for: {error}"))),
    }
}

fn start(
    command: &[String],
    environment: &BTreeMap<String, Secret>,
    parcel: &Parcel,
    scrubber: &mut Scrubber,
) -> Result<Child, Failure> {
    let [program, arguments @ ..] = command else {
        return Err(Failure::lasting("has no command"));
    };
    let message = &*parcel.message;
    let mut hook = Command::new(program);
    hook.args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LEVEE_EVENT", &message.event)
        .env(
            "LEVEE_SUBJECT",
            message.subject.map(|subject| subject.to_string()).unwrap_or_default(),
        )
        .env(
            "LEVEE_ATTACK",
            message.attack.map(|number| number.to_string()).unwrap_or_default(),
        )
        .env("LEVEE_TEST", if message.test { "1" } else { "" })
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for (name, secret) in environment {
        let value = secret.read().map_err(Failure::passing)?;
        scrubber.hide(&value);
        hook.env(name, value);
    }
    hook.spawn()
        .map_err(|error| Failure::passing(format!("{program} cannot be started: {error}")))
}

/// The hook's process group. Its leader is not reaped before the group was killed: until then nobody else can get its number.
struct Group {
    leader: Pid,
    reaped: bool,
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
        }
    }
}

impl Group {
    fn of(child: &Child) -> Option<Self> {
        let leader = Pid::from_raw(i32::try_from(child.id()?).ok()?);
        Some(Self { leader, reaped: false })
    }

    /// Resolves when the leader has ended, and leaves it to be reaped.
    async fn leader_ends(&self) {
        let leader = self.leader;
        let waiting = spawn_blocking(move || {
            while waitid(Id::Pid(leader), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        });
        // A runtime that stops takes the hook with it (see `drop`).
        let _ = waiting.await;
    }

    fn kill(&self) {
        // Nobody left in it is what is wanted.
        let _ = killpg(self.leader, Signal::SIGKILL);
    }
}

/// What reads one of the hook's outputs, to the end so that it never stands still, and keeps the last of it.
struct Ear {
    tail: Arc<Mutex<Tail>>,
    listening: JoinHandle<()>,
}

impl Ear {
    fn on(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let tail = Arc::new(Mutex::new(Tail::of(KEPT)));
        let shared = Arc::clone(&tail);
        let listening = tokio::spawn(async move {
            let Some(mut stream) = stream else { return };
            let mut buffer = [0; 4_096];
            while let Ok(count) = stream.read(&mut buffer).await
                && count > 0
            {
                shared.lock().await.push(&buffer[..count]);
            }
        });
        Self { tail, listening }
    }

    /// The last lines. Who left the group may hold the pipe for ever: it is not waited for.
    async fn lines(mut self) -> String {
        let _ = timeout(REST, &mut self.listening).await;
        self.listening.abort();
        self.tail.lock().await.lines(LINES)
    }
}
