//! The daemon's listener: health and metrics, to be read. Nothing can be changed through them, and they show no person's
//! data. What else is answered, such as the status page, the program passes in.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::health::Health;

/// Who knows what is asked for.
#[async_trait]
pub trait Inside: Send + Sync {
    /// How everything stands. `Err` says why that cannot be told, such as a store that cannot be read.
    async fn health(&self) -> Result<Health, String>;
    /// Whether the scheduler goes round and no run hangs.
    fn alive(&self) -> bool;
    /// The metrics as text.
    fn metrics(&self, health: &Health) -> String;
}

/// Answers until it is told to stop; what is none of its own, by `more`.
///
/// # Errors
/// The listener was lost.
pub async fn serve(
    listener: TcpListener,
    inside: Arc<dyn Inside>,
    more: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(inside)
        .merge(more);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn healthz(State(inside): State<Arc<dyn Inside>>) -> Response {
    if inside.alive() { "ok\n".into_response() } else { refused("the scheduler or a run hangs: see /health") }
}

async fn readyz(State(inside): State<Arc<dyn Inside>>) -> Response {
    match inside.health().await {
        Ok(health) if health.scheduler_alive => "ok\n".into_response(),
        Ok(_) => refused("the scheduler does not go round"),
        Err(why) => refused(&why),
    }
}

async fn health(State(inside): State<Arc<dyn Inside>>) -> Response {
    match inside.health().await {
        Ok(health) => axum::Json(health).into_response(),
        Err(why) => refused(&why),
    }
}

async fn metrics(State(inside): State<Arc<dyn Inside>>) -> Response {
    match inside.health().await {
        Ok(health) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], inside.metrics(&health)).into_response()
        }
        Err(why) => refused(&why),
    }
}

fn refused(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}
