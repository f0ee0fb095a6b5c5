//! Has the kernel tell of interfaces that come, go and change, so that one that was made anew is protected before its first packet
//! where that can be. Who misses something here misses nothing: the engine looks by itself many times a second.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use netlink_packet_core::NetlinkPayload;
use rtnetlink::{
    MulticastGroup,
    packet_route::{
        RouteNetlinkMessage,
        link::{LinkAttribute, LinkMessage},
    },
};
use tokio::sync::{mpsc, watch};

use crate::{command::Message, snapshot::Snapshot};

/// Before it is listened again, where the kernel had more to tell than there was room for.
const AGAIN: Duration = Duration::from_secs(5);

/// Tells the engine whenever something happens to an interface of the configuration, as long as there is an engine.
pub async fn watch(snapshots: watch::Receiver<Arc<Snapshot>>, engine: mpsc::Sender<Message>) {
    loop {
        if let Err(error) = listen(&snapshots, &engine).await {
            tracing::warn!("cannot hear of interfaces that come and go, so they are found at the next poll: {error}");
        }
        if engine.is_closed() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen(snapshots: &watch::Receiver<Arc<Snapshot>>, engine: &mpsc::Sender<Message>) -> std::io::Result<()> {
    let (connection, _handle, mut messages) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
    let driver = tokio::spawn(connection);
    while let Some((message, _)) = messages.next().await {
        let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link)) =
            message.payload
        else {
            continue;
        };
        let is_ours =
            name(&link).is_some_and(|name| snapshots.borrow().config.interfaces.iter().any(|ours| ours == name));
        if is_ours && engine.send(Message::Interfaces).await.is_err() {
            break;
        }
    }
    driver.abort();
    Ok(())
}

fn name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}
