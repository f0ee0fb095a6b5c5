//! Connections, bounded in number, in what they may send, and in the time that they may take: who is slow holds no memory for long.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;

use super::{Ends, router};
use crate::control::server::Handle;

/// Connections at once; who comes then waits in the kernel's queue.
const MOST_CONNECTIONS: usize = 128;
/// Time for the head of a request, also for the next one of a connection that is kept.
const HEAD: Duration = Duration::from_secs(15);
/// Time in which some of an answer must be taken.
const STALL: Duration = Duration::from_secs(20);
/// Bytes of the head of a request, and of an answer that waits to be taken.
const BUFFER: usize = 16 * 1024;
/// Headers of a request.
const MOST_HEADERS: usize = 64;
/// After an error of the listener (no more files) it rests.
const REST: Duration = Duration::from_millis(200);

/// Serves until the task is dropped.
pub async fn serve(listener: TcpListener, handle: Handle) {
    let router = router(handle);
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, remote)) => {
                let Ok(local) = stream.local_addr() else {
                    continue;
                };
                let router = router.clone().layer(Extension(Ends { remote, local }));
                tokio::spawn(async move {
                    answer(stream, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!("page.listen: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router) {
    // An answer is written as a whole; what waits for more only waits.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALL));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    // Whoever went away, or was too slow, is told nothing more.
    if let Err(error) = served.await {
        tracing::debug!("a connection to the page ended: {error}");
    }
}
