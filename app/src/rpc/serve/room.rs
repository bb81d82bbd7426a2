//! The memory that all connections share: for requests that arrive, for answers in the making, and
//! for answers that wait for their clients.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::{Instant, timeout},
};
use tracing::debug;

use super::load::Load;
use crate::rpc::{Limits, RpcError};

/// Requests up to this do not wait for room.
pub(super) const SMALL_REQUEST: usize = 16 * 1024;
/// Those up to this wait for others of the kind, but not for larger ones.
const MEDIUM_REQUEST: usize = 256 * 1024;
/// KiB of requests of each kind that arrive or are being answered.
const MEDIUM_REQUESTS_KIB: usize = 4 * 1024;
const LARGE_REQUESTS_KIB: usize = 12 * 1024;
/// KiB of answers that wait for their clients.
const ANSWERS_KIB: usize = 12 * 1024;
/// Answers up to this need no room: [`Load`] bounds how many of them a connection has.
const SMALL_ANSWER: usize = 4 * 1024;
/// How often who waits for room looks for a client that is late.
const LOOK: Duration = Duration::from_millis(250);

/// Room shared by all connections.
#[derive(Debug)]
pub(super) struct Room {
    websockets: Arc<Semaphore>,
    medium_requests: Arc<Semaphore>,
    large_requests: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    /// Answers that are made, or wait for room: one more than are computed at once.
    turns: Arc<Semaphore>,
    /// Of those, the ones for batches: single calls have one that no batch keeps.
    batches: Arc<Semaphore>,
    connections: Mutex<Vec<Weak<Load>>>,
    /// How long a call waits for its turn, and its answer for room.
    patience: Duration,
}

/// The right to make an answer that may be large, and to wait for its room.
#[derive(Debug)]
pub(super) struct Turn {
    _turn: OwnedSemaphorePermit,
    _batch: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            websockets: semaphore(limits.connections as usize),
            medium_requests: semaphore(MEDIUM_REQUESTS_KIB),
            large_requests: semaphore(LARGE_REQUESTS_KIB),
            answers: semaphore(ANSWERS_KIB),
            turns: semaphore(limits.heavy_calls.saturating_add(1)),
            batches: semaphore(limits.heavy_calls),
            connections: Mutex::default(),
            patience: limits.call_time,
        }
    }

    /// The place of a WebSocket; `None` when there are as many as may be.
    pub(super) fn websocket(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.websockets).try_acquire_owned().ok()
    }

    /// The load of a new connection.
    pub(super) fn connection(&self) -> Arc<Load> {
        let load = Arc::new(Load::default());
        let mut connections = self.connections();
        connections.retain(|load| load.strong_count() > 0);
        connections.push(Arc::downgrade(&load));
        load
    }

    /// Waits for room for a request; `None` for a small one, which needs none.
    pub(super) async fn request(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let (room, all) = if bytes <= MEDIUM_REQUEST {
            (&self.medium_requests, MEDIUM_REQUESTS_KIB)
        } else {
            (&self.large_requests, LARGE_REQUESTS_KIB)
        };
        self.wait(room, kib(bytes, SMALL_REQUEST, all)?, Load::here_by).await
    }

    /// Waits until this connection may have another answer made.
    pub(super) async fn ready(&self, load: &Load) -> Result<(), RpcError> {
        timeout(self.patience, load.has_taken()).await.map_err(|_| RpcError::Overdue)
    }

    /// Waits for the turn of a call on this connection.
    pub(super) async fn turn(&self, load: &Load) -> Result<Turn, RpcError> {
        let turn = async {
            load.has_taken().await;
            let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
            Some(Turn { _turn: turn, _batch: None })
        };
        timeout(self.patience, turn).await.ok().flatten().ok_or(RpcError::Overdue)
    }

    /// Waits for the turn of a batch on this connection.
    pub(super) async fn turn_of_batch(&self, load: &Load) -> Result<Turn, RpcError> {
        let batch = timeout(self.patience, Arc::clone(&self.batches).acquire_owned()).await;
        let batch = batch.map_err(|_| RpcError::Overdue)?.ok();
        Ok(Turn { _batch: batch, ..self.turn(load).await? })
    }

    /// Room for an answer that does not wait for it; `None` for a small one, which needs none.
    pub(super) fn answer_at_once(
        &self,
        bytes: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
        let kib = kib(bytes, SMALL_ANSWER, ANSWERS_KIB);
        kib.map(|kib| Arc::clone(&self.answers).try_acquire_many_owned(kib)).transpose()
    }

    /// Room for an answer that is made; `None` for a small one, which needs none. What waits for
    /// it is in memory already: the answer of a call without a turn takes one, or is given up.
    pub(super) async fn answer(
        &self,
        bytes: usize,
        turn: Option<Turn>,
    ) -> Result<Option<OwnedSemaphorePermit>, RpcError> {
        if let Ok(room) = self.answer_at_once(bytes) {
            return Ok(room);
        }
        let Some(kib) = kib(bytes, SMALL_ANSWER, ANSWERS_KIB) else { return Ok(None) };
        let another = || {
            let turn = Arc::clone(&self.turns).try_acquire_owned().ok()?;
            Some(Turn { _turn: turn, _batch: None })
        };
        let Some(_turn) = turn.or_else(another) else {
            return Err(RpcError::limit("too many answers wait for their clients; ask again"));
        };
        let room = timeout(self.patience, self.wait(&self.answers, kib, Load::taken_by));
        room.await.ok().flatten().map(Some).ok_or(RpcError::Overdue)
    }

    /// Waits for room, and meanwhile cuts off connections that keep theirs longer than is `due`.
    async fn wait(
        &self,
        room: &Arc<Semaphore>,
        kib: u32,
        due: fn(&Load) -> Option<Instant>,
    ) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(room).acquire_many_owned(kib);
        tokio::pin!(room);
        loop {
            match timeout(LOOK, &mut room).await {
                Ok(room) => return room.ok(),
                Err(_) => self.cut_off_the_latest(Instant::now(), due),
            }
        }
    }

    fn cut_off_the_latest(&self, now: Instant, due: fn(&Load) -> Option<Instant>) {
        let connections = self.connections();
        let loads = connections.iter().filter_map(Weak::upgrade);
        let overdue = loads.filter(|load| !load.is_cut_off());
        let overdue = overdue.filter_map(|load| Some((due(&load)?, load)));
        let latest = overdue.filter(|(due, _)| *due < now).min_by_key(|(due, _)| *due);
        if let Some((due, load)) = latest {
            debug!(late = ?now.duration_since(due), "cut off a client: others need its room");
            load.cut_off();
        }
    }

    // A list is whole at any time, so a poisoned lock guards nothing half-done.
    fn connections(&self) -> MutexGuard<'_, Vec<Weak<Load>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permits for so many bytes; `None` for up to `small` of them.
fn kib(bytes: usize, small: usize, all: usize) -> Option<u32> {
    (bytes > small).then(|| u32::try_from(bytes.div_ceil(1024).min(all)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use futures::poll;

    use super::*;

    const LARGE: usize = ANSWERS_KIB * 1024;

    fn room() -> Room {
        let call_time = Duration::from_millis(50);
        Room::new(&Limits { heavy_calls: 1, call_time, ..Limits::default() })
    }

    #[tokio::test]
    async fn for_who_waits_the_latest_client_is_cut_off() {
        let room = room();
        let (slower, slow) = (room.connection(), room.connection());
        for load in [&slower, &slow] {
            load.answered(LARGE / 2, room.answer(LARGE / 2, None).await.unwrap());
        }
        let mut third = Box::pin(room.wait(&room.answers, 1, Load::taken_by));
        assert!(poll!(&mut third).is_pending());
        let now = Instant::now();
        room.cut_off_the_latest(now, Load::taken_by);
        assert!(!slower.is_cut_off(), "it has some time");
        room.cut_off_the_latest(now + Duration::from_secs(60), Load::taken_by);
        assert!(slower.is_cut_off() && !slow.is_cut_off());
        // What it holds goes with its task.
        drop(slower);
        assert!(third.await.is_some());
    }

    #[tokio::test]
    async fn few_answers_wait_for_room() {
        let room = room();
        let held = room.answer(LARGE, None).await.unwrap();
        let mut first = Box::pin(room.answer(LARGE, None));
        let mut second = Box::pin(room.answer(LARGE, None));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert!(matches!(room.answer(LARGE, None).await, Err(RpcError::Limit(_))));
        assert!(room.answer(SMALL_ANSWER, None).await.unwrap().is_none());
        let load = room.connection();
        assert!(matches!(room.turn(&load).await, Err(RpcError::Overdue)), "nothing is made");
        assert!(matches!(first.await, Err(RpcError::Overdue)));
        assert!(matches!(second.await, Err(RpcError::Overdue)));
        let mut third = Box::pin(room.answer(LARGE, None));
        assert!(poll!(&mut third).is_pending());
        drop(held);
        assert!(third.await.unwrap().is_some());
    }
}
