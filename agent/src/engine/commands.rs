//! Commands: what they change is decided in `decide/`, and here it is put into force.

use super::Engine;
use crate::{
    clock::Now,
    command::{Command, Order},
    control::api::Done,
    decide::{
        Refusal,
        changes::{Case, Outcome, changes},
    },
    sysctls,
};

impl Engine {
    /// Carries a command out: changes that are in force by now, to be recorded, and the answer.
    pub(super) fn dispatch(&mut self, order: &mut Order, now: Now) -> Outcome {
        if self.detached {
            return Err(Refusal::failed(
                "the program was taken off and this agent is stopping; `agent run` puts it back",
            ));
        }
        let Order {
            command, actor, host, ..
        } = order;
        match command {
            Command::Reload(config) => {
                let config = std::mem::replace(config, Box::new((*self.config).clone()));
                self.reload(*config)
            }
            Command::Detach => self.detach(),
            _ => {
                let case = Case {
                    actor,
                    world: self.world(host, now),
                    config: &self.config,
                    watched: &self.watched,
                };
                let (changes, done) = changes(command, &case)?;
                self.change(&changes)?;
                Ok((changes, done))
            }
        }
    }

    fn detach(&mut self) -> Outcome {
        let interfaces: Vec<String> = self.links.iter().map(|link| link.interface.clone()).collect();
        self.tables.detach_all()?;
        self.detached = true;
        let mut done = detached(&interfaces);
        let put_back = sysctls::put_back(&mut self.ledger, &*self.host, &self.tcp.sysctls);
        done.changes.extend(put_back.changes);
        done.warnings.extend(put_back.warnings);
        Ok((Vec::new(), done))
    }
}

/// The answer to `detach`.
#[must_use]
pub fn detached(interfaces: &[String]) -> Done {
    let from = if interfaces.is_empty() {
        "no interface had it".to_owned()
    } else {
        interfaces.join(", ")
    };
    Done {
        message: format!(
            "Took the program off ({from}) and removed every pin: nothing is protected until `agent run`."
        ),
        warnings: vec![
            "blocks, allows and thresholds stay in the ledger and are put back by the next `agent run`".to_owned(),
        ],
        ..Done::default()
    }
}
