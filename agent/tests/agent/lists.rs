//! Large lists from files and from a web server that misbehaves: what is in force, what is refused, what is told. The server,
//! the files, the state directory and the socket are real; the kernel is a fake.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use agent::{
    clock::Now,
    command::{Command, Message},
    control::{
        access::Access,
        api::{Done, LargeListView, RefreshRequest, StatusView},
        client::{Client, ClientError},
        server::{self, Handle},
        socket,
    },
    feeds::task::Task,
    tables::ListAction,
};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
};

use crate::support::{Bench, config, order};

/// An agent with lists, behind a socket.
struct Running {
    bench: Bench,
    socket: PathBuf,
    engine: mpsc::Sender<Message>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    async fn start(lists: &str) -> Self {
        Self::over(Bench::default(), lists).await
    }

    /// Over what another one left: kernel, ledger and state directory.
    async fn over(bench: Bench, lists: &str) -> Self {
        let mut engine = bench
            .start(config(&with_lists(&bench, lists)), Now::read())
            .expect("starts");
        let socket = bench.directory.path().join("agent.sock");
        let listener = socket::listen(&socket, &Access::new(None, None).expect("no groups"))
            .await
            .expect("listens");
        let (to_engine, mut messages) = mpsc::channel(8);
        let (to_lists, orders) = mpsc::channel(8);
        let task = Task::new(engine.list_heads(), engine.snapshots(), to_engine.clone(), orders);
        let handle = Handle {
            engine: to_engine.clone(),
            lists: to_lists,
            snapshots: engine.snapshots(),
            events: engine.events(),
            notifier: agent::notify::Notifier::default(),
            samples: engine.samples(),
            explainer: crate::explain::nobody(),
            history: engine.history(),
            fleet: mpsc::channel(1).0,
            socket: None,
            access: Access::new(None, None).expect("no groups"),
        };
        let tasks = vec![
            tokio::spawn(async move {
                while let Some(message) = messages.recv().await {
                    engine.answer(message, Now::read());
                }
            }),
            tokio::spawn(task.run()),
            tokio::spawn(async move {
                let _ = server::serve(listener, handle, std::future::pending()).await;
            }),
        ];
        Self {
            bench,
            socket,
            engine: to_engine,
            tasks,
        }
    }

    /// Ends it as a crash does, and gives what it left.
    async fn crash(self) -> Bench {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        std::fs::remove_file(&self.socket).expect("the socket is there");
        self.bench
    }

    async fn reload(&self, lists: &str) -> Done {
        let (sender, answer) = tokio::sync::oneshot::channel();
        let command = Command::Reload(Box::new(config(&with_lists(&self.bench, lists))));
        let order = Box::new(agent::command::Order {
            command,
            actor: "test".to_owned(),
            host: crate::support::host(),
            answer: sender,
        });
        self.engine.send(Message::Order(order)).await.expect("the engine runs");
        answer.await.expect("answers").expect("reloads")
    }

    async fn client(&self) -> Client {
        Client::connect(&self.socket).await.expect("answers")
    }

    async fn lists(&self) -> Vec<LargeListView> {
        self.client().await.get("/v1/lists", &()).await.expect("lists")
    }

    async fn refresh(&self) -> Result<Done, String> {
        self.refresh_only(None).await
    }

    async fn refresh_only(&self, name: Option<&str>) -> Result<Done, String> {
        let request = RefreshRequest {
            name: name.map(str::to_owned),
        };
        let client = self.client().await;
        match client.send_json(Method::POST, "/v1/lists/refresh", &request).await {
            Ok(done) => Ok(done),
            Err(ClientError::Refused(refusal)) => Err(refusal.error),
            Err(error) => panic!("{error}"),
        }
    }

    async fn warnings(&self) -> Vec<String> {
        let status: StatusView = self.client().await.get("/v1/status", &()).await.expect("status");
        status.warnings
    }

    /// Names in the kernel with their IPv4 and IPv6 prefixes.
    fn in_force(&self) -> BTreeMap<String, (u32, u32)> {
        let fake = self.bench.kernel.lock();
        let heads = fake.lists.heads.iter();
        heads.map(|head| (head.name.clone(), (head.v4, head.v6))).collect()
    }

    /// Waits until the kernel has these lists, and everybody is told so.
    async fn until_in_force(&self, wanted: &[(&str, (u32, u32))]) {
        let wanted: BTreeMap<String, (u32, u32)> = wanted
            .iter()
            .map(|(name, counts)| ((*name).to_owned(), *counts))
            .collect();
        for _ in 0..200 {
            let views = self.lists().await;
            let told = |(name, counts): (&String, &(u32, u32))| {
                let view = views.iter().find(|view| view.name == *name);
                view.is_some_and(|view| (view.v4, view.v6) == (u64::from(counts.0), u64::from(counts.1)))
            };
            if self.in_force() == wanted && wanted.iter().all(told) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "wanted {wanted:?}, in force is {:?}: {:?}",
            self.in_force(),
            self.lists().await
        );
    }
}

fn with_lists(bench: &Bench, lists: &str) -> String {
    format!("[state]\ndirectory = {:?}\n{lists}", bench.directory.path())
}

fn list(name: &str, from: &str, more: &str) -> String {
    format!("[[list]]\nname = {name:?}\nfrom = {from:?}\naction = \"block\"\n{more}\n")
}

/// What the web server does with a request.
#[derive(Clone)]
enum Does {
    Serve(&'static str, String),
    /// Promises more than it sends.
    Truncate(String),
    Hang,
    Refuse,
    /// Sends to itself.
    Redirect,
    /// Zeroes that are much smaller on their way, if one lets them.
    Bomb(Vec<u8>),
}

/// A hundred megabytes of zeroes, squeezed.
fn bomb() -> Vec<u8> {
    let mut squeezed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..100 {
        std::io::Write::write_all(&mut squeezed, &[0; 1 << 20]).expect("into memory");
    }
    squeezed.finish().expect("into memory")
}

/// A web server that does what it is told.
struct Web {
    url: String,
    does: Arc<Mutex<Does>>,
}

impl Web {
    async fn new(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("http://{}/list.txt", listener.local_addr().expect("address"));
        let does = Arc::new(Mutex::new(does));
        let shared = Arc::clone(&does);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let does = shared.lock().expect("lock").clone();
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    let _ = connection.read(&mut request).await;
                    let (status, kind, length, body) = match does {
                        Does::Hang => return tokio::time::sleep(Duration::from_secs(60)).await,
                        Does::Redirect => {
                            let head = "HTTP/1.1 302 Found\r\nlocation: /list.txt\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                            let _ = connection.write_all(head.as_bytes()).await;
                            return;
                        }
                        Does::Bomb(body) => {
                            let head = format!(
                                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
                                 connection: close\r\n\r\n",
                                body.len()
                            );
                            let _ = connection.write_all(head.as_bytes()).await;
                            let _ = connection.write_all(&body).await;
                            return;
                        }
                        Does::Refuse => ("503 Service Unavailable", "text/plain", 0, String::new()),
                        Does::Serve(kind, body) => ("200 OK", kind, body.len(), body),
                        Does::Truncate(body) => ("200 OK", "text/plain", body.len() + 100, body),
                    };
                    let head = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                    );
                    let _ = connection.write_all(head.as_bytes()).await;
                    let _ = connection.write_all(body.as_bytes()).await;
                });
            }
        });
        Self { url, does }
    }

    fn now(&self, does: Does) {
        *self.does.lock().expect("lock") = does;
    }
}

fn plain(text: &str) -> Does {
    Does::Serve("text/plain", text.to_owned())
}

#[tokio::test]
async fn a_file_is_in_force_and_stays_when_it_is_gone() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("drop.txt");
    std::fs::write(
        &path,
        "198.51.100.0/24 ; private\n198.18.7.9\n2001:db8::/32\n2001:db8::1\n",
    )
    .expect("written");
    let lists = list("drop", path.to_str().expect("text"), "");
    let running = Running::start(&lists).await;
    running.until_in_force(&[("drop", (2, 2))]).await;
    let [view] = &running.lists().await[..] else {
        panic!("one list")
    };
    assert_eq!(
        (view.v4, view.v6, view.packets, view.action),
        (2, 2, 1_001, ListAction::Block)
    );
    assert_eq!((view.invalid, view.conflicts, &view.problem), (Some(0), Some(0), &None));
    assert_eq!(running.warnings().await, [""; 0]);

    std::fs::remove_file(&path).expect("removed");
    let refused = running.refresh().await.expect_err("nothing to read");
    assert!(
        refused.contains("No such file") && refused.contains("stays"),
        "{refused}"
    );
    assert_eq!(running.in_force()["drop"], (2, 2));
    let warnings = running.warnings().await;
    assert!(
        warnings[0].starts_with("list drop: ") && warnings[0].contains("stays"),
        "{warnings:?}"
    );

    // After a reboot: the kernel is empty, and the source is still gone.
    let bench = running.crash().await;
    bench.kernel.lock().lists = agent::tables::ListImage::default();
    let running = Running::over(bench, &lists).await;
    running.until_in_force(&[("drop", (2, 2))]).await;
    std::fs::write(&path, "198.51.100.0/24\n").expect("written");
    let done = running.refresh().await.expect("there again");
    assert_eq!(
        done.changes,
        ["drop: 1 IPv4 and 0 IPv6 prefixes, 0 invalid lines, 0 conflicts"]
    );
    running.until_in_force(&[("drop", (1, 0))]).await;
    assert_eq!(running.warnings().await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_misbehaves_changes_nothing() {
    let web = Web::new(plain("10.0.0.0/8\n11.0.0.0/8\n")).await;
    let running = Running::start(&list("web", &web.url, "timeout = \"1s\"")).await;
    running.until_in_force(&[("web", (2, 0))]).await;
    for (does, wanted) in [
        (Does::Hang, "did not come within 1s"),
        (
            Does::Serve("text/html; charset=utf-8", "10.0.0.0/8\n".to_owned()),
            "a page of HTML",
        ),
        (plain("<!DOCTYPE html>\n<title>Sign in</title>"), "a page of HTML"),
        (Does::Truncate("10.0.0.0/8\n".to_owned()), "cannot be read"),
        (Does::Refuse, "answered 503"),
        (plain(""), "has no prefix"),
        (plain("10.0.0.0/8\nnonsense\n"), "line 2: \"nonsense\""),
        (plain("0.0.0.0/0\n"), "covers every address"),
        (plain("0.0.0.0/1\n"), "57 % of all IPv4 addresses"),
        (plain("2000::/3\n"), "a registry of IPv6 addresses"),
        (Does::Redirect, "again and again"),
        (Does::Bomb(bomb()), "is no text"),
    ] {
        web.now(does);
        let refused = running.refresh().await.expect_err(wanted);
        assert!(
            refused.contains(wanted) && refused.contains("stays"),
            "{wanted}: {refused}"
        );
        assert_eq!(running.in_force()["web"], (2, 0), "{wanted}");
        let [view] = &running.lists().await[..] else {
            panic!("one list")
        };
        assert!(
            view.problem.as_ref().is_some_and(|problem| problem.contains(wanted)),
            "{view:?}"
        );
        assert!(view.age_seconds.is_some() && view.next.is_some(), "{view:?}");
    }
    web.now(plain("{\"cidr\":\"12.0.0.0/8\"}\n"));
    running.refresh().await.expect("sound again");
    running.until_in_force(&[("web", (1, 0))]).await;
}

#[tokio::test]
async fn invalid_lines_are_counted_and_bounded() {
    let web = Web::new(plain("10.0.0.0/8\nnonsense\n11.0.0.0/8\n")).await;
    let running = Running::start(&list("web", &web.url, "max_invalid = 1")).await;
    running.until_in_force(&[("web", (2, 0))]).await;
    let [view] = &running.lists().await[..] else {
        panic!("one list")
    };
    assert_eq!((view.invalid, view.invalid_lines.len()), (Some(1), 1));
    assert!(view.invalid_lines[0].starts_with("line 2: "), "{view:?}");
    web.now(plain("10.0.0.0/8\nnonsense\nmore\n"));
    let refused = running.refresh().await.expect_err("two lines");
    assert!(
        refused.contains("has 2 invalid lines, and max_invalid is 1"),
        "{refused}"
    );
    assert_eq!(running.in_force()["web"], (2, 0));
}

#[tokio::test]
async fn lists_that_do_not_fit_are_refused() {
    let many = |count: u32| {
        (0..count)
            .map(|n| format!("10.{}.{}.1\n", n >> 8, n & 255))
            .collect::<String>()
    };
    let (one, two) = (Web::new(plain(&many(600))).await, Web::new(plain(&many(400))).await);
    let limits = "[limits]\nlist_prefixes = 1000\n";
    let lists = format!("{limits}{}{}", list("one", &one.url, ""), list("two", &two.url, ""));
    let running = Running::start(&lists).await;
    running.until_in_force(&[("one", (600, 0)), ("two", (400, 0))]).await;
    two.now(plain(&many(401)));
    let refused = running.refresh().await.expect_err("one too many");
    assert!(
        refused.contains("has 401 prefixes, with the 600 of all other lists more than limits.list_prefixes (1000)"),
        "{refused}"
    );
    assert_eq!(running.in_force()["two"], (400, 0));
    // The kernel itself refuses: the version before stays, and it is told.
    two.now(plain(&many(300)));
    let writes = running.bench.kernel.lock().writes;
    running.bench.kernel.lock().fail_at = Some(writes + 1);
    let refused = running.refresh_only(Some("two")).await.expect_err("the kernel says no");
    assert!(refused.contains("FAKE is full"), "{refused}");
    assert_eq!(running.in_force()["two"], (400, 0));
    let refused = running.refresh_only(Some("three")).await.expect_err("no such list");
    assert!(refused.contains("there is no list three"), "{refused}");
    running.refresh().await.expect("the kernel says yes");
    running.until_in_force(&[("one", (600, 0)), ("two", (300, 0))]).await;
}

#[tokio::test]
async fn reloads_bring_lists_and_take_them() {
    let (one, two) = (
        Web::new(plain("10.0.0.0/8\n")).await,
        Web::new(plain("10.0.0.0/8\n11.0.0.0/8\n")).await,
    );
    let first = list("one", &one.url, "");
    let running = Running::start(&first).await;
    running.until_in_force(&[("one", (1, 0))]).await;
    let allow = list("two", &two.url, "").replace("block", "allow");
    let done = running.reload(&format!("{first}{allow}")).await;
    assert!(done.changes[0].starts_with("list: + two (allow http://"), "{done:?}");
    running.until_in_force(&[("one", (1, 0)), ("two", (2, 0))]).await;
    let conflicts: Vec<_> = running.lists().await.iter().map(|list| list.conflicts).collect();
    assert_eq!(conflicts, [Some(0), Some(1)], "the list that stands first decides");
    let numbers = |running: &Running| {
        let fake = running.bench.kernel.lock();
        fake.lists
            .heads
            .iter()
            .map(|head| (head.name.clone(), head.number))
            .collect::<BTreeMap<_, _>>()
    };
    let before = numbers(&running);
    running.reload(&format!("{allow}{first}")).await;
    for _ in 0..100 {
        if running
            .lists()
            .await
            .iter()
            .map(|list| list.conflicts)
            .eq([Some(0), Some(1)])
            && running.lists().await[0].name == "two"
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(running.lists().await[0].name, "two");
    assert_eq!(numbers(&running), before, "a list keeps its number, and so its counter");
    running.reload(&allow).await;
    running.until_in_force(&[("two", (2, 0))]).await;
    running.reload("").await;
    running.until_in_force(&[]).await;
    let refused = running.refresh().await.expect_err("no lists");
    assert!(refused.contains("no lists"), "{refused}");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_for_too_long_ends() {
    let web = Web::new(plain("10.0.0.0/8\n")).await;
    let running = Running::start(&list("web", &web.url, "ttl = \"2s\"\ntimeout = \"1s\"")).await;
    running.until_in_force(&[("web", (1, 0))]).await;
    assert!(
        running.bench.kernel.lock().lists.heads[0].until.is_some(),
        "the kernel knows the end"
    );
    web.now(Does::Hang);
    running.until_in_force(&[]).await;
    let warnings = running.warnings().await;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("list web has ended at ")),
        "{warnings:?}"
    );
    web.now(plain("10.0.0.0/8\n"));
    running.refresh().await.expect("there again");
    running.until_in_force(&[("web", (1, 0))]).await;
}

#[tokio::test]
async fn what_a_list_blocks_of_ours_is_told() {
    let web = Web::new(plain("203.0.113.0/29\n")).await;
    let running = Running::start(&list("web", &web.url, "")).await;
    running.until_in_force(&[("web", (1, 0))]).await;
    let mut warnings = running.warnings().await;
    for _ in 0..20 {
        if !warnings.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        warnings = running.warnings().await;
    }
    assert_eq!(
        warnings,
        ["list web: it blocks 203.0.113.7, an address of ours: `agent allow-ip 203.0.113.7` lets it in"]
    );
}

/// A kernel that holds a list of which nothing was kept: a table without it is not made before it was read.
#[tokio::test]
async fn what_the_kernel_holds_is_not_taken_out_before_it_was_read() {
    let (one, two) = (
        Web::new(plain("10.0.0.0/8\n")).await,
        Web::new(plain("11.0.0.0/8\n")).await,
    );
    let lists = format!(
        "{}{}",
        list("one", &one.url, "timeout = \"1s\""),
        list("two", &two.url, "")
    );
    let running = Running::start(&lists).await;
    running.until_in_force(&[("one", (1, 0)), ("two", (1, 0))]).await;
    running.refresh().await.expect("both are up");
    let bench = running.crash().await;
    std::fs::remove_dir_all(bench.directory.path().join("lists")).expect("the kept versions");
    one.now(Does::Hang);
    two.now(plain("11.0.0.0/8\n12.0.0.0/8\n"));
    let running = Running::over(bench, &lists).await;
    running.refresh().await.expect_err("one is down");
    running.until_in_force(&[("one", (1, 0)), ("two", (1, 0))]).await;
    one.now(plain("10.0.0.0/8\n"));
    running.refresh().await.expect("both are up");
    running.until_in_force(&[("one", (1, 0)), ("two", (2, 0))]).await;
}

/// The engine alone: an update after `detach` is refused, and the warning tells of what is wrong.
#[test]
fn after_detach_lists_are_refused() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Detach, Now::read()).expect("detaches");
    let (answer, mut told) = tokio::sync::oneshot::channel();
    engine.update_lists(
        agent::command::ListUpdate {
            image: Some(Arc::default()),
            states: Vec::new(),
            answer,
        },
        Now::read(),
    );
    assert!(told.try_recv().expect("answered").is_err());
}
