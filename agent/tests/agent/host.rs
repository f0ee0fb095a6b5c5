//! The engine and the host's TCP: listeners that come and go, sysctls that are changed and set, sources that are known
//! from before, and a tracepoint that cannot be had.

use crate::support::{Bench, address, config, later, noon, order};
use agent::{
    command::Command,
    control::{api::RungRequest, view},
    engine::Engine,
    host::{Sysctl, TcpFacts},
    tables::{AddressCounts, Excess, Method, Rung, Syncookies},
};

fn look(engine: &mut Engine, tcp: &TcpFacts, secs: u64) {
    engine.look(Ok(Box::new(tcp.clone())), later(noon(), secs));
}

fn warnings(engine: &Engine) -> String {
    engine.snapshots().borrow().warnings.join("\n")
}

fn ports(bench: &Bench) -> Vec<u16> {
    bench.kernel.lock().listeners.keys().map(|(_, port)| *port).collect()
}

#[test]
fn listeners_come_and_go() {
    let mut bench = Bench::default();
    let mut engine = bench.engine();
    let told = bench.kernel.lock().listeners.clone();
    assert_eq!(
        told.keys().collect::<Vec<_>>(),
        [&(address("203.0.113.7"), 80)],
        "203.0.113.8 is not this host's"
    );
    let facts = told[&(address("203.0.113.7"), 80)];
    assert_eq!((facts.mss, facts.window, facts.timestamps), (1_460, 65_160, true));
    let writes = bench.kernel.lock().writes;
    look(&mut engine, &bench.tcp, 1);
    assert_eq!(
        bench.kernel.lock().writes,
        writes,
        "nothing changed, nothing is written"
    );

    let mut more = bench.tcp.listening[0];
    more.port = 443;
    bench.tcp.listening.push(more);
    look(&mut engine, &bench.tcp, 2);
    assert_eq!(ports(&bench), [80, 443]);
    bench.tcp.listening.remove(0);
    look(&mut engine, &bench.tcp, 3);
    assert_eq!(ports(&bench), [443]);
    let view = view::listeners(&engine.snapshots().borrow());
    assert_eq!(view.listeners.len(), 1);
    assert_eq!(view.sysctls["net.ipv4.tcp_timestamps"], "2");
}

#[test]
fn a_full_table_is_told_and_tried_again() {
    let mut bench = Bench::default();
    let mut engine = bench.engine();
    bench.tcp.listening[0].port = 8_080;
    let writes = bench.kernel.lock().writes;
    bench.kernel.lock().fail_at = Some(writes + 2);
    look(&mut engine, &bench.tcp, 1);
    assert!(warnings(&engine).contains("FAKE is full"), "{}", warnings(&engine));
    look(&mut engine, &bench.tcp, 2);
    assert!(!warnings(&engine).contains("FAKE is full"), "{}", warnings(&engine));
    assert_eq!(ports(&bench), [8_080]);
}

#[test]
fn an_address_that_moves_here_is_terminated_here() {
    let mut bench = Bench::default();
    let mut engine = bench.engine();
    let method = |bench: &Bench| bench.kernel.lock().addresses[&address("203.0.113.8")].ladder.method;
    assert_eq!(method(&bench), Method::Challenge);
    bench.tcp.interfaces[1].addresses.push(address("203.0.113.8"));
    look(&mut engine, &bench.tcp, 1);
    assert_eq!(method(&bench), Method::Cookie);
    assert!(bench.kernel.lock().addresses[&address("203.0.113.8")].local);
    assert_eq!(bench.kernel.lock().listeners.len(), 2);
}

#[test]
fn sysctls_changed_behind_our_back_are_followed_and_told() {
    let mut bench = Bench::default();
    let mut engine = bench.engine();
    assert_eq!(warnings(&engine), "");
    bench.tcp.sysctls.timestamps = 1;
    bench.tcp.sysctls.syncookies = Syncookies::Always;
    look(&mut engine, &bench.tcp, 1);
    assert_eq!(bench.kernel.lock().settings.syncookies, Syncookies::Always);
    let facts = bench.kernel.lock().listeners[&(address("203.0.113.7"), 80)];
    assert!(!facts.timestamps);
    let told = warnings(&engine);
    assert!(
        told.contains("net.ipv4.tcp_timestamps was changed behind our back, from 2 to 1"),
        "{told}"
    );
    assert!(told.contains("no window scaling"), "{told}");

    bench.tcp.sysctls.syncookies = Syncookies::Never;
    look(&mut engine, &bench.tcp, 2);
    let state = bench.kernel.lock().addresses[&address("203.0.113.7")];
    assert_eq!(state.ladder.method, Method::Challenge);
    assert!(warnings(&engine).contains("no SYN cookies"), "{}", warnings(&engine));

    bench.tcp.sysctls = crate::support::tcp().sysctls;
    look(&mut engine, &bench.tcp, 3);
    assert_eq!(warnings(&engine), "", "all is as it was");
}

#[test]
fn a_look_that_fails_leaves_what_is_known() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    engine.look(Err("netlink is silent".to_owned()), later(noon(), 1));
    assert!(warnings(&engine).contains("netlink is silent"));
    assert_eq!(ports(&bench), [80]);
    look(&mut engine, &bench.tcp, 2);
    assert_eq!(warnings(&engine), "");
}

/// A host with the kernel's defaults, and a configuration that wants better.
fn to_be_set() -> (Bench, Engine) {
    let mut bench = Bench::default();
    bench.tcp.sysctls.timestamps = 1;
    let engine = bench
        .start(config("[verify]\nset_sysctls = true"), noon())
        .expect("starts");
    (bench, engine)
}

fn set_so_far(bench: &Bench) -> Vec<(Sysctl, u32)> {
    bench.host.sysctls.lock().expect("lock").clone()
}

#[test]
fn sysctls_are_set_in_calm_and_put_back() {
    let (mut bench, mut engine) = to_be_set();
    look(&mut engine, &bench.tcp, 1);
    assert!(
        set_so_far(&bench).is_empty(),
        "the kernel may have sent cookies just now"
    );
    assert!(warnings(&engine).contains("when all is calm"), "{}", warnings(&engine));
    look(&mut engine, &bench.tcp, 3);
    assert_eq!(set_so_far(&bench), [(Sysctl::Timestamps, 2), (Sysctl::Syncookies, 2)]);
    assert!(
        bench.kernel.lock().listeners[&(address("203.0.113.7"), 80)].timestamps,
        "at once"
    );
    bench.tcp.sysctls.timestamps = 2;
    bench.tcp.sysctls.syncookies = Syncookies::Always;
    look(&mut engine, &bench.tcp, 4);
    assert_eq!(warnings(&engine), "");
    assert_eq!(set_so_far(&bench).len(), 2);

    // Another life, and then it is detached.
    drop(engine);
    let mut engine = bench
        .start(config("[verify]\nset_sysctls = true"), later(noon(), 10))
        .expect("starts");
    look(&mut engine, &bench.tcp, 20);
    assert_eq!(set_so_far(&bench).len(), 2, "there is nothing more to set");
    let done = order(&mut engine, Command::Detach, later(noon(), 21)).expect("detached");
    assert_eq!(
        set_so_far(&bench)[2..],
        [(Sysctl::Syncookies, 1), (Sysctl::Timestamps, 1)]
    );
    assert_eq!(
        done.changes,
        ["net.ipv4.tcp_syncookies: 2 -> 1", "net.ipv4.tcp_timestamps: 2 -> 1"]
    );
}

#[test]
fn sysctls_are_not_set_while_anything_goes_on() {
    let (mut bench, mut engine) = to_be_set();
    let why = |engine: &Engine| warnings(engine);
    bench.tcp.cookies_sent = 17;
    look(&mut engine, &bench.tcp, 2);
    bench.tcp.cookies_sent = 18;
    look(&mut engine, &bench.tcp, 4);
    assert!(
        why(&engine).contains("the kernel sent cookies lately"),
        "{}",
        why(&engine)
    );

    let excess = Some(Excess {
        since: later(noon(), 5).mono,
        last: later(noon(), 8).mono,
    });
    bench.kernel.lock().counts = vec![AddressCounts {
        address: Some(address("203.0.113.7")),
        excess,
        ..AddressCounts::default()
    }];
    engine.tick(later(noon(), 9));
    look(&mut engine, &bench.tcp, 10);
    assert!(why(&engine).contains("SYNs are over a rate"), "{}", why(&engine));

    bench.kernel.lock().counts.clear();
    engine.tick(later(noon(), 20));
    let request = RungRequest {
        target: "203.0.113.7".to_owned(),
        rung: Some(Rung::Verify),
        ttl: None,
        reason: None,
        force: false,
        ..RungRequest::default()
    };
    order(&mut engine, Command::SetRung(request), later(noon(), 20)).expect("forced");
    look(&mut engine, &bench.tcp, 21);
    assert!(why(&engine).contains("an address is in verify"), "{}", why(&engine));
    assert!(set_so_far(&bench).is_empty());
}

#[test]
fn what_somebody_sets_back_is_theirs() {
    let (mut bench, mut engine) = to_be_set();
    look(&mut engine, &bench.tcp, 5);
    assert_eq!(set_so_far(&bench).len(), 2);
    bench.tcp.sysctls.syncookies = Syncookies::Always;
    look(&mut engine, &bench.tcp, 6);
    assert_eq!(
        set_so_far(&bench).len(),
        2,
        "timestamps were set back to 1, and stay so"
    );
    assert!(warnings(&engine).contains("from 2 to 1"), "{}", warnings(&engine));
    let done = order(&mut engine, Command::Detach, later(noon(), 7)).expect("detached");
    assert_eq!(done.changes, ["net.ipv4.tcp_syncookies: 2 -> 1"]);
}

#[test]
fn whoever_is_connected_is_known() {
    let bench = Bench::default();
    bench.host.peers.lock().expect("lock").push(address("192.0.2.77"));
    bench.engine();
    let fake = bench.kernel.lock();
    assert_eq!(fake.known, [address("192.0.2.77")]);
    assert!(fake.watches_handshakes);
}

#[test]
fn whoever_stays_connected_stays_known() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    engine.keep_known(&[address("192.0.2.78")], later(noon(), 15));
    assert_eq!(bench.kernel.lock().known, [address("192.0.2.78")]);
}

#[test]
fn without_the_tracepoint_it_protects_and_says_what_is_missing() {
    let bench = Bench::default();
    bench.kernel.lock().refuse_watching = Some("no tracefs here".to_owned());
    let engine = bench.engine();
    assert!(bench.kernel.lock().links.contains_key("eth0"));
    let told = warnings(&engine);
    assert!(
        told.contains("every client must prove itself") && told.contains("no tracefs here"),
        "{told}"
    );
}
