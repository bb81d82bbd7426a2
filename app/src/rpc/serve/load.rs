//! What a connection has asked for and not yet taken, and the room that it keeps meanwhile.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, watch},
    time::Instant,
};

use super::room::SMALL_REQUEST;

/// Calls that one WebSocket may have under way.
pub(super) const CALLS: usize = 8;
/// Bytes of answers that may wait for a WebSocket's client before its next request is read.
pub(super) const UNSENT_BYTES: usize = 32 * 1024;
/// How long what has room may keep it while others wait.
const GRACE: Duration = Duration::from_secs(1);
/// How much longer for each mebibyte of it.
const GRACE_PER_MEBIBYTE: Duration = Duration::from_millis(500);

/// Bytes of a request that are not its parameters: more than any client sends.
const MOST_AROUND: usize = 1024;

/// The load of one connection.
#[derive(Debug, Default)]
pub(super) struct Load {
    calls: AtomicUsize,
    /// Bytes of answers that the client has not taken; changed while `held` is locked.
    unsent: AtomicUsize,
    /// Whoever waits to read from the socket, and to write to it.
    pub(super) reader: AtomicWaker,
    pub(super) writer: AtomicWaker,
    sent: Notify,
    held: Mutex<Held>,
    /// Requests that are not calls yet, oldest first.
    arriving: Mutex<VecDeque<Arriving>>,
    is_cut_off: AtomicBool,
    /// Whether it has a large request or answer under way.
    is_large: watch::Sender<bool>,
    /// Its place among the WebSockets, where it is one.
    websocket: OnceLock<OwnedSemaphorePermit>,
}

/// The room of a request that is not here as a whole.
#[derive(Debug)]
struct Arriving {
    room: OwnedSemaphorePermit,
    due: Instant,
}

/// The time that so many bytes may take while others wait.
fn grace(bytes: usize) -> Duration {
    GRACE_PER_MEBIBYTE.mul_f64(bytes as f64 / f64::from(1 << 20))
}

/// The room of answers that the client has not taken yet.
#[derive(Debug, Default)]
struct Held {
    /// With the bytes of each.
    answers: VecDeque<(usize, OwnedSemaphorePermit)>,
    bytes: usize,
    /// When they should have been taken.
    due: Option<Instant>,
}

impl Held {
    fn add(&mut self, bytes: usize, room: OwnedSemaphorePermit, now: Instant) {
        let due = self.due.map_or(now + GRACE, |due| due.max(now));
        self.due = Some(due + grace(bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        self.answers.push_back((bytes, room));
    }

    /// Lets go of the first answers, as long as the others are all of the `unsent` bytes.
    fn release(&mut self, unsent: usize) {
        while let Some((bytes, _)) = self.answers.front()
            && self.bytes.saturating_sub(*bytes) >= unsent
        {
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.answers.pop_front();
        }
        if self.answers.is_empty() {
            self.due = None;
        }
    }
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

    /// Says whether what it has under way is large: from a request's head, or from its answer, until
    /// the next request's head.
    pub(super) fn set_large(&self, is_large: bool) {
        self.is_large.send_if_modified(|now| mem::replace(now, is_large) != is_large);
    }

    /// Waits until it has something large under way, or no longer.
    pub(super) async fn large(&self, is_large: bool) {
        // It does not end before this.
        drop(self.is_large.subscribe().wait_for(|now| *now == is_large).await);
    }

    /// Waits until a WebSocket's client has taken its earlier answers.
    pub(super) async fn has_taken(&self) {
        loop {
            let sent = self.sent.notified();
            if !self.is_websocket() || self.unsent.load(Ordering::Relaxed) <= UNSENT_BYTES {
                return;
            }
            sent.await;
        }
    }

    /// There is an answer of so many bytes; it keeps its room until the client has taken it.
    pub(super) fn answered(&self, bytes: usize, room: Option<OwnedSemaphorePermit>) {
        let mut held = self.held();
        self.unsent.fetch_add(bytes, Ordering::Relaxed);
        if let Some(room) = room {
            held.add(bytes, room, Instant::now());
        }
    }

    /// When the client should have taken all of its answers that have room.
    pub(super) fn taken_by(&self) -> Option<Instant> {
        self.held().due
    }

    /// A request of so many bytes has room from now on.
    pub(super) fn arrives(&self, bytes: usize, room: OwnedSemaphorePermit) {
        let due = Instant::now() + GRACE + grace(bytes);
        self.arriving().push_back(Arriving { room, due });
    }

    /// The request that is arriving turned out longer and has other room from now on.
    pub(super) fn arrives_longer(&self, bytes: usize, room: OwnedSemaphorePermit) {
        self.arriving().pop_back();
        self.arrives(bytes, room);
    }

    /// When a request that has room should be here as a whole.
    pub(super) fn here_by(&self) -> Option<Instant> {
        self.arriving().front().map(|arriving| arriving.due)
    }

    /// All requests are answered: those that were no calls have their room still.
    pub(super) fn none_arrive(&self) {
        self.arriving().clear();
    }

    // Lists of permits are whole at any time: a poisoned lock guards nothing half-done.
    fn arriving(&self) -> MutexGuard<'_, VecDeque<Arriving>> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection, whatever it waits for.
    pub(super) fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::SeqCst);
        self.reader.wake();
        self.writer.wake();
    }

    /// Whether it was.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::SeqCst)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of so many bytes begins: its request is here, and keeps its room until it ends.
    pub(super) fn begin(self: &Arc<Self>, bytes: usize) -> Call {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let is_large = bytes.saturating_add(MOST_AROUND) > SMALL_REQUEST;
        let arrived = if is_large { self.arriving().pop_front() } else { None };
        Call { load: Arc::clone(self), _room: arrived.map(|arrived| arrived.room) }
    }

    /// HTTP takes one request at a time by itself.
    pub(super) fn is_full(&self) -> bool {
        self.is_websocket()
            && (self.calls.load(Ordering::Relaxed) >= CALLS
                || self.unsent.load(Ordering::Relaxed) > UNSENT_BYTES)
    }

    /// Nobody waits for anything from this connection.
    pub(super) fn may_end(&self) -> bool {
        !self.is_websocket() && self.calls.load(Ordering::Relaxed) == 0
    }

    /// The client took so many bytes.
    pub(super) fn sent(&self, bytes: usize) {
        let mut held = self.held();
        let unsent = self.unsent.load(Ordering::Relaxed).saturating_sub(bytes);
        self.unsent.store(unsent, Ordering::Relaxed);
        held.release(unsent);
        drop(held);
        self.sent.notify_waiters();
        self.reader.wake();
    }
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Call {
    load: Arc<Load>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.load.calls.fetch_sub(1, Ordering::Relaxed);
        self.load.reader.wake();
    }
}
