//! What comes in to the state and what goes out of it.

use std::net::IpAddr;

use ratatui::crossterm::event::KeyEvent;

use super::order::Order;
use crate::control::{
    api::{AddressView, Done, EventView, OverviewQuery, OverviewView, PrefixesView, PreviewView, SourcesView},
    client::ClientError,
};

/// What is asked of the agent again and again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// The part of the list of addresses.
    pub overview: OverviewQuery,
    /// What is looked at besides.
    pub also: Also,
}

/// What is looked at besides the overview.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Also {
    /// Nothing.
    #[default]
    Nothing,
    /// One address.
    Address(IpAddr),
    /// The heaviest sources.
    Sources,
    /// The heaviest prefixes.
    Prefixes,
}

/// The answer to [`Also`].
#[derive(Debug, Clone, PartialEq)]
pub enum Extra {
    /// One address.
    Address(Box<AddressView>),
    /// The heaviest sources.
    Sources(SourcesView),
    /// The heaviest prefixes.
    Prefixes(PrefixesView),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers.
    Away(String),
    /// The agent refuses: what, and the way out.
    Refused(String, Option<String>),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused(refusal.error, refusal.hint),
            other => Self::Away(other.to_string()),
        }
    }
}

/// What comes in.
#[derive(Debug, Clone)]
pub enum Input {
    /// A key.
    Key(KeyEvent),
    /// Pasted text: it goes into a field, or nowhere. It never counts as keys.
    Paste(String),
    /// Columns and rows of the terminal.
    Resize(u16, u16),
    /// Time has passed.
    Tick,
    /// The overview, and what was asked.
    Overview(OverviewQuery, Result<Box<OverviewView>, Trouble>),
    /// What is looked at besides.
    Extra(Also, Result<Extra, Trouble>),
    /// What an order would do.
    Preview(Box<Order>, Result<Box<PreviewView>, Trouble>),
    /// An order was carried out, or was not.
    Done(Box<Order>, Result<Done, Trouble>),
    /// Something happened.
    Happened(Box<EventView>),
    /// The terminal cannot be read any more.
    Deaf,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the agent for this from now on, and at once.
    Watch(Watch),
    /// Ask what an order would do.
    Preview(Box<Order>),
    /// Carry it out.
    Act(Box<Order>),
    /// Give the terminal back to the shell until it lets us go on.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// End.
    Quit,
}
