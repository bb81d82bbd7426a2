//! Traces in geth's forms, against small contracts worked out by hand.

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use mooring_bridge::{
    NATIVE,
    addresses::{GATEWAY, SYSTEM_CALLER},
};
use mooring_stf::{
    BlockContext, ExecutedBlock,
    call::{
        AccountOverride, CallError, CallInput, CallSite, CallStatus, Limits, Overrides, Replay,
        Stopped, access_list, trace_call,
    },
    testing::wallet,
};
use serde_json::{Value, json};

use crate::world::{ETHER, FREE, World, alice, bob, withdraw};

const CALLER: Address = Address::repeat_byte(0xca);
const CALLEE: Address = Address::repeat_byte(0xce);

fn options(options: Value) -> GethDebugTracingOptions {
    serde_json::from_value(options).unwrap()
}

fn code(accounts: &[(Address, &[u8])]) -> Overrides {
    let account = |code: &[u8]| AccountOverride {
        code: Some(Bytes::copy_from_slice(code)),
        ..AccountOverride::default()
    };
    accounts.iter().map(|(address, code)| (*address, account(code))).collect()
}

fn input(to: Address) -> CallInput {
    CallInput { from: Some(alice()), to: Some(to), gas: Some(100_000), ..CallInput::default() }
}

fn with_site<T>(
    world: &World,
    overrides: &Overrides,
    limits: Limits<'_>,
    run: impl FnOnce(&CallSite<'_>) -> T,
) -> T {
    let block = BlockContext::of(&world.chain.head.header);
    run(&CallSite {
        params: &world.chain.params,
        state: &world.chain.state,
        block: &block,
        overrides,
        gas_cap: 50_000_000,
        limits,
    })
}

fn traced(
    overrides: &Overrides,
    input: &CallInput,
    tracing: Value,
    limits: Limits<'_>,
) -> Result<Value, CallError> {
    let world = World::funded();
    with_site(&world, overrides, limits, |site| trace_call(site, input, options(tracing)))
        .map(|trace| serde_json::to_value(trace).unwrap())
}

#[test]
fn struct_logs_show_each_step_with_its_gas() {
    // PUSH1 2, PUSH1 3, ADD, PUSH1 7, SSTORE, STOP
    let overrides = code(&[(CALLER, &[0x60, 2, 0x60, 3, 0x01, 0x60, 7, 0x55, 0x00])]);
    let trace = traced(&overrides, &input(CALLER), json!({}), FREE).unwrap();
    assert_eq!((&trace["failed"], &trace["returnValue"]), (&json!(false), &json!("0x")));
    // 21,000 for the call, 4 * 3 for the arithmetic, 22,100 for a cold slot that becomes non-zero.
    assert_eq!(trace["gas"], 21_000 + 12 + 22_100);
    let steps: Vec<_> = trace["structLogs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            let of = |name: &str| step[name].clone();
            (of("pc"), of("op"), of("gas"), of("gasCost"), of("depth"), of("stack"))
        })
        .collect();
    let step = |pc, op: &str, gas, cost, stack: &[&str]| {
        (json!(pc), json!(op), json!(gas), json!(cost), json!(1), json!(stack))
    };
    assert_eq!(
        steps,
        [
            step(0, "PUSH1", 79_000, 3, &[]),
            step(2, "PUSH1", 78_997, 3, &["0x2"]),
            step(4, "ADD", 78_994, 3, &["0x2", "0x3"]),
            step(5, "PUSH1", 78_991, 3, &["0x5"]),
            step(7, "SSTORE", 78_988, 22_100, &["0x5", "0x7"]),
            step(8, "STOP", 56_888, 0, &[]),
        ]
    );
    let slots = &trace["structLogs"][4]["storage"];
    assert_eq!(*slots, json!({ (B256::with_last_byte(7).to_string()): B256::with_last_byte(5) }));
}

#[test]
fn the_call_tracer_nests_calls_and_names_a_revert() {
    // CALL(gas, CALLEE, value 1) with the first 4 bytes of memory, which are zero; then STOP.
    let mut caller = vec![0x5f, 0x5f, 0x60, 4, 0x5f, 0x60, 1, 0x73];
    caller.extend_from_slice(CALLEE.as_slice());
    caller.extend_from_slice(&[0x5a, 0xf1, 0x00]);
    // REVERT with nothing
    let overrides = code(&[(CALLER, &caller), (CALLEE, &[0x5f, 0x5f, 0xfd])]);
    let call = CallInput { value: U256::from(5), ..input(CALLER) };
    let trace = traced(&overrides, &call, json!({ "tracer": "callTracer" }), FREE).unwrap();
    for (field, value) in [
        ("type", json!("CALL")),
        ("from", json!(alice())),
        ("to", json!(CALLER)),
        ("value", json!("0x5")),
        ("gas", json!("0x186a0")),
        ("input", json!("0x")),
    ] {
        assert_eq!(trace[field], value, "{field}");
    }
    assert!(trace.get("error").is_none(), "the caller does not care");
    let [inner] = trace["calls"].as_array().unwrap().as_slice() else { panic!("{trace}") };
    for (field, value) in [
        ("type", json!("CALL")),
        ("from", json!(CALLER)),
        ("to", json!(CALLEE)),
        ("value", json!("0x1")),
        ("input", json!("0x00000000")),
        ("gasUsed", json!("0x4")),
        ("error", json!("execution reverted")),
    ] {
        assert_eq!(inner[field], value, "{field}");
    }
    let four = traced(&overrides, &call, json!({ "tracer": "4byteTracer" }), FREE).unwrap();
    assert_eq!(four, json!({ "0x00000000-0": 1 }));
}

#[test]
fn an_endless_call_is_stopped_when_the_time_is_up() {
    // JUMPDEST, PUSH0, JUMP
    let overrides = code(&[(CALLER, &[0x5b, 0x5f, 0x56])]);
    let call = CallInput { gas: None, ..input(CALLER) };
    let over = Limits { is_over: &|| true, ..FREE };
    let error = traced(&overrides, &call, json!({ "tracer": "callTracer" }), over).unwrap_err();
    assert!(matches!(error, CallError::Stopped(Stopped::Time)), "{error}");
}

#[test]
fn slots_that_are_written_again_count_once() {
    // PUSH2 400, then so often: JUMPDEST, DUP1, PUSH0, SSTORE, PUSH1 1, SWAP1, SUB, DUP1,
    // PUSH1 3, JUMPI.
    let code_bytes =
        [0x61, 0x01, 0x90, 0x5b, 0x80, 0x5f, 0x55, 0x60, 1, 0x90, 0x03, 0x80, 0x60, 3, 0x57, 0x00];
    let overrides = code(&[(CALLER, &code_bytes)]);
    let input = CallInput { gas: Some(5_000_000), ..input(CALLER) };
    let trace = traced(&overrides, &input, json!({ "disableStack": true }), FREE).unwrap();
    assert_eq!(trace["failed"], false);
    let bytes = serde_json::to_vec(&trace).unwrap().len();
    assert!((300_000..1 << 20).contains(&bytes), "{bytes}");
}

#[test]
fn a_trace_larger_than_an_answer_is_not_kept() {
    let overrides = code(&[(CALLER, &[0x5b, 0x5f, 0x56])]);
    let call = CallInput { gas: None, ..input(CALLER) };
    let error = traced(&overrides, &call, json!({}), FREE).unwrap_err();
    assert!(matches!(error, CallError::Stopped(Stopped::Size)), "{error}");
    // A tracer that keeps no steps has room for all of them.
    let trace = traced(&overrides, &call, json!({ "tracer": "callTracer" }), FREE).unwrap();
    assert_eq!(trace["error"], "out of gas");
}

#[test]
fn a_tracer_that_is_not_there_is_named() {
    let script = json!({ "tracer": "{ step: function() {} }" });
    let error = traced(&Overrides::new(), &input(CALLER), script, FREE).unwrap_err();
    assert!(matches!(error, CallError::Tracer(_)), "{error}");
}

#[test]
fn an_access_list_names_what_is_read_beside_the_callee_itself() {
    // SLOAD(1), BALANCE(CALLEE), STOP
    let mut reader = vec![0x60, 1, 0x54, 0x73];
    reader.extend_from_slice(CALLEE.as_slice());
    reader.extend_from_slice(&[0x31, 0x00]);
    let overrides = code(&[(CALLER, &reader)]);
    let world = World::funded();
    let found =
        with_site(&world, &overrides, FREE, |site| access_list(site, &input(CALLER))).unwrap();
    let slot = B256::with_last_byte(1);
    let wanted = AccessList(vec![
        AccessListItem { address: CALLER, storage_keys: vec![slot] },
        AccessListItem { address: CALLEE, storage_keys: Vec::new() },
    ]);
    assert_eq!(found.list, wanted);
    assert_eq!(found.result.status, CallStatus::Success);
    // 21,000, two addresses and a slot of the list, two pushes, and both reads warm.
    assert_eq!(found.result.gas_used, 21_000 + 2 * 2_400 + 1_900 + 2 * 3 + 2 * 100);
}

/// Executes a block and traces it on the state before it.
fn traced_block(world: &mut World, txs: &[Bytes], tracing: Value) -> (ExecutedBlock, Vec<Value>) {
    let before = world.chain.state.clone();
    let block = world.block(txs).clone();
    let replay = Replay {
        params: &world.chain.params,
        state: &before,
        header: &block.header,
        transactions: &block.transactions,
        receipts: &block.receipts,
    };
    let all = replay.trace_all(options(tracing.clone()), FREE).unwrap();
    for (index, trace) in all.iter().enumerate() {
        let one = replay.trace_one(index, options(tracing.clone()), FREE).unwrap();
        assert_eq!(one.as_ref(), Some(trace), "transaction {index} alone");
    }
    assert!(replay.trace_one(all.len(), options(tracing), FREE).unwrap().is_none());
    let all = all.iter().map(|trace: &GethTrace| serde_json::to_value(trace).unwrap()).collect();
    (block, all)
}

#[test]
fn a_block_replays_with_its_credits_and_exits() {
    let mut world = World::funded();
    // CALLDATALOAD(0), BALANCE, returned: deployed by its init code.
    let balance_of = [0x5f, 0x35, 0x31, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];
    let deploy = wallet::create(0, 0, crate::world::deploying(&balance_of));
    world.block(&[wallet::sign(wallet::KEYS[0], deploy)]);
    let reader = alice().create(0);
    let ask = |nonce, about: Address| wallet::call(nonce, reader, 0, about.into_word().to_vec());

    let deposit = world.federation.deposit(0, NATIVE, bob(), 7 * ETHER, 0);
    let mut txs = world.federation.deliver(&[deposit]);
    let exit = wallet::call(2, GATEWAY, 5, withdraw(NATIVE, 5, bob(), 0));
    txs.extend([ask(1, bob()), exit, ask(3, GATEWAY)].map(|tx| wallet::sign(wallet::KEYS[0], tx)));
    let (block, traces) = traced_block(&mut world, &txs, json!({ "tracer": "callTracer" }));
    let [credit, first, exit, second] = traces.as_slice() else { panic!("{traces:?}") };
    assert_eq!((&credit["from"], &credit["to"]), (&json!(SYSTEM_CALLER), &json!(GATEWAY)));
    assert_eq!(first["output"], json!(B256::from(U256::from(7 * ETHER))), "credited before it");
    assert_eq!((&exit["to"], &exit["value"]), (&json!(GATEWAY), &json!("0x5")));
    assert_eq!(second["output"], json!(B256::ZERO), "the exit's native coin has left");
    for (trace, receipt) in traces.iter().zip(&block.receipts).skip(1) {
        assert_eq!(trace["gasUsed"], json!(U256::from(receipt.gas_used)));
    }
}

#[test]
fn the_prestate_tracer_shows_what_a_transfer_changes() {
    let mut world = World::funded();
    let transfer = wallet::sign(wallet::KEYS[0], wallet::call(0, bob(), 9, []));
    let before = world.balance(alice());
    let diff = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    let (_, traces) = traced_block(&mut world, &[transfer], diff);
    let key = |address: Address| address.to_string().to_lowercase();
    let (pre, post) = (&traces[0]["pre"], &traces[0]["post"]);
    assert_eq!(pre[key(alice())]["balance"], json!(before));
    assert_eq!(post[key(alice())]["balance"], json!(world.balance(alice())));
    assert_eq!(post[key(alice())]["nonce"], 1);
    assert_eq!(post[key(bob())]["balance"], "0x9");
    assert_eq!(pre[key(bob())], json!({ "balance": "0x0" }), "he had nothing");
}
