//! The logs of simulated calls, with transfers of native coin among them.

use alloy_primitives::{Address, B256, Log, LogData, U256, address, b256};
use revm::{
    Inspector,
    context::{ContextTr, JournalTr as _},
    interpreter::{CallInputs, CallOutcome, CallScheme, CallValue, CreateInputs, CreateOutcome},
};

use super::SimulatedLog;

/// Whose logs the transfers are (execution-apis, `eth_simulateV1`).
const TRANSFERS: Address = address!("0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Keeps logs by call frame, so that those of a failed frame can be dropped.
#[derive(Debug)]
pub(super) struct LogTracer {
    trace_transfers: bool,
    next_index: u64,
    /// Of the frames that are open, outermost first.
    frames: Vec<Vec<SimulatedLog>>,
    /// Of the outermost frame, once it has ended well.
    done: Vec<SimulatedLog>,
}

impl LogTracer {
    /// A tracer for one call; its first log has this number in the block.
    pub(super) const fn new(trace_transfers: bool, next_index: u64) -> Self {
        Self { trace_transfers, next_index, frames: Vec::new(), done: Vec::new() }
    }

    /// The number of the block's next log, and the call's logs.
    pub(super) fn finish(self) -> (u64, Vec<SimulatedLog>) {
        (self.next_index, self.done)
    }

    fn keep(&mut self, log: Log) {
        let index = self.next_index;
        self.next_index = self.next_index.saturating_add(1);
        if let Some(frame) = self.frames.last_mut() {
            frame.push(SimulatedLog { index, log });
        }
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if !self.trace_transfers || value.is_zero() {
            return;
        }
        let topics = vec![TRANSFER, from.into_word(), to.into_word()];
        let data = LogData::new_unchecked(topics, value.to_be_bytes_vec().into());
        self.keep(Log { address: TRANSFERS, data });
    }

    fn open(&mut self) {
        self.frames.push(Vec::new());
    }

    fn close(&mut self, well: bool) {
        let Some(logs) = self.frames.pop().filter(|_| well) else { return };
        self.frames.last_mut().unwrap_or(&mut self.done).extend(logs);
    }
}

impl<C: ContextTr> Inspector<C> for LogTracer {
    fn log(&mut self, _: &mut C, log: Log) {
        self.keep(log);
    }

    fn call(&mut self, _: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.open();
        if let CallValue::Transfer(value) = inputs.value {
            let to = match inputs.scheme {
                CallScheme::CallCode => inputs.bytecode_address,
                CallScheme::Call | CallScheme::StaticCall | CallScheme::DelegateCall => {
                    inputs.target_address
                }
            };
            self.transfer(inputs.caller, to, value);
        }
        None
    }

    fn call_end(&mut self, _: &mut C, _: &CallInputs, outcome: &mut CallOutcome) {
        self.close(outcome.result.is_ok());
    }

    fn create(&mut self, context: &mut C, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.open();
        // An account that cannot be read is the machine's to report, a moment later.
        let caller = context.journal_mut().load_account(inputs.caller());
        if let Ok(nonce) = caller.map(|account| account.data.info.nonce) {
            self.transfer(inputs.caller(), inputs.created_address(nonce), inputs.value());
        }
        None
    }

    fn create_end(&mut self, _: &mut C, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.close(outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
