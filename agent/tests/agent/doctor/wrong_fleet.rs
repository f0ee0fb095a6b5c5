//! Fleets whose etcd, files or certificates are not as they should be.

use agent::doctor::facts::{Facts, FleetFacts, FleetFile, Seen};
use jiff::{SignedDuration, Timestamp};

use super::{Row, healthy::healthy, hold, wrong};

fn days(facts: &Facts, days: i64) -> Option<Seen<Timestamp>> {
    Some(Ok(facts.clock.now + SignedDuration::from_hours(24 * days + 1)))
}

/// A fleet with which nothing is wrong.
fn fleet(facts: &mut Facts) -> &mut FleetFacts {
    let file = |key, name: &str, ends| FleetFile {
        key,
        path: format!("/etc/levee/{name}").into(),
        mode: Ok(0o100_600),
        ends,
    };
    let files = vec![
        file("fleet.ca", "ca.pem", days(facts, 400)),
        file("fleet.cert", "cert.pem", days(facts, 20)),
        file("fleet.key", "key.pem", None),
    ];
    facts.fleet.insert(FleetFacts {
        endpoints: vec![
            ("https://etcd1.example:2379".to_owned(), Ok(())),
            ("http://127.0.0.1:2379".to_owned(), Ok(())),
            ("http://[::1]:2379".to_owned(), Ok(())),
        ],
        files,
        password: None,
    })
}

const FLEET: &[Row] = &[
    (
        "nobody answers",
        |f| fleet(f).endpoints[0].1 = Err("connection refused".to_owned()),
        "fleet.etcd",
        "etcdctl --endpoints=https://etcd1.example:2379 endpoint health",
    ),
    (
        "no TLS",
        |f| fleet(f).endpoints[0].0 = "http://etcd1.example:2379".to_owned(),
        "fleet.plain",
        "https://",
    ),
    (
        "no authority",
        |f| {
            let ca = &mut fleet(f).files[0];
            ca.mode = Err("there is no /etc/levee/ca.pem".to_owned());
            ca.ends = None;
        },
        "fleet.file",
        "ls -l /etc/levee/ca.pem",
    ),
    (
        "a file of something else",
        |f| fleet(f).files[1].ends = Some(Err("it holds no certificate (PEM)".to_owned())),
        "fleet.file",
        "openssl x509",
    ),
    (
        "a key for everybody",
        |f| fleet(f).files[2].mode = Ok(0o100_644),
        "fleet.key_open",
        "chmod 600 /etc/levee/key.pem",
    ),
    (
        "a certificate that has ended",
        |f| {
            let end = days(f, -3);
            fleet(f).files[1].ends = end;
        },
        "fleet.certificate",
        "-in /etc/levee/cert.pem",
    ),
    (
        "a certificate that ends soon",
        |f| {
            let end = days(f, 13);
            fleet(f).files[0].ends = end;
        },
        "fleet.certificate",
        "-in /etc/levee/ca.pem",
    ),
    (
        "a password for everybody",
        |f| fleet(f).password = Some("/etc/levee/p can be read by everybody".to_owned()),
        "fleet.password",
        "0600",
    ),
];

#[test]
fn wrong_fleets() {
    hold(FLEET);
}

#[test]
fn a_sound_fleet_has_nothing_wrong() {
    let mut facts = healthy();
    fleet(&mut facts);
    assert_eq!(wrong(&facts), []);
}

#[test]
fn who_may_not_read_the_files_is_told_that_they_were_not_looked_at() {
    let mut facts = healthy();
    fleet(&mut facts).files[2].mode = Err("only root may read /etc/levee/key.pem".to_owned());
    facts.permissions.root = false;
    let found = wrong(&facts);
    let unseen = found
        .iter()
        .find(|finding| finding.check.id == "fleet.file")
        .expect("told");
    assert!(unseen.unseen, "{unseen:?}");
}
