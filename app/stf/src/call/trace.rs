//! Traces in geth's forms: struct logs and the built-in tracers.

use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use revm::{
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::result::ResultAndState,
    inspector::InspectorEvmTr as _,
};
use revm_inspectors::tracing::{DebugInspector, TransactionContext};

use super::{
    CallError, CallInput, CallSite, overrides, relaxed,
    watch::{Kept, Limits, Watched},
};
use crate::{
    Fault,
    evm::{self, Failure, Moves},
    overlay::Overlay,
};

/// Traces a call as [`call`](super::call) would run it.
///
/// # Errors
/// As [`call`](super::call); [`CallError::Tracer`] when there is no such tracer, and
/// [`CallError::Stopped`] at a limit.
pub fn trace_call(
    site: &CallSite<'_>,
    input: &CallInput,
    options: GethDebugTracingOptions,
) -> Result<GethTrace, CallError> {
    let mut overlay = Overlay::new(site.state);
    overrides::apply(site.overrides, &mut overlay)?;
    let moves = overrides::moves(site.overrides, site.block.rules(site.params).spec)?;
    let nonce = overlay.account(input.sender())?.unwrap_or_default().nonce;
    let gas = input.gas.unwrap_or(site.gas_cap).min(site.gas_cap);
    let env = input.env(site.params.chain_id, gas, input.nonce.unwrap_or(nonce))?;
    let (cfg, block) = relaxed(site.params, site.block);
    let run = Run { cfg, block, moves, tx: Traced::Signed(env), context: None };
    let (trace, _, _) = run.trace(overlay, &mut Tracer::new(options, site.limits)?).map_err(
        |failure| match failure {
            TraceError::Invalid(reason) => super::refused(input, gas, site, reason).into(),
            TraceError::Call(error) => error,
        },
    )?;
    Ok(trace)
}

/// A tracer and what it may cost over all that it traces.
#[derive(Debug)]
pub(super) struct Tracer<'a> {
    inspector: Option<DebugInspector>,
    limits: Limits<'a>,
    kept: Option<Kept>,
}

impl<'a> Tracer<'a> {
    pub(super) fn new(
        options: GethDebugTracingOptions,
        limits: Limits<'a>,
    ) -> Result<Self, CallError> {
        let config = options.config;
        let inspector =
            DebugInspector::new(options).map_err(|error| CallError::Tracer(error.to_string()))?;
        let kept = matches!(inspector, DebugInspector::Default(..)).then(|| Kept {
            stack: config.is_stack_enabled(),
            memory: config.is_memory_enabled(),
            storage: config.is_storage_enabled(),
            return_data: config.is_return_data_enabled(),
        });
        Ok(Self { inspector: Some(inspector), limits, kept })
    }

    pub(super) const fn limits(&self) -> &Limits<'a> {
        &self.limits
    }
}

/// Why a trace failed: the EVM's refusal still in its own words.
pub(super) enum TraceError {
    Invalid(revm::context_interface::result::InvalidTransaction),
    Call(CallError),
}

impl<E: Into<CallError>> From<E> for TraceError {
    fn from(error: E) -> Self {
        Self::Call(error.into())
    }
}

/// How a transaction is run.
#[derive(Clone, Debug)]
pub(super) enum Traced {
    /// With all that a transaction pays and checks.
    Signed(TxEnv),
    /// As a call of the system caller.
    System(TxEnv),
}

/// One transaction to trace.
pub(super) struct Run {
    pub(super) cfg: CfgEnv,
    pub(super) block: BlockEnv,
    pub(super) moves: Moves,
    pub(super) tx: Traced,
    pub(super) context: Option<TransactionContext>,
}

type Done<'a> = (GethTrace, ResultAndState, Overlay<'a>);

impl Run {
    /// Runs and traces it. Its writes are returned, not committed.
    pub(super) fn trace<'a>(
        self,
        overlay: Overlay<'a>,
        tracer: &mut Tracer<'_>,
    ) -> Result<Done<'a>, TraceError> {
        let mut inspector =
            tracer.inspector.take().ok_or_else(|| Fault::new("trace with a tracer that failed"))?;
        inspector.fuse().map_err(|error| CallError::Tracer(error.to_string()))?;
        let watched = Watched::new(inspector, tracer.limits, tracer.kept);
        let mut evm = evm::watched(self.cfg, self.block.clone(), overlay, self.moves, watched);
        let (result, env) = match self.tx {
            Traced::Signed(env) => (evm::inspect(&mut evm, env.clone()), env),
            Traced::System(env) => (evm::inspect_system(&mut evm, env.clone()), env),
        };
        let done = match (evm.inspector().stopped(), result) {
            (Some(reason), _) => return Err(CallError::Stopped(reason).into()),
            (None, Ok(done)) => done,
            (None, Err(Failure::Fault(fault))) => return Err(fault.into()),
            (None, Err(Failure::Invalid(reason))) => return Err(TraceError::Invalid(reason)),
        };
        let (context, watched) = evm.ctx_inspector();
        let trace = watched
            .inner
            .get_result(
                self.context,
                &env,
                &self.block,
                &done,
                &mut context.journaled_state.database,
            )
            .map_err(|error| CallError::Tracer(error.to_string()))?;
        tracer.limits.answer_bytes = tracer.limits.answer_bytes.saturating_sub(watched.bytes());
        let (overlay, watched) = evm.into_parts();
        tracer.inspector = Some(watched.inner);
        Ok((trace, done, overlay))
    }
}
