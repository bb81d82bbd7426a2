//! What a connection has asked for and not yet taken. A client that does not read its answers is
//! not read from either, so that its requests wait in its own buffers.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Sleep,
};

/// Calls that one WebSocket may have under way.
const CALLS: usize = 8;
/// Bytes of answers that may wait for a WebSocket's client before its next request is read.
const UNSENT_BYTES: usize = 256 * 1024;
/// How often longer an HTTP client may be silent than it may take nothing.
const IDLE_STALLS: u32 = 4;

/// The load of one connection.
#[derive(Debug)]
pub(super) struct Load {
    calls: AtomicUsize,
    unsent: AtomicUsize,
    reader: AtomicWaker,
    sent: Notify,
    /// Held by its one call with a large answer.
    large: Arc<Semaphore>,
    /// What its answers keep until the client has taken them.
    held: Mutex<Vec<OwnedSemaphorePermit>>,
    /// Its place among the WebSockets, where it is one.
    websocket: OnceLock<OwnedSemaphorePermit>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            calls: AtomicUsize::new(0),
            unsent: AtomicUsize::new(0),
            reader: AtomicWaker::new(),
            sent: Notify::new(),
            large: Arc::new(Semaphore::new(1)),
            held: Mutex::default(),
            websocket: OnceLock::new(),
        }
    }
}

/// The right to make an answer that may be large.
#[derive(Debug)]
pub(super) struct Turn {
    /// Of this connection's calls, one at a time.
    _own: Option<OwnedSemaphorePermit>,
    /// Of all connections, a few at a time.
    slot: Option<OwnedSemaphorePermit>,
}

impl Load {
    /// The connection becomes a WebSocket, which keeps `permit` until it ends.
    pub(super) fn upgrade(&self, permit: OwnedSemaphorePermit) {
        // A connection is upgraded once.
        drop(self.websocket.set(permit));
    }

    /// Whether the connection is a WebSocket.
    pub(super) fn is_websocket(&self) -> bool {
        self.websocket.get().is_some()
    }

    /// Waits until the client has taken its earlier answers, and then for one of the `slots`.
    pub(super) async fn turn(&self, slots: &Arc<Semaphore>) -> Turn {
        let own = Arc::clone(&self.large).acquire_owned().await.ok();
        loop {
            let sent = self.sent.notified();
            if !self.is_websocket() || self.unsent.load(Ordering::Relaxed) <= UNSENT_BYTES {
                break;
            }
            sent.await;
        }
        Turn { _own: own, slot: Arc::clone(slots).acquire_owned().await.ok() }
    }

    /// Keeps the slot until the client has taken its answers.
    pub(super) fn hold(&self, turn: Turn) {
        self.held().extend(turn.slot);
        self.release();
    }

    fn release(&self) {
        if self.unsent.load(Ordering::Relaxed) <= UNSENT_BYTES {
            self.held().clear();
        }
    }

    // A list of permits is whole at any time, so a poisoned lock guards nothing half-done.
    fn held(&self) -> MutexGuard<'_, Vec<OwnedSemaphorePermit>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins.
    pub(super) fn begin(self: &Arc<Self>) -> Call {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Call(Arc::clone(self))
    }

    /// HTTP takes one request at a time by itself.
    fn is_full(&self) -> bool {
        self.is_websocket()
            && (self.calls.load(Ordering::Relaxed) >= CALLS
                || self.unsent.load(Ordering::Relaxed) > UNSENT_BYTES)
    }

    /// Nobody waits for anything from this connection.
    fn may_end(&self) -> bool {
        !self.is_websocket() && self.calls.load(Ordering::Relaxed) == 0
    }

    fn sent(&self, bytes: usize) {
        let less = |unsent: usize| Some(unsent.saturating_sub(bytes));
        self.unsent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok();
        self.release();
        self.sent.notify_waiters();
        self.reader.wake();
    }
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Call(Arc<Load>);

impl Call {
    /// It has an answer of so many bytes.
    pub(super) fn answered(&self, bytes: usize) {
        self.0.unsent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Its connection.
    pub(super) fn load(&self) -> &Load {
        &self.0
    }
}

impl Turn {
    /// The slot, for an answer that goes out over HTTP.
    pub(super) fn into_slot(self) -> Option<OwnedSemaphorePermit> {
        self.slot
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.0.reader.wake();
    }
}

/// A socket that reads no further while its [`Load`] is full, and ends when its client takes
/// nothing for too long, or asks nothing over HTTP for longer still.
#[derive(Debug)]
pub(super) struct Paced<S> {
    socket: S,
    load: Arc<Load>,
    stall: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs while the client says nothing.
    idle: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) const fn new(socket: S, load: Arc<Load>, stall: Duration) -> Self {
        Self { socket, load, stall, stalled: None, idle: None }
    }

    /// Waits for the client's next bytes, but not for ever for an HTTP client's next request.
    fn idle(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let most = self.stall * IDLE_STALLS;
        loop {
            let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(most)));
            ready!(idle.as_mut().poll(cx));
            if self.load.may_end() {
                return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
            }
            self.idle = None;
        }
    }

    /// Notes what a write did.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<std::io::Result<usize>>,
    ) -> Poll<std::io::Result<usize>> {
        if let Poll::Ready(result) = written {
            self.stalled = None;
            if let Ok(bytes) = &result {
                self.load.sent(*bytes);
            }
            return Poll::Ready(result);
        }
        let most = self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(most)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.load.is_full() {
            self.load.reader.register(cx.waker());
            // It may have changed before the waker was there.
            if self.load.is_full() {
                return Poll::Pending;
            }
        }
        if let Poll::Ready(read) = Pin::new(&mut self.socket).poll_read(cx, buffer) {
            self.idle = None;
            return Poll::Ready(read);
        }
        self.idle(cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        sync::Semaphore,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn websocket() -> Arc<Load> {
        let load = Arc::new(Load::default());
        load.upgrade(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap());
        load
    }

    #[tokio::test]
    async fn nothing_is_read_while_answers_wait() {
        let (mut client, socket) = duplex(4 * UNSENT_BYTES);
        let load = websocket();
        let mut paced = Paced::new(socket, Arc::clone(&load), LONG);
        client.write_all(b"request").await.unwrap();
        load.begin().answered(UNSENT_BYTES + 1);
        let mut buffer = [0; 7];
        let early = futures::poll!(Box::pin(paced.read_exact(&mut buffer)));
        assert!(early.is_pending());
        paced.write_all(&vec![0; UNSENT_BYTES + 1]).await.unwrap();
        paced.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"request");
    }

    #[tokio::test]
    async fn a_call_that_ends_makes_room() {
        let (mut client, socket) = duplex(64);
        let load = websocket();
        let mut paced = Paced::new(socket, Arc::clone(&load), LONG);
        client.write_all(b"x").await.unwrap();
        let mut calls: Vec<Call> = (0..CALLS).map(|_| load.begin()).collect();
        let read = tokio::spawn(async move { paced.read_u8().await });
        tokio::task::yield_now().await;
        assert!(!read.is_finished());
        calls.pop();
        assert_eq!(read.await.unwrap().unwrap(), b'x');
    }

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let (_client, socket) = duplex(8);
        let mut paced = Paced::new(socket, websocket(), SHORT);
        let error = paced.write_all(&[0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn only_a_websocket_may_be_idle() {
        let (_client, socket) = duplex(8);
        let mut http = Paced::new(socket, Arc::default(), SHORT);
        let error = http.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        let (mut client, socket) = duplex(8);
        let mut paced = Paced::new(socket, websocket(), SHORT);
        let read = tokio::spawn(async move { paced.read_u8().await });
        tokio::time::sleep(SHORT * 2 * IDLE_STALLS).await;
        client.write_all(b"x").await.unwrap();
        assert_eq!(read.await.unwrap().unwrap(), b'x');
    }

    #[tokio::test]
    async fn a_large_answer_waits_until_the_last_one_is_taken() {
        let (mut client, socket) = duplex(64);
        let (load, slots) = (websocket(), Arc::new(Semaphore::new(1)));
        let mut paced = Paced::new(socket, Arc::clone(&load), LONG);
        let turn = load.turn(&slots).await;
        load.begin().answered(2 * UNSENT_BYTES);
        load.hold(turn);
        assert_eq!(slots.available_permits(), 0, "it holds its slot");
        let mut next = Box::pin(load.turn(&slots));
        assert!(futures::poll!(&mut next).is_pending());
        let write = async { paced.write_all(&vec![0; 2 * UNSENT_BYTES]).await };
        let mut taken = vec![0; 2 * UNSENT_BYTES];
        let (written, read) = tokio::join!(write, client.read_exact(&mut taken));
        assert!(written.is_ok() && read.is_ok());
        next.await;
    }
}
