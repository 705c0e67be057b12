//! The signal that ends a service.

use std::sync::atomic::{AtomicBool, Ordering};

/// Waits for the signal. `is_ending` is set before the log says so: what reads the line and then
/// asks for the readiness gets the answer of a service that ends.
pub async fn stop_signal(is_ending: &AtomicBool) {
    received().await;
    is_ending.store(true, Ordering::Relaxed);
    log::info!("finishing the requests in flight");
}

/// Ctrl-C, or SIGTERM as Kubernetes sends it.
async fn received() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    // Where signals cannot be received, only the end of the process ends the service.
    if interrupt.await.is_err() {
        std::future::pending::<()>().await;
    }
}
