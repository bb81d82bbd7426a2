//! The trie after a block.
//!
//! A block that was executed brings its trie along. One that is read back from its record gets it
//! behind the opening: computing it takes as long as it did the first time, and of those who read
//! a state only the next block and proofs need its trie.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use mooring_stf::Fault;
use mooring_trie::{NodeAt, StateTrie};

use crate::log::in_words;

/// What a block made of its parent's trie.
#[derive(Clone, Debug)]
pub(super) struct Grown {
    pub(super) trie: StateTrie,
    /// Where nodes of the parent's trie are gone.
    pub(super) gone: Arc<BTreeSet<NodeAt>>,
}

/// The trie after a block, there or to come. Clones are one: all get it when it is there.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerTrie(Arc<OnceLock<Result<Grown, String>>>);

impl LayerTrie {
    pub(super) fn new(trie: StateTrie, gone: BTreeSet<NodeAt>) -> Self {
        Self::of(Grown { trie, gone: Arc::new(gone) })
    }

    fn of(grown: Grown) -> Self {
        Self(Arc::new(Ok(grown).into()))
    }

    /// The trie, if it is there.
    pub(super) fn get(&self) -> Option<&StateTrie> {
        self.0.get()?.as_ref().ok().map(|grown| &grown.trie)
    }

    /// Waits until it is there.
    ///
    /// # Errors
    /// A [`Fault`] when it could not be computed, or will not be: the store is closed.
    pub(super) fn wait(&self) -> Result<&Grown, Fault> {
        self.0.wait().as_ref().map_err(|why| Fault::new(why.clone()))
    }

    /// Ends the waiting. What is there already stays.
    pub(super) fn set(&self, grown: Result<Grown, &Fault>) {
        drop(self.0.set(grown.map_err(|fault| in_words(fault))));
    }

    /// Another of the same state, with more or less of it in memory; none where there is none yet.
    pub(super) fn changed(&self, change: impl FnOnce(&StateTrie) -> StateTrie) -> Self {
        match self.0.get() {
            Some(Ok(Grown { trie, gone })) => {
                Self::of(Grown { trie: change(trie), gone: Arc::clone(gone) })
            }
            Some(Err(_)) | None => self.clone(),
        }
    }
}
