//! When a node is to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::failure::Failure;

/// Becomes true when somebody ends the process in an orderly way, by Ctrl-C or a signal to terminate.
pub(super) fn ending() -> Result<Arc<AtomicBool>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_io().build()?;
    let is_ending = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_ending);
    // Whoever asks finds the handlers in place.
    let (armed, is_armed) = std::sync::mpsc::channel();
    thread::Builder::new()
        .name("uxf-signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                if wait(|| armed.send(()).unwrap_or_default()).await.is_ok() {
                    told.store(true, Ordering::Release);
                }
            });
        })?;
    is_armed.recv().unwrap_or_default();
    Ok(is_ending)
}

#[cfg(unix)]
async fn wait(armed: impl FnOnce()) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    armed();
    core::future::poll_fn(|context| {
        let ends = [&mut terminate, &mut interrupt];
        let mut polls = ends.into_iter().map(|signal| signal.poll_recv(context));
        if polls.any(|poll| poll.is_ready()) {
            core::task::Poll::Ready(Ok(()))
        } else {
            core::task::Poll::Pending
        }
    })
    .await
}

#[cfg(not(unix))]
async fn wait(armed: impl FnOnce()) -> std::io::Result<()> {
    armed();
    tokio::signal::ctrl_c().await
}
