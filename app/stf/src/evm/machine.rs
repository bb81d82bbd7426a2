//! revm over an overlay, with what revm leaves to its database: EIP-7610.

use alloy_primitives::Address;
use revm::{
    Inspector,
    context::{ContextTr as _, FrameStack, JournalTr as _},
    context_interface::journaled_state::account::JournaledAccountTr as _,
    handler::{
        EthFrame, EvmTr, FrameInitOrResult, FrameResult, FrameTr, ItemOrResult, MainnetContext,
        evm::{ContextDbError, FrameInitResult},
        instructions::EthInstructions,
    },
    inspector::InspectorEvmTr,
    interpreter::{
        CreateInputs, CreateOutcome, FrameInput, Gas, InstructionResult, InterpreterResult,
        interpreter::EthInterpreter, interpreter_action::FrameInit,
    },
    primitives::constants::CALL_STACK_LIMIT,
};

use super::Precompiles;
use crate::overlay::Overlay;

/// The context of a block over an overlay.
pub(crate) type Ctx<'a> = MainnetContext<Overlay<'a>>;

/// revm for a block of this chain; `I` watches it.
#[derive(Debug)]
pub(crate) struct Evm<'a, I = ()>(
    revm::context::Evm<Ctx<'a>, I, Instructions<'a>, Precompiles, EthFrame<EthInterpreter>>,
);

type Instructions<'a> = EthInstructions<EthInterpreter, Ctx<'a>>;
type DbError<'a> = ContextDbError<Ctx<'a>>;

impl<'a, I> Evm<'a, I> {
    pub(super) fn new(ctx: Ctx<'a>, precompiles: Precompiles, inspector: I) -> Self {
        let instructions = EthInstructions::new_mainnet_with_spec(ctx.cfg.spec);
        Self(revm::context::Evm::new_with_inspector(ctx, inspector, instructions, precompiles))
    }

    /// What the block has written so far.
    pub(crate) const fn overlay(&mut self) -> &mut Overlay<'a> {
        &mut self.0.ctx.journaled_state.database
    }

    /// What the block has written.
    pub(crate) fn into_overlay(self) -> Overlay<'a> {
        self.0.ctx.journaled_state.database
    }

    /// What the block has written, and what watched.
    pub(crate) fn into_parts(self) -> (Overlay<'a>, I) {
        (self.0.ctx.journaled_state.database, self.0.inspector)
    }

    /// What watches.
    pub(crate) const fn inspector(&mut self) -> &mut I {
        &mut self.0.inspector
    }

    /// EIP-7610: whether the creation meets an account that has storage though neither nonce nor
    /// code. revm sees only the other two.
    ///
    /// The checks that come before are revm's: where one of them fails, this is no collision.
    fn collides(&mut self, inputs: &CreateInputs, depth: usize) -> Result<bool, DbError<'a>> {
        if depth as u64 > CALL_STACK_LIMIT {
            return Ok(false);
        }
        let journal = self.0.ctx.journal_mut();
        let caller = journal.load_account(inputs.caller())?.data.info.clone();
        let (nonce, balance) = (caller.nonce, caller.balance);
        if balance < inputs.value() || nonce == u64::MAX {
            return Ok(false);
        }
        Ok(self.overlay().has_storage(inputs.created_address(nonce))?)
    }

    /// What a creation comes to that collides: the nonce is used up, and so will be the gas.
    fn collision(&mut self, inputs: &CreateInputs) -> Result<FrameResult, DbError<'a>> {
        let journal = self.0.ctx.journal_mut();
        let nonce = {
            let mut caller = journal.load_account_mut(inputs.caller())?;
            let nonce = caller.nonce();
            caller.bump_nonce();
            nonce
        };
        journal.load_account(inputs.created_address(nonce))?;
        let gas = Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit(), inputs.reservoir());
        Ok(FrameResult::Create(CreateOutcome {
            result: InterpreterResult {
                result: InstructionResult::CreateCollision,
                output: alloy_primitives::Bytes::new(),
                gas,
            },
            address: None::<Address>,
            charged_create_state_gas: inputs.charged_create_state_gas(),
        }))
    }
}

impl<'a, I> EvmTr for Evm<'a, I> {
    type Context = Ctx<'a>;
    type Instructions = Instructions<'a>;
    type Precompiles = Precompiles;
    type Frame = EthFrame<EthInterpreter>;

    fn all(
        &self,
    ) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>) {
        self.0.all()
    }

    fn all_mut(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<Self::Frame>,
    ) {
        self.0.all_mut()
    }

    fn frame_init(
        &mut self,
        frame: FrameInit,
    ) -> Result<FrameInitResult<'_, Self::Frame>, DbError<'a>> {
        if let FrameInput::Create(inputs) = &frame.frame_input
            && self.collides(inputs, frame.depth)?
        {
            return Ok(ItemOrResult::Result(self.collision(inputs)?));
        }
        self.0.frame_init(frame)
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<Self::Frame>, DbError<'a>> {
        self.0.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: <Self::Frame as FrameTr>::FrameResult,
    ) -> Result<Option<<Self::Frame as FrameTr>::FrameResult>, DbError<'a>> {
        self.0.frame_return_result(result)
    }
}

impl<'a, I: Inspector<Ctx<'a>>> InspectorEvmTr for Evm<'a, I> {
    type Inspector = I;

    fn all_inspector(
        &self,
    ) -> (
        &Self::Context,
        &Self::Instructions,
        &Self::Precompiles,
        &FrameStack<Self::Frame>,
        &Self::Inspector,
    ) {
        self.0.all_inspector()
    }

    fn all_mut_inspector(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<Self::Frame>,
        &mut Self::Inspector,
    ) {
        self.0.all_mut_inspector()
    }
}
