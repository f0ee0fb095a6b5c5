//! What somebody who knows the token may do: put an address on a rung, block and unblock. Each is shown before it is done, with whom it
//! reaches; what is confirmed is what was shown, and once.

use std::net::IpAddr;

use axum::{
    Extension, Form,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    Ends, Site,
    answer::Failure,
    confirm,
    layout::{self, Shown},
    login::own_path,
    session::{Known, Pending, Said, same},
    view::Nav,
    viewer::{Rights, Viewer, actor},
};
use crate::{
    command::Command,
    config::units::Ttl,
    control::api::{AddressView, BlockAs, BlockRequest, PreviewRequest, RemoveRequest, RungRequest},
    decide::Refusal,
    ladder::Rung,
};

/// Rungs that can be chosen; the last one only where the network above can be asked.
const RUNGS: [(&str, &str); 6] = [
    ("auto", "auto: by itself again"),
    ("observe", "observe: count only"),
    ("limit", "limit: drop what is over its rates"),
    ("verify", "verify: SYNs must prove themselves"),
    ("known", "known: only who was here lately"),
    ("upstream", "upstream: the network above drops it"),
];

/// What a form asks for, before its confirmation.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    form: String,
    what: String,
    target: String,
    #[serde(default)]
    rung: String,
    #[serde(default, rename = "as")]
    block_as: String,
    #[serde(default)]
    ttl: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    back: String,
}

impl Asked {
    /// The command that it stands for. `peer` is who asks, so that they do not lock themselves out.
    fn request(&self, peer: Option<IpAddr>) -> Result<PreviewRequest, Refusal> {
        let target = self.target.trim().to_owned();
        if target.is_empty() {
            return Err(Refusal::invalid("no target was given", "write an address or a prefix"));
        }
        match self.what.as_str() {
            "rung" => Ok(PreviewRequest::Rung(RungRequest {
                target,
                rung: rung(&self.rung)?,
                ttl: self.ttl()?,
                reason: self.reason(),
                force: false,
                scope: None,
                automatic: false,
            })),
            "block" => Ok(PreviewRequest::Block(BlockRequest {
                target,
                ttl: self.ttl()?,
                reason: self.reason(),
                block_as: self.block_as()?,
                all: false,
                force: false,
                ssh_peer: peer,
                scope: None,
                automatic: false,
            })),
            "unblock" => Ok(PreviewRequest::Unblock(RemoveRequest {
                target,
                block_as: self.block_as()?,
                scope: None,
                automatic: false,
            })),
            _ => Err(Refusal::invalid("there is no such action", "go back and choose one")),
        }
    }

    fn ttl(&self) -> Result<Option<Ttl>, Refusal> {
        let text = self.ttl.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let ttl = text.parse().map_err(|error: crate::config::units::UnitError| {
            Refusal::invalid(error.to_string(), "leave it empty for block_ttl of the configuration")
        });
        ttl.map(Some)
    }

    fn reason(&self) -> Option<String> {
        Some(self.reason.trim().to_owned()).filter(|reason| !reason.is_empty())
    }

    fn block_as(&self) -> Result<Option<BlockAs>, Refusal> {
        match self.block_as.as_str() {
            "" => Ok(None),
            "source" => Ok(Some(BlockAs::Source)),
            "destination" => Ok(Some(BlockAs::Destination)),
            _ => Err(Refusal::invalid(
                "a block is as source or as destination",
                "go back and choose one",
            )),
        }
    }
}

fn rung(name: &str) -> Result<Option<Rung>, Refusal> {
    if name == "auto" {
        return Ok(None);
    }
    let found = Rung::ALL.into_iter().find(|rung| rung.name() == name);
    found
        .map(Some)
        .ok_or_else(|| Refusal::invalid("there is no such rung", "go back and choose one"))
}

/// The session of who sends a form; the form must be one of ours.
fn known<'a>(viewer: &'a Viewer, form: &str) -> Result<(&'a Known, &'a str), Failure> {
    match (&viewer.rights, viewer.cookie.as_deref()) {
        (Rights::Acts(known), Some(cookie)) if same(&known.form, form) => Ok((known, cookie)),
        (Rights::Acts(_), _) => {
            let refusal = Refusal::conflict(
                "this form is not of your session",
                "go back, load the page again, and send it again",
            );
            Err(Failure::new(StatusCode::FORBIDDEN, refusal))
        }
        (Rights::ReadOnly(why), _) => {
            let refusal = Refusal::conflict(
                why.clone(),
                "set page.token in the agent's configuration and run `agent reload`",
            );
            Err(Failure::new(StatusCode::FORBIDDEN, refusal))
        }
        (Rights::LoggedOut, _) => {
            let refusal = Refusal::conflict(
                "you are not logged in, or not any more",
                "log in with the token, then try again",
            );
            Err(Failure::new(StatusCode::UNAUTHORIZED, refusal))
        }
    }
}

/// Shows what would be done and whom it reaches, and asks for a confirmation.
pub(super) async fn confirm(
    State(site): State<Site>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
    Form(asked): Form<Asked>,
) -> Result<Response, Failure> {
    let viewer = Viewer::of(&site, &headers, true);
    let (session, cookie) = known(&viewer, &asked.form)?;
    let peer = ends.remote.ip().to_canonical();
    let request = asked.request((!peer.is_loopback()).then_some(peer))?;
    let preview = site
        .handle
        .preview(request.clone(), &actor(session, ends.remote))
        .await?;
    let back = own_path(&asked.back).to_owned();
    let number = site
        .sessions
        .keep(
            cookie,
            Pending {
                request,
                back: back.clone(),
            },
        )
        .ok_or_else(|| Refusal::failed("the confirmation could not be kept"))?;
    let body = confirm::body(&preview, &asked.reason, &session.form, &number, &back);
    let shown = Shown::still("Confirm", Nav::None, body);
    let page = layout::page(&site.snapshot(), &viewer, &shown, &back);
    Ok(Html(page.into_string()).into_response())
}

/// A confirmation.
#[derive(Debug, Deserialize)]
pub(super) struct Confirmed {
    form: String,
    number: String,
}

/// Does what was confirmed, and leads back to where somebody came from.
pub(super) async fn act(
    State(site): State<Site>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
    Form(confirmed): Form<Confirmed>,
) -> Result<Response, Failure> {
    let viewer = Viewer::of(&site, &headers, true);
    let (session, cookie) = known(&viewer, &confirmed.form)?;
    let pending = site.sessions.take(cookie, &confirmed.number).ok_or_else(|| {
        Refusal::conflict(
            "this was confirmed already, or too long ago",
            "look at the page whether it was done, and begin again if it was not",
        )
    })?;
    let answer = site
        .handle
        .order_until_announced(Command::from(pending.request), actor(session, ends.remote))
        .await;
    let said = answer.map_or_else(|refusal| Said::Refused(refusal.to_string()), Said::Done);
    site.sessions.say(cookie, said);
    Ok(Redirect::to(&pending.back).into_response())
}

/// Fields that every form has.
fn hidden(form: &str, what: &str, back: &str) -> Markup {
    html! {
        input type="hidden" name="form" value=(form);
        input type="hidden" name="what" value=(what);
        input type="hidden" name="back" value=(back);
    }
}

/// Lifetime and reason; `key` tells the fields of a page apart.
fn how_long_and_why(key: &str) -> Markup {
    html! {
        div { label for={ "ttl-" (key) } { "How long" }
            input id={ "ttl-" (key) } name="ttl" placeholder="30m, 2h, never" size="14" spellcheck="false" autocomplete="off"; }
        div.grows { label for={ "reason-" (key) } { "Why" }
            input id={ "reason-" (key) } name="reason" placeholder="for colleagues and for the ledger" maxlength="200" autocomplete="off"; }
    }
}

/// What may be done about an address. `asks_above`: the network above can be asked.
pub(super) fn on_address(address: IpAddr, seen: &AddressView, asks_above: bool, viewer: &Viewer) -> Markup {
    let rungs = &RUNGS[..RUNGS.len() - usize::from(!asks_above)];
    let back = format!("/address/{address}");
    let blackholed = seen.line.rung == Rung::Blackhole.name();
    html! {
        section.actions aria-labelledby="act" {
            h2 #act { "Act" }
            @match &viewer.rights {
                Rights::Acts(known) => {
                    p.soft { "Nothing is done before you have seen whom it reaches, and confirmed it." }
                    form method="post" action="/confirm" {
                        (hidden(&known.form, "rung", &back))
                        input type="hidden" name="target" value=(address);
                        div {
                            label for="to-rung" { "Put on a rung" }
                            select #to-rung name="rung" {
                                @for &(value, words) in rungs { option value=(value) selected[value == "verify"] { (words) } }
                            }
                        }
                        (how_long_and_why("rung"))
                        button type="submit" { "Look at it" }
                    }
                    form method="post" action="/confirm" {
                        (hidden(&known.form, if blackholed { "unblock" } else { "block" }, &back))
                        input type="hidden" name="target" value=(address);
                        input type="hidden" name="as" value="destination";
                        div.label { @if blackholed { "Take it out of the blackhole" } @else { "Blackhole it: nothing new gets in" } }
                        @if !blackholed { (how_long_and_why("block")) }
                        button type="submit" { "Look at it" }
                    }
                }
                Rights::LoggedOut => p {
                    a href={ "/login?next=" (layout::encoded(&back)) } { "Log in" } " to put it on a rung or to blackhole it."
                },
                Rights::ReadOnly(_) => p.soft {
                    "This page only shows. On the host: " code { "agent rung " (address) " verify" } ", "
                    code { "agent block-ip " (address) } "."
                },
            }
        }
    }
}

/// What may be done about sources.
pub(super) fn on_lists(viewer: &Viewer) -> Markup {
    html! {
        section.actions aria-labelledby="act" {
            h2 #act { "Block" }
            @match &viewer.rights {
                Rights::Acts(known) => form method="post" action="/confirm" {
                    (hidden(&known.form, "block", "/lists"))
                    div {
                        label for="target" { "Address or prefix" }
                        input #target name="target" required size="20" spellcheck="false" autocomplete="off";
                    }
                    (how_long_and_why("block"))
                    button type="submit" { "Look at it" }
                },
                Rights::LoggedOut => p { a href="/login?next=/lists" { "Log in" } " to block and to unblock." },
                Rights::ReadOnly(_) => p.soft {
                    "This page only shows. On the host: " code { "agent block-ip ADDR" } ", " code { "agent unblock-ip ADDR" } "."
                },
            }
        }
    }
}

/// The button that takes a block back; nothing for who may not.
pub(super) fn unblock(target: &str, block_as: &str, viewer: &Viewer) -> Markup {
    html! { @if let Some(form) = viewer.form() {
        form method="post" action="/confirm" {
            (hidden(form, "unblock", "/lists"))
            input type="hidden" name="target" value=(target);
            input type="hidden" name="as" value=(block_as);
            button.small type="submit" aria-label={ "Unblock " (target) } { "Unblock" }
        }
    } }
}
