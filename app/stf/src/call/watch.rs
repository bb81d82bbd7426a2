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
    context_interface::{JournalTr as _, context::ContextError},
    inspector::JournalExt,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter,
        interpreter_types::{InputsTr as _, Jumps as _, LoopControl as _, MemoryTr as _},
    },
};

/// Work between two looks at the clock, in steps that touch the stack alone: tens of microseconds.
const WORK_A_LOOK: u64 = 4096;
/// What a step counts that reads state, hashes, copies or calls.
const DEAR_STEP: u64 = 512;
/// Bytes of JSON of a step without its lists.
const STEP_BYTES: u64 = 80;
/// Bytes of JSON of a word, quoted.
const WORD_BYTES: u64 = 69;
/// Bytes of JSON of a call or a log without its data.
const CALL_BYTES: u64 = 400;

/// What a watched execution may cost beside its gas.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Whether the time is up. Asked every few thousand steps, and more often where they are dear.
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
    #[error("the result is larger than an answer may be")]
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

/// Work since the last look at the clock.
#[derive(Clone, Copy, Debug)]
struct Work(u64);

impl Work {
    /// Counts a step; whether it is time for a look.
    const fn look_after(&mut self, code: u8) -> bool {
        self.0 = self.0.saturating_add(if is_dear(code) { DEAR_STEP } else { 1 });
        let is_due = self.0 >= WORK_A_LOOK;
        if is_due {
            self.0 = 0;
        }
        is_due
    }
}

/// Whether it reads or writes state, hashes, copies, calls or creates.
const fn is_dear(code: u8) -> bool {
    use opcode::{
        BALANCE, BLOCKHASH, CALLDATACOPY, CODECOPY, CREATE, EXTCODECOPY, EXTCODEHASH, EXTCODESIZE,
        KECCAK256, LOG0, LOG4, MCOPY, RETURNDATACOPY, SELFDESTRUCT, SLOAD, SSTORE,
    };
    matches!(code, KECCAK256 | BALANCE | EXTCODESIZE | EXTCODECOPY | EXTCODEHASH | BLOCKHASH)
        || matches!(code, SLOAD | SSTORE | CALLDATACOPY | CODECOPY | RETURNDATACOPY | MCOPY)
        || matches!(code, LOG0..=LOG4 | CREATE..=SELFDESTRUCT)
}

/// Ends an execution, which then fails with this reason.
fn halt<C: ContextTr>(interpreter: &mut Interpreter, context: &mut C, reason: Stopped) {
    *context.error() = Err(ContextError::Custom(reason.to_string()));
    interpreter.bytecode.action().take();
    interpreter.bytecode.reset_action();
    interpreter.halt_fatal();
}

/// An inspector that looks at nothing but the clock and the length of the answer.
#[derive(Debug)]
pub(super) struct Timed<'a> {
    limits: Limits<'a>,
    work: Work,
    stopped: Option<Stopped>,
}

impl<'a> Timed<'a> {
    pub(super) const fn new(limits: Limits<'a>) -> Self {
        Self { limits, work: Work(0), stopped: None }
    }

    /// Why it was stopped, if it was.
    pub(super) const fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// Whether this step would end the call with more than an answer may have, as hex.
    fn answers_too_much<C>(&self, interpreter: &Interpreter, code: u8, context: &C) -> bool
    where
        C: ContextTr,
    {
        matches!(code, opcode::RETURN | opcode::REVERT)
            && context.journal().depth() <= 1
            && interpreter.stack.peek(1).is_ok_and(|bytes| {
                bytes.saturating_mul(U256::from(2)) > U256::from(self.limits.answer_bytes)
            })
    }
}

impl<C: ContextTr> Inspector<C> for Timed<'_> {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut C) {
        let code = interpreter.bytecode.opcode();
        if self.work.look_after(code) && (self.limits.is_over)() {
            self.stopped = Some(Stopped::Time);
        }
        if self.answers_too_much(interpreter, code, context) {
            self.stopped = Some(Stopped::Size);
        }
        if let Some(reason) = self.stopped {
            halt(interpreter, context, reason);
        }
    }
}

/// An inspector that is stopped at its limits.
#[derive(Debug)]
pub(super) struct Watched<'a, I> {
    pub(super) inner: I,
    limits: Limits<'a>,
    /// What is kept of steps, if they are kept.
    kept: Option<Kept>,
    work: Work,
    /// The slots of each contract that its steps named.
    slots: BTreeMap<Address, BTreeSet<U256>>,
    bytes: u64,
    stopped: Option<Stopped>,
}

impl<'a, I> Watched<'a, I> {
    pub(super) const fn new(inner: I, limits: Limits<'a>, kept: Option<Kept>) -> Self {
        let slots = BTreeMap::new();
        Self { inner, limits, kept, work: Work(0), slots, bytes: 0, stopped: None }
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
        let code = interpreter.bytecode.opcode();
        if self.work.look_after(code) && (self.limits.is_over)() {
            self.stopped = Some(Stopped::Time);
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
            halt(interpreter, context, reason);
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
