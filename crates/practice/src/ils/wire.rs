//! Connections that can be cut: a listener for axum whose sockets a request handler, or the end of the ILS, can close
//! without a word. Nothing else about HTTP is done here.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A handle on one connection, for the handlers of its requests.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    cut: Arc<AtomicBool>,
    over: CancellationToken,
}

impl Connection {
    /// A handle on a connection that is served without HTTP.
    pub(super) fn new() -> Self {
        Self { cut: Arc::new(AtomicBool::new(false)), over: CancellationToken::new() }
    }

    /// Whether it was cut.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    /// Says that it has ended.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    /// A number that no other connection has while anybody holds a handle on this one.
    pub(super) fn id(&self) -> usize {
        Arc::as_ptr(&self.cut).addr()
    }

    /// Nothing more is sent; the connection ends at the next attempt.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// Waits until the connection has ended, from either side.
    pub(super) async fn gone(&self) {
        self.over.cancelled().await;
    }
}

/// Accepts connections until the ILS stops.
pub(super) struct CuttableListener {
    pub(super) inner: TcpListener,
    pub(super) stop: CancellationToken,
}

/// A socket that ends when it is cut or the ILS stops.
pub(super) struct Cuttable {
    inner: TcpStream,
    connection: Connection,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    stopped: bool,
}

impl Listener for CuttableListener {
    type Io = Cuttable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (inner, from) = Listener::accept(&mut self.inner).await;
        // Answers are small and written at once; waiting to fill a segment would only add 40 ms to each. A socket that
        // refuses the option works all the same.
        let _slower = inner.set_nodelay(true);
        let connection = Connection::new();
        let stop = Box::pin(self.stop.clone().cancelled_owned());
        (Cuttable { inner, connection, stop, stopped: false }, from)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().connection.clone()
    }
}

impl Cuttable {
    fn ended(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        if !self.stopped {
            self.stopped = self.stop.as_mut().poll(cx).is_ready();
        }
        let ended = self.stopped || self.connection.cut.load(Ordering::SeqCst);
        ended.then(|| io::Error::from(io::ErrorKind::ConnectionAborted))
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        self.connection.over.cancel();
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.ended(cx) {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.inner).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.ended(cx) {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.inner).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.ended(cx) {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.inner).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.ended(cx) {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.inner).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
