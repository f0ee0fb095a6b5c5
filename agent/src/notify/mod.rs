//! Tells people and other systems what happens: each endpoint of the configuration has its own queue and its own task, so
//! that one that does not answer keeps neither the others nor the engine waiting.
//!
//! `keeper` takes each event from the engine and puts a parcel into the mailbox of everybody who wants it; `postman` takes
//! parcels out of one mailbox and delivers them, by `web` or by `hook`, again and again if need be.

mod again;
mod alert;
mod deliver;
mod hook;
mod keeper;
mod mailbox;
mod message;
mod postman;
mod said;
mod slack;
mod tail;
mod web;

pub use alert::{Alert, Alerts, Ends};
pub use deliver::{Delivery, Failure, deliver};
pub use keeper::{Keeper, Notifier};
pub use mailbox::Mailbox;
pub use message::{Message, Parcel};
pub use web::client;
