//! Precompiled contracts, which a call may move to other addresses.

use std::collections::BTreeMap;

use alloy_primitives::{Address, map::AddressSet};
use revm::{
    context::{Cfg, ContextTr},
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, InterpreterResult},
    primitives::hardfork::SpecId,
};

/// Where precompiles are that are not where Ethereum has them: by address, the one that answers
/// there, or `None` where one was taken away.
pub(crate) type Moves = BTreeMap<Address, Option<Address>>;

/// A fork's precompiles, some of them moved.
#[derive(Debug)]
pub(crate) struct Precompiles {
    fork: EthPrecompiles,
    moves: Moves,
}

impl Precompiles {
    pub(crate) fn new(spec: SpecId, moves: Moves) -> Self {
        Self { fork: EthPrecompiles::new(spec), moves }
    }
}

impl<C: ContextTr> PrecompileProvider<C> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: <C::Cfg as Cfg>::Spec) -> bool {
        <EthPrecompiles as PrecompileProvider<C>>::set_spec(&mut self.fork, spec)
    }

    fn run(
        &mut self,
        context: &mut C,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        match self.moves.get(&inputs.bytecode_address) {
            None => self.fork.run(context, inputs),
            Some(None) => Ok(None),
            Some(Some(home)) => {
                let inputs = CallInputs { bytecode_address: *home, ..inputs.clone() };
                self.fork.run(context, &inputs)
            }
        }
    }

    // geth's warm set is the fork's, wherever a call moves them.
    fn warm_addresses(&self) -> &AddressSet {
        self.fork.warm_addresses()
    }
}
