//! The wish to stop: Ctrl-C at a terminal, SIGTERM from a supervisor.

use tokio::signal::unix::{SignalKind, signal};

/// Ends when the process is asked to stop, so that its children can be stopped first.
pub async fn requested() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return interrupted().await;
    };
    tokio::select! {
        () = interrupted() => {}
        _ = terminate.recv() => {}
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the process by itself.
        std::future::pending::<()>().await;
    }
}
