//! A socket as fast as its client: one that does not read its answers is not read from either, so
//! that its requests wait in its own buffers.

use std::{
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::Sleep,
};

use super::{
    frames::{Frames, Heads, Pass},
    load::Load,
    room::Room,
};
use crate::rpc::Limits;

/// Bytes that are read at once.
const READ: usize = 8 * 1024;
/// Reads after which others get their turn.
const READS: u32 = 4;
/// How often longer an HTTP client may be silent than it may take nothing.
pub(super) const IDLE_STALLS: u32 = 4;

/// A wait for room, and the bytes that it is for.
type Claim = Pin<Box<dyn Future<Output = (usize, Option<OwnedSemaphorePermit>)> + Send>>;

/// A socket that reads no further while its [`Load`] is full or there is no room for its next
/// request, and ends when its client takes nothing for too long or others need its room, or when
/// it asks nothing over HTTP for longer still.
pub(super) struct Paced<S> {
    socket: S,
    load: Arc<Load>,
    room: Arc<Room>,
    request_bytes: usize,
    stall: Duration,
    /// What was read and has not passed.
    input: BytesMut,
    heads: Heads,
    frames: Frames,
    /// Waits for room for a WebSocket's request.
    claim: Option<Claim>,
    /// Reads since others had their turn.
    reads: u32,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs while the client says nothing.
    idle: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) fn new(socket: S, load: Arc<Load>, room: Arc<Room>, limits: &Limits) -> Self {
        Self {
            socket,
            load,
            room,
            request_bytes: limits.request_bytes as usize,
            stall: limits.stall,
            input: BytesMut::new(),
            heads: Heads::default(),
            frames: Frames::default(),
            claim: None,
            reads: 0,
            stalled: None,
            idle: None,
        }
    }

    /// Waits for room, if a WebSocket's request is to have some.
    fn claim(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(claim) = &mut self.claim else { return Poll::Ready(()) };
        let (bytes, room) = ready!(claim.as_mut().poll(cx));
        self.claim = None;
        let before = self.frames.has_room(bytes);
        match room {
            Some(room) if before == 0 => self.load.arrives(bytes, room),
            Some(room) => self.load.arrives_longer(bytes, room),
            None => {}
        }
        Poll::Ready(())
    }

    /// Hands on what may pass of the input.
    fn pass(&mut self, to: &mut ReadBuf<'_>) {
        let most = self.input.len().min(to.remaining());
        let input = self.input.get(..most).unwrap_or_default();
        let pass = if self.load.is_websocket() {
            self.frames.pass(input, self.request_bytes)
        } else {
            Pass { bytes: self.heads.pass(input), room: None }
        };
        to.put_slice(&self.input.split_to(pass.bytes));
        if let Some(bytes) = pass.room {
            let room = Arc::clone(&self.room);
            self.claim = Some(Box::pin(async move { (bytes, room.request(bytes).await) }));
        }
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
        self.load.writer.register(cx.waker());
        if !self.load.is_cut_off() {
            let most = self.stall;
            let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(most)));
            ready!(stalled.as_mut().poll(cx));
            // Nothing is read from it either.
            self.load.cut_off();
        }
        Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> Paced<S> {
    /// Reads more input; nothing at its end.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.reads == READS {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut bytes = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        self.input.extend_from_slice(buffer.filled());
        self.reads = self.reads.saturating_add(1);
        self.idle = None;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.load.reader.register(cx.waker());
        if self.load.is_cut_off() {
            return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
        }
        if self.load.is_full() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        loop {
            ready!(self.claim(cx));
            if self.input.is_empty() {
                match self.fill(cx) {
                    Poll::Ready(Ok(())) if !self.input.is_empty() => {}
                    Poll::Ready(ended) => return Poll::Ready(ended),
                    Poll::Pending => return self.idle(cx),
                }
            }
            self.pass(buffer);
            // Nothing passes while a message waits for its room.
            if self.claim.is_none() || buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
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
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        sync::Semaphore,
    };

    use super::*;
    use crate::rpc::serve::load::{CALLS, Call, UNSENT_BYTES};

    const LONG: Duration = Duration::from_secs(60);

    fn websocket() -> Arc<Load> {
        let load = Arc::new(Load::default());
        load.upgrade(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap());
        load
    }

    fn paced(socket: DuplexStream, load: &Arc<Load>, stall: Duration) -> Paced<DuplexStream> {
        let limits = Limits { stall, ..Limits::default() };
        Paced::new(socket, Arc::clone(load), Arc::new(Room::new(&limits)), &limits)
    }

    #[tokio::test]
    async fn nothing_is_read_while_answers_wait() {
        let (mut client, socket) = duplex(4 * UNSENT_BYTES);
        let load = websocket();
        let mut paced = paced(socket, &load, LONG);
        client.write_all(b"request").await.unwrap();
        load.answered(UNSENT_BYTES + 1, None);
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
        let mut paced = paced(socket, &load, LONG);
        client.write_all(b"x").await.unwrap();
        let mut calls: Vec<Call> = (0..CALLS).map(|_| load.begin(0)).collect();
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
        let mut paced = paced(socket, &websocket(), SHORT);
        let error = paced.write_all(&[0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn only_a_websocket_may_be_idle() {
        let (_client, socket) = duplex(8);
        let mut http = paced(socket, &Arc::default(), SHORT);
        let error = http.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        let (mut client, socket) = duplex(8);
        let mut paced = paced(socket, &websocket(), SHORT);
        let read = tokio::spawn(async move { paced.read_u8().await });
        tokio::time::sleep(SHORT * 2 * IDLE_STALLS).await;
        client.write_all(b"x").await.unwrap();
        assert_eq!(read.await.unwrap().unwrap(), b'x');
    }

    fn permits(room: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        Some(Arc::clone(room).try_acquire_owned().unwrap())
    }

    #[tokio::test]
    async fn room_is_held_until_its_answer_is_taken() {
        let (mut client, socket) = duplex(64);
        let (load, room) = (websocket(), Arc::new(Semaphore::new(2)));
        let mut paced = paced(socket, &load, LONG);
        let size = 2 * UNSENT_BYTES;
        load.answered(size, permits(&room));
        load.answered(size, permits(&room));
        let mut next = Box::pin(load.has_taken());
        assert!(futures::poll!(&mut next).is_pending());
        let mut taken = vec![0; size];
        let one = async { paced.write_all(&vec![0; size]).await };
        let (written, read) = tokio::join!(one, client.read_exact(&mut taken));
        assert!(written.is_ok() && read.is_ok());
        assert_eq!(room.available_permits(), 1, "of the first");
        assert!(load.taken_by().is_some());
        let other = async { paced.write_all(&vec![0; size]).await };
        let (written, read) = tokio::join!(other, client.read_exact(&mut taken));
        assert!(written.is_ok() && read.is_ok());
        assert_eq!(room.available_permits(), 2);
        assert!(load.taken_by().is_none());
        next.await;
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_off_neither_writes_nor_reads() {
        let (_client, socket) = duplex(8);
        let load = websocket();
        let mut paced = paced(socket, &load, LONG);
        load.answered(2 * UNSENT_BYTES, None);
        let write = tokio::spawn(async move {
            let error = paced.write_all(&[0; 16]).await.unwrap_err();
            (error, paced.read_u8().await.unwrap_err())
        });
        tokio::task::yield_now().await;
        assert!(!write.is_finished());
        load.cut_off();
        let (written, read) = write.await.unwrap();
        assert_eq!(written.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(read.kind(), std::io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_large_message_waits_for_room() {
        let (mut client, socket) = duplex(1 << 20);
        let load = websocket();
        let limits = Limits::default();
        let room = Arc::new(Room::new(&limits));
        let mut paced = Paced::new(socket, Arc::clone(&load), Arc::clone(&room), &limits);
        let head = [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        client.write_all(&head).await.unwrap();
        client.write_all(&[7; 1 << 16]).await.unwrap();
        let mut others = Vec::new();
        while let Poll::Ready(claimed) = futures::poll!(Box::pin(room.request(1 << 16))) {
            others.push(claimed);
        }
        let mut taken = [0; 10];
        paced.read_exact(&mut taken[..9]).await.unwrap();
        let early = futures::poll!(Box::pin(paced.read_u8()));
        assert!(early.is_pending(), "the head's last byte waits");
        others.clear();
        let mut message = vec![0; 1 + (1 << 16)];
        paced.read_exact(&mut message).await.unwrap();
        assert_eq!((message[0], message[1 << 16]), (0, 7));
        assert!(load.here_by().is_some());
        let small = load.begin(0);
        assert!(load.here_by().is_some(), "of another request");
        let call = load.begin(1 << 16);
        assert!(load.here_by().is_none(), "it is here");
        drop((small, call));
    }

    #[tokio::test]
    async fn what_follows_a_head_is_read_apart_from_it() {
        let (mut client, socket) = duplex(1 << 10);
        let load = Arc::default();
        let mut paced = paced(socket, &load, LONG);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n\x81\x7f").await.unwrap();
        let mut buffer = [0; 64];
        assert_eq!(paced.read(&mut buffer).await.unwrap(), 18);
        assert_eq!(paced.read(&mut buffer).await.unwrap(), 2);
        drop(client);
        assert_eq!(paced.read(&mut buffer).await.unwrap(), 0);
    }
}
