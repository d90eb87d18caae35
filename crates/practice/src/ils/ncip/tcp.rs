//! NCIP over raw TCP: one message in, one message out, and the connection stays open until the client ends it, as the old
//! responders do. What HTTP says by a status is said here by ending the connection.

use std::sync::Arc;

use axum::http::StatusCode;
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::wire::Connection;
use super::super::{LARGEST_MESSAGE, Shared};

/// Serves until the ILS stops.
pub(in crate::ils) async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            () = shared.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            // Answers are small and written at once. A socket that refuses the option works all the same.
            let _slower = stream.set_nodelay(true);
            tokio::spawn(serve(stream, Arc::clone(&shared)));
        }
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut waiting = Vec::new();
    let mut piece = vec![0; 8 * 1024];
    loop {
        let ended = |bytes: &[u8]| {
            let tail = bytes.trim_ascii_end();
            tail.ends_with(b"NCIPMessage>") || tail.ends_with(b"NCIPVersionMessage>")
        };
        while !ended(&waiting) {
            let read = tokio::select! {
                () = shared.stopping() => return,
                read = stream.read(&mut piece) => read,
            };
            match read {
                Ok(n) if n > 0 && waiting.len() <= LARGEST_MESSAGE => {
                    waiting.extend_from_slice(piece.get(..n).unwrap_or_default());
                }
                _ => return,
            }
        }
        let connection = Connection::new();
        let going_on = answer(&mut stream, &shared, &connection, &std::mem::take(&mut waiting)).await;
        connection.end();
        if !going_on {
            return;
        }
    }
}

/// Whether the connection goes on.
async fn answer(stream: &mut TcpStream, shared: &Arc<Shared>, connection: &Connection, bytes: &[u8]) -> bool {
    let response = super::message(Arc::clone(shared), connection.clone(), bytes).await;
    if connection.is_cut() || response.status() != StatusCode::OK {
        return false;
    }
    let mut body = response.into_body().into_data_stream();
    while let Some(part) = body.next().await {
        match part {
            Ok(part) if stream.write_all(&part).await.is_ok() => {}
            _ => return false,
        }
    }
    true
}
