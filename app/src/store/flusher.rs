//! The thread that keeps the tables within reach of the tip.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use mooring_stf::Fault;
use mooring_trie::StateTrie;

use super::block::Layer;
use super::chain::Chain;
use super::flush::Job;
use super::view::Base;
use super::{Shared, recover};
use crate::log::in_words;

/// What the thread is asked for, and how it went.
#[derive(Debug, Default)]
struct State {
    /// Somebody committed since it last looked.
    is_called: bool,
    is_stopping: bool,
    /// Why it ended, in words.
    failed: Option<String>,
}

/// The calls between the committing thread and the flushing one.
#[derive(Debug, Default)]
pub(super) struct Signals {
    state: Mutex<State>,
    changed: Condvar,
}

impl Signals {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        self.changed
            .wait_while(state, |state| !until(state))
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that there may be something to do.
    pub(super) fn call(&self) {
        self.set(|state| state.is_called = true);
    }

    /// The failure that ended the thread, if one did.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.lock().failed.clone().map_or(Ok(()), |why| Err(Fault::new(why)))
    }

    /// Waits until `is_enough` or the thread has failed. The thread tells after each flush.
    pub(super) fn wait_until(&self, is_enough: impl Fn() -> bool) -> Result<(), Fault> {
        let state = self.wait(self.lock(), |state| is_enough() || state.failed.is_some());
        state.failed.clone().map_or(Ok(()), |why| Err(Fault::new(why)))
    }
}

/// Blocks that the tables have taken in, and the tables as they were before, until nobody reads
/// them. To free what they alone hold takes about as long as it took to make it: the flushing
/// thread does that, not whoever lets go of them last, which could be the next block.
#[derive(Debug, Default)]
pub(super) struct Retired {
    layers: Vec<Arc<Layer>>,
    bases: Vec<Arc<Base>>,
}

impl Retired {
    fn take_in(&mut self, job: Job) {
        self.layers.extend(job.layers);
        self.bases.push(job.base);
    }

    /// Frees what nobody else holds.
    fn free(&mut self) {
        self.layers.retain(|layer| Arc::strong_count(layer) > 1);
        self.bases.retain(|base| Arc::strong_count(base) > 1);
    }
}

/// The running thread; it ends, after the flush it is at, when this is dropped.
#[derive(Debug)]
pub(super) struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("flush".to_owned()).spawn(move || run(&own));
        Ok(Self { shared, thread: Some(thread?) })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.signals.set(|state| state.is_stopping = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the flushing thread panicked");
        }
    }
}

fn run(shared: &Shared) {
    if let Err(fault) = catch_up(shared).and_then(|()| caught(|| keep_up(shared))) {
        let why = in_words(&fault);
        tracing::error!(%why, "cannot write the tables");
        shared.signals.set(|state| state.failed = Some(why));
    }
}

/// The outcome of `work`, of which a panic is a failure like others: somebody waits for it.
fn caught(work: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    let panicked = |_| Err(Fault::new("keep the tables near the tip: the thread panicked"));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

/// Computes the tries of the blocks that were read back when the store opened.
fn catch_up(shared: &Shared) -> Result<(), Fault> {
    let chain = shared.read(Chain::clone);
    let started = std::time::Instant::now();
    let goes_on = |_: &&Arc<Layer>| !shared.signals.lock().is_stopping;
    let compute = |layer: &Arc<Layer>| {
        let parent = chain.at(layer.number() - 1)?;
        let parent = parent.ok_or_else(|| Fault::new("view the parent of a block read back"))?;
        layer.trie.set(Ok(recover::trie(&parent, layer)?));
        Ok(())
    };
    let computed = caught(|| chain.layers.iter().take_while(goes_on).try_for_each(compute));
    let closed = Fault::new("compute the trie of a block read back: the store is being closed");
    let why = computed.as_ref().err().unwrap_or(&closed);
    // Nobody is to wait for what will not come.
    chain.layers.iter().for_each(|layer| layer.trie.set(Err(why)));
    let blocks = chain.layers.len();
    tracing::debug!(blocks, took = ?started.elapsed(), "computed the tries of blocks read back");
    computed
}

/// Flushes whenever it is called and it is time, until it is to stop.
fn keep_up(shared: &Shared) -> Result<(), Fault> {
    loop {
        let signals = &shared.signals;
        let mut state = signals.wait(signals.lock(), |s| s.is_called || s.is_stopping);
        if state.is_stopping {
            return Ok(());
        }
        state.is_called = false;
        drop(state);
        shared.flushing.lock().unwrap_or_else(PoisonError::into_inner).free();
        flush_due(shared)?;
    }
}

/// Flushes while enough has piled up.
fn flush_due(shared: &Shared) -> Result<(), Fault> {
    while flush(shared, Shared::due)? {}
    Ok(())
}

/// Runs the job that `pick` finds and shows readers the new tables. `false` when there is none.
pub(super) fn flush(
    shared: &Shared,
    pick: impl FnOnce(&Shared) -> Option<Job>,
) -> Result<bool, Fault> {
    let mut retired = shared.flushing.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(job) = pick(shared) else { return Ok(false) };
    let started = std::time::Instant::now();
    job.run(&shared.db)?;
    let (height, floor) = (job.height(), job.new_floor());
    shared.update(|mut chain| {
        let snapshot = Arc::new(shared.db.snapshot());
        if let Some(last) = job.layers.last() {
            // The chain's may have more of it in memory by now.
            let same = chain.layers.iter().find(|layer| layer.number() == height);
            let trie = same.unwrap_or(last).trie.get().cloned();
            let trie = trie.unwrap_or_else(|| StateTrie::at(last.tip.header.state_root));
            let blocks = chain.base.blocks;
            chain.base = Arc::new(Base { snapshot, height, floor, blocks, trie });
            chain.base_tip = last.tip.clone();
        }
        chain.layers.retain(|layer| layer.number() > height);
        chain.renewed()
    });
    shared.signals.set(|_| ());
    shared.export();
    tracing::debug!(height, blocks = job.layers.len(), took = ?started.elapsed(), "wrote the tables");
    retired.take_in(job);
    Ok(true)
}
