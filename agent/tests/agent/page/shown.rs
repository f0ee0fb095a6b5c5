//! What pages show, how large they are, and what hostile texts do to them: nothing.

use agent::{
    command::Command,
    control::api::{BlockRequest, ModeRequest},
    tables::{AddressCounts, Counts, Mode},
};
use xdp_common::Reason;

use super::{Paged, many, with_token};
use crate::{
    support::{Bench, block, later, noon, order},
    watched::{VICTIM, Watched},
};

#[tokio::test]
async fn an_attack_is_on_every_page_with_what_one_asks_first() {
    let paged = Paged::new().await;
    let calm = paged.get("/").await.text;
    assert!(
        !calm.contains("Under attack") && calm.contains("enforce") | !calm.contains("Mode monitor"),
        "{calm}"
    );
    assert!(
        paged
            .get("/?filter=attack")
            .await
            .text
            .contains("No address is attacked")
    );
    assert!(paged.get("/attacks").await.text.contains("No attack is recorded"));
    paged.lab().go_on(3, Reason::AddressRate, 400_000);
    for path in [
        "/",
        "/address/203.0.113.7",
        "/attacks",
        "/attacks/1",
        "/sources",
        "/lists",
    ] {
        let page = paged.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        for part in [
            "Under attack",
            VICTIM,
            "SYN flood",
            "Safe to put back",
            "drops 400.0k/s",
        ] {
            assert!(page.text.contains(part), "{part} is not on {path}: {}", page.text);
        }
    }
    let attack = paged.get("/attacks/1").await.text;
    for part in ["What happened", "began (syn)", "Customer impact", "<svg"] {
        assert!(attack.contains(part), "{part}: {attack}");
    }
}

#[tokio::test]
async fn monitor_is_loud_and_says_that_nothing_is_done() {
    let paged = Paged::new().await;
    let request = ModeRequest {
        mode: Some(Mode::Monitor),
        ttl: None,
        reason: None,
        ..ModeRequest::default()
    };
    order(&mut paged.lab().engine, Command::SetMode(request), noon()).expect("set");
    paged.lab().go_on(3, Reason::AddressRate, 400_000);
    let page = paged.get("/").await.text;
    for part in [
        "Mode monitor: nothing is dropped",
        "would drop 400.0k/s",
        "Would drop/s",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("drops 400.0k/s"));
}

#[tokio::test]
async fn nothing_that_somebody_writes_becomes_a_part_of_the_page() {
    let paged = Paged::new().await;
    let reason = "<img src=x onerror=alert(1)> \"' \u{202e}desrever\u{200b} </bdi><script>alert(2)</script>";
    let request = BlockRequest {
        reason: Some(reason.to_owned()),
        ..block("192.0.2.200")
    };
    order(&mut paged.lab().engine, Command::Block(request), noon()).expect("blocked");
    paged.lab().go_on(2, Reason::AddressRate, 400_000);
    let hostile = "%3Cscript%3Ealert(3)%3C%2Fscript%3E%22%3E";
    for path in [
        "/lists".to_owned(),
        "/attacks/1".to_owned(),
        format!("/lists?filter={hostile}"),
        format!("/?filter={hostile}"),
        format!("/login?next={hostile}"),
        format!("/address/{hostile}"),
        format!("/?sort={hostile}"),
        format!("/{hostile}"),
    ] {
        let page = paged.get(&path).await.text;
        for part in [
            "<img",
            "<script>",
            "onerror=alert(1)>",
            "\u{202e}",
            "\u{200b}",
            "alert(3)</script>",
        ] {
            assert!(!page.contains(part), "{part:?} is on {path}: {page}");
        }
    }
    let lists = paged.get("/lists").await.text;
    assert!(
        lists.contains("&lt;img src=x") && lists.contains("⟨U+202E⟩desrever⟨U+200B⟩"),
        "{lists}"
    );
}

/// An engine with 4,096 addresses that all have traffic, two minutes of it.
fn full() -> Watched {
    let bench = Bench::default();
    let engine = bench.start(many(), noon()).expect("starts");
    let addresses: Vec<_> = engine.snapshots().borrow().kernel.addresses.keys().copied().collect();
    assert_eq!(addresses.len(), 4_096);
    let mut watched = Watched {
        events: engine.events().subscribe(),
        bench,
        engine,
        counts: [Counts::default(), Counts::default()],
        handshakes: 0,
        now: noon(),
    };
    let mut counts = vec![Counts::default(); addresses.len()];
    for second in 1..=125 {
        for (index, counts) in counts.iter_mut().enumerate() {
            counts.add(
                Reason::Syn,
                10_000 + (index as u64 * 7_919 + second * second * 31) % 90_000,
            );
        }
        let of = |(address, counts): (&std::net::IpAddr, &Counts)| AddressCounts {
            address: Some(*address),
            counts: counts.clone(),
            ..AddressCounts::default()
        };
        let rest = AddressCounts::default();
        watched.bench.kernel.lock().counts = std::iter::once(rest)
            .chain(addresses.iter().zip(&counts).map(of))
            .collect();
        watched.now = later(noon(), second);
        watched.engine.tick(watched.now);
    }
    watched
}

#[tokio::test]
async fn with_4096_addresses_a_page_is_small() {
    let paged = Paged::over(full()).await;
    for path in ["/", "/?sort=syn&page=3", "/?filter=198.18.1"] {
        let page = paged.get(path).await;
        assert!(page.text.contains("addresses</span>"), "{}", page.text);
        assert_eq!(page.text.matches("<tr role=\"row\" data-key=").count(), 50, "{path}");
        assert!(page.text.len() < 200_000, "{path}: {} bytes", page.text.len());
        println!("{path}: {} bytes", page.text.len());
    }
    assert!(paged.get("/").await.text.contains("1–50 of 4,096 addresses"));
    let last = paged.get("/?page=81").await.text;
    assert!(
        last.contains("4051–4096 of 4,096") && !last.contains(">Next<"),
        "{last}"
    );
    assert!(paged.get("/?page=99999").await.text.contains("not so many pages"));
}

#[tokio::test]
async fn what_is_not_there_is_said_with_a_way_on() {
    let paged = Paged::over(Watched::with(with_token(""))).await;
    for (path, status, part) in [
        ("/address/198.51.100.1", 404, "not a protected address"),
        ("/attacks/7", 404, "there is no attack 7"),
        ("/nothing", 404, "no such page"),
        ("/?filter=203.0.113.0%2F99", 400, "203.0.113.0/99"),
    ] {
        let page = paged.get(path).await;
        assert!(
            page.status == status && page.text.contains(part),
            "{path}: {} {}",
            page.status,
            page.text
        );
        assert!(page.text.contains("Back to the overview"), "{path}");
    }
    let none = paged.get("/?filter=nobody").await;
    assert!(none.status == 200 && none.text.contains("fits “"), "{}", none.text);
}
