//! Takes parcels out of one mailbox, one after the other, and hands each over.

use std::sync::Arc;

use reqwest::Client;

use super::{again::Backoff, deliver::deliver, mailbox::Mailbox, message::Parcel};

/// Serves a mailbox until the task is dropped.
pub(super) async fn serve(mailbox: Arc<Mailbox>, client: Option<Client>) {
    let mut backoff = Backoff::default();
    loop {
        let parcel = mailbox.next().await;
        hand_over(&mailbox, client.as_ref(), &parcel, &mut backoff).await;
        mailbox.put_down();
    }
}

async fn hand_over(mailbox: &Mailbox, client: Option<&Client>, parcel: &Parcel, backoff: &mut Backoff) {
    let mut attempts = 0;
    loop {
        let endpoint = mailbox.endpoint();
        let Err(failure) = deliver(&endpoint, client, parcel).await else {
            backoff.reset();
            mailbox.delivered(parcel);
            return;
        };
        attempts += 1;
        // What is only said again comes again by itself.
        let last = !failure.again || parcel.is_reminder || attempts > endpoint.retries;
        mailbox.failed(parcel, &failure, last);
        if failure.again {
            // Without random numbers, in step with others, which is no reason to give up.
            let chance = getrandom::u32().unwrap_or(u32::MAX);
            mailbox.pause(backoff.wait(failure.after, chance)).await;
        }
        if last {
            return;
        }
    }
}
