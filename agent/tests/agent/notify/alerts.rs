//! Alertmanager's side: an alert that lasts is sent again until its attack ends.

use std::time::Duration;

use serde_json::Value;

use super::{
    Telling, attack, ended, notice,
    receiver::{Does, Receiver},
    section,
};
use crate::support::config;

/// The one alert of a request.
fn only(body: &Value) -> &Value {
    let alerts = body.as_array().expect("a list");
    assert_eq!(alerts.len(), 1, "{body}");
    &alerts[0]
}

#[tokio::test]
async fn an_alert_lasts_as_long_as_its_attack() {
    let server = Receiver::new([Does::take()]).await;
    let base = server.url.replace("/hook", "");
    let more = format!("url = {base:?}\nlabels = {{ team = \"network\" }}");
    let mut config = config(&section("pager", "alertmanager", &more));
    config.notify[0].resend = Duration::from_millis(300);
    let telling = Telling::start(config);
    telling.ready(1).await;
    telling.tell(notice("too soft"));
    telling.tell(attack(5));
    // The first, and two by itself.
    let came = server.until(3).await;
    assert!(
        came[0].head.starts_with("POST /api/v2/alerts HTTP/1.1\r\n"),
        "{}",
        came[0].head
    );
    let bodies: Vec<Value> = came.iter().map(super::receiver::Came::json).collect();
    for body in &bodies {
        let alert = only(body);
        assert_eq!(alert["labels"], only(&bodies[0])["labels"], "an alert is its labels");
        assert_eq!(alert["labels"]["alertname"], "LeveeAttack");
        assert_eq!(alert["labels"]["team"], "network");
        assert_eq!(alert["startsAt"], "2025-06-01T11:59:59.75Z");
    }
    let end = |body: &Value| {
        only(body)["endsAt"]
            .as_str()
            .expect("an end")
            .parse::<jiff::Timestamp>()
            .expect("a time")
    };
    assert!(end(&bodies[2]) > end(&bodies[0]), "each post puts the end off");
    telling.tell(ended(5));
    for _ in 0..100 {
        let last = server.came().last().expect("came").json();
        if end(&last) == crate::support::noon().wall {
            let count = server.came().len();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(server.came().len(), count, "what has ended is not sent again");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the alert did not end: {:?}", server.came().last());
}
