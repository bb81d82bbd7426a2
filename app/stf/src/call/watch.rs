//! What watches an execution, and the limits that it keeps.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use alloy_primitives::{Address, Log, U256};
use revm::{
    Inspector,
    bytecode::opcode,
    context::ContextTr,
    context_interface::context::ContextError,
    inspector::JournalExt,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter,
        interpreter_types::{InputsTr as _, Jumps as _, LoopControl as _, MemoryTr as _},
    },
};

/// Steps between two looks at the clock.
const STEPS_A_LOOK: u64 = 4096;
/// Bytes of JSON of a step without its lists.
const STEP_BYTES: u64 = 80;
/// Bytes of JSON of a word, quoted.
const WORD_BYTES: u64 = 69;
/// Bytes of JSON of a call or a log without its data.
const CALL_BYTES: u64 = 400;

/// What a watched execution may cost beside its gas.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Whether the time is up. Asked every few thousand steps.
    pub is_over: &'a dyn Fn() -> bool,
    /// Bytes of the answer, as JSON and estimated: memory is of the same order.
    pub answer_bytes: u64,
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("answer_bytes", &self.answer_bytes).finish_non_exhaustive()
    }
}

/// Why a watched execution was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The time is up. geth's words.
    #[error("execution timeout")]
    Time,
    /// The answer would be too large.
    #[error("the trace is larger than an answer may be")]
    Size,
}

/// What the inspector keeps of each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) stack: bool,
    pub(super) memory: bool,
    pub(super) storage: bool,
    pub(super) return_data: bool,
}

/// An inspector that is stopped at its limits.
#[derive(Debug)]
pub(super) struct Watched<'a, I> {
    pub(super) inner: I,
    limits: Limits<'a>,
    /// What is kept of steps, if they are kept.
    kept: Option<Kept>,
    steps: u64,
    /// The slots of each contract that its steps named.
    slots: BTreeMap<Address, BTreeSet<U256>>,
    bytes: u64,
    stopped: Option<Stopped>,
}

impl<'a, I> Watched<'a, I> {
    pub(super) const fn new(inner: I, limits: Limits<'a>, kept: Option<Kept>) -> Self {
        let slots = BTreeMap::new();
        Self { inner, limits, kept, steps: 0, slots, bytes: 0, stopped: None }
    }

    /// Why it was stopped, if it was.
    pub(super) const fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// Bytes of the answer so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.answer_bytes {
            self.stopped = Some(Stopped::Size);
        }
    }

    /// What keeps steps shows no logs.
    fn count_log(&mut self, log: &Log) {
        if self.kept.is_none() {
            self.add(CALL_BYTES.saturating_add(2 * log.data.data.len() as u64));
        }
    }

    fn count_step(&mut self, interpreter: &Interpreter) {
        self.steps = self.steps.saturating_add(1);
        if self.steps.is_multiple_of(STEPS_A_LOOK) {
            std::thread::yield_now();
            if (self.limits.is_over)() {
                self.stopped = Some(Stopped::Time);
            }
        }
        let Some(kept) = self.kept else { return };
        let mut bytes = STEP_BYTES;
        if kept.stack {
            bytes = bytes.saturating_add(words(interpreter.stack.len()));
        }
        if kept.memory {
            bytes = bytes.saturating_add(words(interpreter.memory.size() / 32));
        }
        if kept.return_data {
            bytes = bytes.saturating_add(2 * interpreter.return_data.buffer_len());
        }
        let code = interpreter.bytecode.opcode();
        if kept.storage
            && matches!(code, opcode::SLOAD | opcode::SSTORE)
            && let Ok(slot) = interpreter.stack.peek(0)
        {
            // Each shows all slots of its contract so far.
            let slots = self.slots.entry(interpreter.input.target_address()).or_default();
            slots.insert(slot);
            bytes = bytes.saturating_add(words(slots.len().saturating_mul(2)));
        }
        self.add(bytes);
    }
}

const fn words(count: usize) -> u64 {
    (count as u64).saturating_mul(WORD_BYTES)
}

/// The length of the data that the last call returned.
trait BufferLen {
    fn buffer_len(&self) -> u64;
}

impl<T: revm::interpreter::interpreter_types::ReturnData> BufferLen for T {
    fn buffer_len(&self) -> u64 {
        self.buffer().len() as u64
    }
}

/// An inspector that looks at nothing. Every few thousand steps it lets the system run what waits
/// for the processor, which a call of fifty million gas would keep for tens of milliseconds: who
/// was woken on it waited for the scheduler's next tick, even while another was free.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Yielding {
    steps: u64,
}

impl<C> Inspector<C> for Yielding {
    fn step(&mut self, _: &mut Interpreter, _: &mut C) {
        self.steps = self.steps.saturating_add(1);
        if self.steps.is_multiple_of(STEPS_A_LOOK) {
            std::thread::yield_now();
        }
    }
}

impl<C, I> Inspector<C> for Watched<'_, I>
where
    C: ContextTr<Journal: JournalExt>,
    I: Inspector<C>,
{
    fn initialize_interp(&mut self, interpreter: &mut Interpreter, context: &mut C) {
        self.inner.initialize_interp(interpreter, context);
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut C) {
        self.count_step(interpreter);
        if let Some(reason) = self.stopped {
            *context.error() = Err(ContextError::Custom(reason.to_string()));
            interpreter.bytecode.action().take();
            interpreter.bytecode.reset_action();
            interpreter.halt_fatal();
            return;
        }
        self.inner.step(interpreter, context);
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut C) {
        if self.stopped.is_none() {
            self.inner.step_end(interpreter, context);
        }
    }

    fn log_full(&mut self, interpreter: &mut Interpreter, context: &mut C, log: Log) {
        self.count_log(&log);
        self.inner.log_full(interpreter, context, log);
    }

    fn log(&mut self, context: &mut C, log: Log) {
        self.count_log(&log);
        self.inner.log(context, log);
    }

    fn call(&mut self, context: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.add(CALL_BYTES.saturating_add(2 * inputs.input.len() as u64));
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut C, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.add(2 * outcome.result.output.len() as u64);
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut C, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.add(CALL_BYTES.saturating_add(2 * inputs.init_code().len() as u64));
        self.inner.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut C, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.add(2 * outcome.result.output.len() as u64);
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.inner.selfdestruct(contract, target, value);
    }
}
