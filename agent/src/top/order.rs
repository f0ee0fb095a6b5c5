//! What can be done from here, as the control socket takes it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    config::{prefix, units::Ttl},
    control::{
        api::{BlockAs, BlockRequest, Done, PreviewRequest, RemoveRequest, RungRequest},
        client::{Client, ClientError},
    },
    tables::Rung,
};

/// Whom an order is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One of our addresses.
    Address(IpAddr),
    /// A source or a prefix of sources.
    Source(IpNet),
}

impl Target {
    /// As it is written on the command line.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Source(net) => prefix::display(net),
        }
    }

    const fn block_as(self) -> BlockAs {
        match self {
            Self::Address(_) => BlockAs::Destination,
            Self::Source(_) => BlockAs::Source,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// To a rung; `None` to let it take its rung by itself again.
    Rung(Option<Rung>),
    /// Blackhole an address, or drop what a source sends.
    Block,
    /// Take that back.
    Unblock,
}

/// An order, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Whom it is about.
    pub target: Target,
    /// What is to be done.
    pub deed: Deed,
    /// For how long; `block_ttl` of the configuration when left out.
    pub ttl: Option<Ttl>,
    /// Why.
    pub reason: Option<String>,
    /// From where the operator is logged in, so that they do not lock themselves out.
    pub ssh_peer: Option<IpAddr>,
}

impl Order {
    /// The word that a person types to have it done.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match (self.deed, self.target) {
            (Deed::Rung(None), _) => "auto",
            (Deed::Rung(Some(rung)), _) => rung.name(),
            (Deed::Block, Target::Address(_)) => "blackhole",
            (Deed::Block, Target::Source(_)) => "block",
            (Deed::Unblock, _) => "unblock",
        }
    }

    /// As the control socket's preview takes it.
    #[must_use]
    pub fn preview(&self) -> PreviewRequest {
        match self.deed {
            Deed::Rung(rung) => PreviewRequest::Rung(self.rung(rung)),
            Deed::Block => PreviewRequest::Block(self.block()),
            Deed::Unblock => PreviewRequest::Unblock(self.unblock()),
        }
    }

    /// Has the agent carry it out.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn carry_out(&self, agent: &Client) -> Result<Done, ClientError> {
        match self.deed {
            Deed::Rung(rung) => {
                agent
                    .send_json(reqwest::Method::PUT, "/v1/rungs", &self.rung(rung))
                    .await
            }
            Deed::Block => {
                agent
                    .send_json(reqwest::Method::POST, "/v1/blocks", &self.block())
                    .await
            }
            Deed::Unblock => agent.delete("/v1/blocks", &self.unblock()).await,
        }
    }

    fn rung(&self, rung: Option<Rung>) -> RungRequest {
        RungRequest {
            target: self.target.text(),
            rung,
            ttl: self.ttl,
            reason: self.reason.clone(),
            force: false,
            scope: None,
            automatic: false,
        }
    }

    fn block(&self) -> BlockRequest {
        BlockRequest {
            target: self.target.text(),
            ttl: self.ttl,
            reason: self.reason.clone(),
            block_as: Some(self.target.block_as()),
            all: false,
            force: false,
            ssh_peer: self.ssh_peer,
            scope: None,
            automatic: false,
        }
    }

    fn unblock(&self) -> RemoveRequest {
        RemoveRequest {
            target: self.target.text(),
            block_as: Some(self.target.block_as()),
            scope: None,
            automatic: false,
        }
    }
}
