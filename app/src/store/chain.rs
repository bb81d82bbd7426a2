//! What readers are given: the base, and the blocks above it.

use std::sync::Arc;

use mooring_stf::Fault;
use mooring_trie::StateTrie;

use super::View;
use super::block::{Layer, Tip};
use super::hot::Hot;
use super::view::Base;

/// The chain at one moment. Replaced whole, never changed in place.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) base: Arc<Base>,
    /// The block that the base's tables are of.
    pub(super) base_tip: Tip,
    /// The blocks above the base, oldest first. The tables do not know them yet.
    pub(super) layers: Vec<Arc<Layer>>,
    /// The newest block whose record is on disk: it can no longer be dropped.
    pub(super) durable: u64,
    pub(super) hot: Arc<Hot>,
    pub(super) latest: View,
}

impl Chain {
    pub(super) fn new(
        base: Arc<Base>,
        base_tip: Tip,
        layers: Vec<Arc<Layer>>,
        durable: u64,
        hot: Arc<Hot>,
    ) -> Self {
        let latest = view(&base, &base_tip, &layers, durable, &hot);
        Self { base, base_tip, layers, durable, hot, latest }
    }

    /// Renews what follows from the other fields.
    pub(super) fn renewed(self) -> Self {
        let Self { base, base_tip, layers, durable, hot, .. } = self;
        Self::new(base, base_tip, layers, durable, hot)
    }

    /// The same with those nodes of the newest state in memory too that `read`, the trie of some
    /// state, has in memory.
    pub(super) fn with_trie(mut self, read: &StateTrie) -> Self {
        match self.layers.last_mut() {
            Some(newest) => {
                let mut layer = Layer::clone(newest);
                layer.trie = layer.trie.changed(|trie| trie.joined(read));
                *newest = Arc::new(layer);
            }
            None => {
                let trie = self.base.trie.joined(read);
                self.base = Arc::new(Base { trie, ..Base::clone(&self.base) });
            }
        }
        self.renewed()
    }

    /// The height of the tip.
    pub(super) fn height(&self) -> u64 {
        self.latest.number()
    }

    /// The chain up to `height`; `None` above the tip and below the lowest height whose state is
    /// kept.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub(super) fn at(&self, height: u64) -> Result<Option<View>, Fault> {
        if height > self.height() || height < self.base.floor {
            return Ok(None);
        }
        let above = self.layers.partition_point(|layer| layer.number() <= height);
        let layers = &self.layers[..above];
        if height >= self.base.height {
            return Ok(Some(view(&self.base, &self.base_tip, layers, self.durable, &self.hot)));
        }
        let tip = self.latest.tip_at(height)?;
        let tip = tip.ok_or_else(|| Fault::new(format!("read the header of block {height}")))?;
        Ok(Some(view(&self.base, &tip, &[], self.durable, &self.hot)))
    }

    /// How many blocks on disk the tables do not know yet, and about how many bytes those take.
    pub(super) fn behind(&self) -> (usize, usize) {
        let durable = self.layers.iter().take_while(|layer| layer.number() <= self.durable);
        durable.fold((0, 0), |(blocks, bytes), layer| (blocks + 1, bytes + layer.weight))
    }
}

fn view(
    base: &Arc<Base>,
    base_tip: &Tip,
    layers: &[Arc<Layer>],
    durable: u64,
    hot: &Arc<Hot>,
) -> View {
    let tip = layers.last().map_or(base_tip, |layer| &layer.tip).clone();
    View::new(tip, durable, Arc::clone(base), layers.to_vec(), Arc::clone(hot))
}
