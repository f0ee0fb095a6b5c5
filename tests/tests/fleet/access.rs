//! Who may speak with etcd: certificates, passwords, wrong endpoints, and prefixes that are somebody else's.

use agent::tables::ListAction;
use anyhow::{Result, ensure};
use lab::{
    alone,
    certificates::Authority,
    etcd::Settings,
    fleet::{Fleet, PREFIX},
};

const BLOCK: Option<ListAction> = Some(ListAction::Block);

#[test]
fn certificates_let_in_who_has_the_right_ones_and_errors_name_the_key() -> Result<()> {
    let _turn = alone::wait()?;
    let mut authorities = Vec::new();
    let mut fleet = Fleet::prepare(3, |lab| {
        let ours = Authority::new(&lab.path("pki"), "ours")?;
        let server = ours.vouch("server", &["127.0.0.1", "10.77.0.1", "10.77.1.1", "10.77.2.1"])?;
        let settings = Settings {
            tls: Some((server, ours.file().to_owned())),
            ..Settings::default()
        };
        authorities = vec![ours, Authority::new(&lab.path("pki"), "theirs")?];
        Ok(settings)
    })?;
    let [ours, theirs] = &authorities[..] else {
        anyhow::bail!("two authorities")
    };
    let client = ours.vouch("client", &["lb0"])?;
    let foreign = theirs.vouch("foreign", &["lb2"])?;
    let with = |fleet: &Fleet, number: usize, ca: &std::path::Path, pair: &lab::certificates::Pair| {
        let node = &fleet.nodes[number];
        node.configure(&format!(
            "endpoints = [{:?}]\nca = {ca:?}\ncert = {:?}\nkey = {:?}\n",
            node.endpoint("https"),
            pair.cert,
            pair.key
        ))
    };
    with(&fleet, 0, ours.file(), &client)?;
    with(&fleet, 1, theirs.file(), &client)?;
    with(&fleet, 2, ours.file(), &foreign)?;
    for node in &mut fleet.nodes {
        node.start()?;
    }
    fleet.nodes[1].until_warns(&["cut off from etcd", "UnknownIssuer", "fleet.ca"])?;
    fleet.nodes[2].until_warns(&["cut off from etcd", "fleet.cert"])?;
    fleet.decide("192.0.2.0/24", BLOCK, None)?;
    fleet.nodes[0].until_holds("192.0.2.0/24", BLOCK)?;
    fleet.nodes[0].until_content()?;
    ensure!(fleet.nodes[1].held("192.0.2.0/24")?.is_none());

    // New files in the same place are read at the next try, without a reload.
    std::fs::copy(&client.cert, &foreign.cert)?;
    std::fs::copy(&client.key, &foreign.key)?;
    fleet.nodes[2].until_holds("192.0.2.0/24", BLOCK)?;
    fleet.nodes[2].until_content()
}

#[test]
fn passwords_are_asked_for_again_and_wrong_ones_are_told() -> Result<()> {
    let _turn = alone::wait()?;
    let settings = Settings {
        more: vec!["--auth-token-ttl=2".to_owned()],
        ..Settings::default()
    };
    let mut fleet = Fleet::prepare(3, |_| Ok(settings))?;
    fleet.etcd.ask_for_users("levee", "right-password", PREFIX)?;
    fleet.nodes[0].configure("user = \"levee\"\npassword = \"right-password\"\n")?;
    fleet.nodes[1].configure("user = \"levee\"\npassword = \"wrong-password\"\n")?;
    fleet.nodes[2].configure("")?;
    for node in &mut fleet.nodes {
        node.start()?;
    }
    fleet.nodes[1].until_warns(&["cut off from etcd", "fleet.user and fleet.password"])?;
    ensure!(
        !fleet.nodes[1].trouble().contains("wrong-password"),
        "no word of it anywhere"
    );
    fleet.nodes[2].until_warns(&["cut off from etcd", "etcd asks for a user"])?;
    fleet.nodes[0].until_content()?;
    // The token has ended meanwhile, and what is decided is still seen.
    std::thread::sleep(std::time::Duration::from_secs(5));
    fleet.decide("192.0.2.0/24", BLOCK, None)?;
    fleet.nodes[0].until_holds("192.0.2.0/24", BLOCK)?;
    fleet.nodes[0].until_content()?;
    ensure!(fleet.is_there(&fleet.nodes[0])?);
    // Somebody changes users, and with that every token ends.
    fleet.etcd.ctl(&["user", "add", "another:password"])?;
    fleet.decide("192.0.2.0/24", None, None)?;
    fleet.nodes[0].until_holds("192.0.2.0/24", None)?;
    fleet.nodes[0].until_content()
}

#[test]
fn what_is_not_a_fleets_is_left_alone_and_nobody_there_is_told() -> Result<()> {
    let _turn = alone::wait()?;
    let mut fleet = Fleet::prepare(2, |_| Ok(Settings::default()))?;
    fleet.etcd.put("/theirs/config", b"precious")?;
    fleet.nodes[0].configure("prefix = \"/theirs/\"\n")?;
    fleet.nodes[1].configure("endpoints = [\"http://10.77.1.1:1\", \"http://10.77.1.99:2379\"]\n")?;
    for node in &mut fleet.nodes {
        node.start()?;
    }
    fleet.nodes[0].until_warns(&[
        "/theirs/ holds something that is not a fleet's",
        "/theirs/config",
        "fleet.prefix",
    ])?;
    fleet.nodes[1].until_warns(&["cut off from etcd", "http://10.77.1."])?;
    // One endpoint that answers is enough.
    let right = fleet.nodes[1].endpoint("http");
    fleet.nodes[1].configure(&format!("endpoints = [\"http://10.77.1.1:1\", {right:?}]\n"))?;
    fleet.nodes[1].home().ask(&["reload"])?;
    fleet.nodes[1].until_content()?;
    fleet.decide("192.0.2.0/24", BLOCK, None)?;
    fleet.nodes[1].until_holds("192.0.2.0/24", BLOCK)?;
    ensure!(fleet.nodes[0].held("192.0.2.0/24")?.is_none());
    ensure!(fleet.etcd.names("/theirs/")? == ["/theirs/config"]);
    ensure!(fleet.etcd.get("/theirs/config")?.as_deref() == Some("precious"));
    Ok(())
}
