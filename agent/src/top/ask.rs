//! Asks the agent in the background, again and again. However slow or dead it is, the view goes on.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    message::{Also, Extra, Input, Trouble, Watch},
    order::Order,
};
use crate::control::{
    api::SourcesQuery,
    client::{Client, ClientError},
};

/// An agent that does not answer for so long does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Something that is done takes longer than a look: it is written to the ledger.
const PATIENCE_TO_ACT: Duration = Duration::from_secs(15);
/// Between two looks at least, however fast somebody types.
const GAP: Duration = Duration::from_millis(100);
/// Sources or prefixes on the screen at most.
const TALKERS: usize = 100;

/// What asks.
pub(super) struct Asker {
    pub(super) socket: PathBuf,
    /// Between two looks.
    pub(super) interval: Duration,
    /// What to look at; a change is looked at at once.
    pub(super) wanted: watch::Receiver<Watch>,
    /// To look now: something happened.
    pub(super) hurry: Arc<Notify>,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl Asker {
    /// Asks until nobody listens any more.
    pub(super) async fn run(mut self) {
        let mut agent = None;
        loop {
            let begun = Instant::now();
            let wanted = self.wanted.borrow_and_update().clone();
            let overview = self.get(&mut agent, "/v1/overview", &wanted.overview).await;
            let answers = overview.is_ok();
            let input = Input::Overview(wanted.overview, overview.map(Box::new));
            if self.inputs.send(input).await.is_err() {
                return;
            }
            if answers && let Some(extra) = self.extra(&mut agent, wanted.also).await {
                let _ = self.inputs.send(Input::Extra(wanted.also, extra)).await;
            }
            tokio::select! {
                () = sleep_until(begun + self.interval) => {}
                () = self.hurry.notified() => {}
                changed = self.wanted.changed() => if changed.is_err() { return },
            }
            sleep_until(begun + GAP).await;
        }
    }

    async fn extra(&self, agent: &mut Option<Client>, also: Also) -> Option<Result<Extra, Trouble>> {
        let some = SourcesQuery { limit: Some(TALKERS) };
        Some(match also {
            Also::Nothing => return None,
            Also::Address(address) => {
                let path = format!("/v1/addresses/{address}");
                self.get(agent, &path, &())
                    .await
                    .map(|view| Extra::Address(Box::new(view)))
            }
            Also::Sources => self.get(agent, "/v1/sources", &some).await.map(Extra::Sources),
            Also::Prefixes => self.get(agent, "/v1/prefixes", &some).await.map(Extra::Prefixes),
        })
    }

    /// One question. An agent that was restarted in between answers on a new connection.
    async fn get<T: DeserializeOwned>(
        &self,
        agent: &mut Option<Client>,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, Trouble> {
        if let Some(client) = agent.take() {
            match timeout(PATIENCE, client.get(path, query)).await {
                Ok(Err(ClientError::Broken { .. })) => {}
                Err(_late) => return Err(late()),
                Ok(answer) => {
                    *agent = Some(client);
                    return answer.map_err(Trouble::from);
                }
            }
        }
        let fresh = async {
            let client = Client::connect(&self.socket).await?;
            let answer = client.get(path, query).await?;
            Ok::<_, ClientError>((client, answer))
        };
        let (client, answer) = timeout(PATIENCE, fresh).await.map_err(|_| late())??;
        *agent = Some(client);
        Ok(answer)
    }
}

fn late() -> Trouble {
    Trouble::Away(format!("no answer within {} s", PATIENCE.as_secs()))
}

/// Asks what an order would do.
pub(super) async fn preview(socket: PathBuf, order: Box<Order>, inputs: mpsc::Sender<Input>) {
    let request = order.preview();
    let asked = async {
        let agent = Client::connect(&socket).await?;
        agent.send_json(reqwest::Method::POST, "/v1/preview", &request).await
    };
    let answer = match timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map(Box::new).map_err(Trouble::from),
        Err(_) => Err(late()),
    };
    let _ = inputs.send(Input::Preview(order, answer)).await;
}

/// Has an order carried out.
pub(super) async fn act(socket: PathBuf, order: Box<Order>, inputs: mpsc::Sender<Input>, hurry: Arc<Notify>) {
    let done = async {
        let agent = Client::connect(&socket).await?;
        order.carry_out(&agent).await
    };
    let outcome = match timeout(PATIENCE_TO_ACT, done).await {
        Ok(outcome) => outcome.map_err(Trouble::from),
        Err(_) => Err(Trouble::Away(format!(
            "no answer within {} s",
            PATIENCE_TO_ACT.as_secs()
        ))),
    };
    let _ = inputs.send(Input::Done(order, outcome)).await;
    hurry.notify_one();
    // What was done shows in the counters of the next second.
    sleep(Duration::from_secs(1)).await;
    hurry.notify_one();
}
