//! `bridge/vectors.json`: the encodings that Rust and Solidity must share.
//!
//! `UPDATE_VECTORS=1 cargo test -p mooring-bridge vectors` writes it anew. A difference means that
//! an encoding changed, which a live chain does not survive.

use alloy_primitives::{Address, B256, Bytes, U256, address, hex, keccak256};
use mooring_bridge::{
    Checkpoint, Count, DepositHead, Domain, Epoch, Exit, ExitIndex, FederationMessage,
    FederationUpdate, Frontier, Head, Height, Leaf, Member, MemberList, NATIVE, Signature,
    SignedStruct, SystemTx, addresses,
    apphash::{self, AppState, Validator},
    contracts,
    deposit::{self, Deposit, EpochRecord, TokenMetadata},
    exit::{self, NodeReader},
    federation::{CheckpointVote, HeadVote, UpdateVote},
    signed::{GuardianChange, ParameterChange, PauseExtension, Strike, Unpause, VetoLift},
    system_tx::Cause,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors.json");
const TOKEN: Address = address!("0x00000000000000000000000000000000000a11ce");

fn domain() -> Domain {
    Domain {
        l1_chain_id: 31337,
        vault: address!("0x5fbdb2315678afecb367f032d93f642f64180aa3"),
        sidechain_id: 42155,
        setup_hash: keccak256("setup"),
    }
}

fn user(index: u8) -> Address {
    Address::repeat_byte(0x10 + index)
}

fn text(name: &str) -> B256 {
    B256::right_padding_from(name.as_bytes())
}

fn leaves() -> Vec<Leaf> {
    let deposit = |count, asset, amount: U256, gas_wei: U256| {
        Leaf::Deposit(Deposit {
            count: Count::new(count),
            asset,
            sender: user(1),
            recipient: user(2),
            amount,
            gas_wei,
            refund_to: user(3),
        })
    };
    let record =
        EpochRecord { count: Count::new(4), epoch: Epoch::new(2), members_hash: members().hash() };
    vec![
        deposit(1, NATIVE, U256::from(10).pow(U256::from(18)), U256::ZERO),
        Leaf::TokenMetadata(TokenMetadata {
            count: Count::new(2),
            asset: TOKEN,
            name: text("Tökén"),
            symbol: text("TKN"),
            decimals: 6,
        }),
        deposit(3, TOKEN, U256::from(2_500_000), U256::from(7)),
        Leaf::EpochRecord(record),
        deposit(5, TOKEN, U256::MAX, U256::MAX),
    ]
}

fn leaf_json(leaf: &Leaf) -> Value {
    let mut fields = match leaf {
        Leaf::Deposit(leaf) => json!({
            "kind": "1",
            "asset": leaf.asset,
            "sender": leaf.sender,
            "recipient": leaf.recipient,
            "amount": dec(leaf.amount),
            "gasWei": dec(leaf.gas_wei),
            "refundTo": leaf.refund_to,
        }),
        Leaf::TokenMetadata(leaf) => json!({
            "kind": "2",
            "asset": leaf.asset,
            "name": leaf.name,
            "symbol": leaf.symbol,
            "decimals": leaf.decimals.to_string(),
        }),
        Leaf::EpochRecord(leaf) => json!({
            "kind": "3",
            "epoch": leaf.epoch.to_string(),
            "membersHash": leaf.members_hash,
        }),
    };
    fields["count"] = leaf.count().to_string().into();
    fields["encoded"] = hex::encode_prefixed(leaf.encode()).into();
    fields["hash"] = json!(leaf.hash());
    fields
}

fn dec(value: U256) -> String {
    value.to_string()
}

fn accs() -> Vec<B256> {
    let mut head = Head { count: Count::ZERO, acc: domain().acc_0() };
    let mut accs = vec![head.acc];
    for leaf in leaves() {
        head = head.extend(&leaf).unwrap();
        accs.push(head.acc);
    }
    accs
}

fn exits() -> Vec<Exit> {
    (0..9)
        .map(|index| Exit {
            index: ExitIndex::new(index),
            asset: if index % 2 == 0 { NATIVE } else { TOKEN },
            recipient: user(index as u8),
            amount: U256::from(1_000 + index),
            fee: U256::from(index),
        })
        .collect()
}

#[derive(Default)]
struct Nodes(BTreeMap<(usize, u64), B256>);

impl NodeReader for Nodes {
    fn node(&self, level: usize, index: u64) -> Option<B256> {
        self.0.get(&(level, index)).copied()
    }
}

fn exit_roots() -> (Vec<Value>, Nodes) {
    let mut frontier = Frontier::default();
    let mut nodes = Nodes::default();
    let mut roots = vec![json!({ "count": "0", "root": frontier.root() })];
    for exit in exits() {
        for node in frontier.append(exit.leaf()).unwrap() {
            nodes.0.insert((node.level, node.index), node.hash);
        }
        roots.push(json!({ "count": frontier.count().to_string(), "root": frontier.root() }));
    }
    (roots, nodes)
}

fn exit_proofs(nodes: &Nodes) -> Vec<Value> {
    let wanted = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 5), (4, 5), (6, 7), (7, 8), (0, 9), (8, 9)];
    wanted
        .iter()
        .map(|&(index, count)| {
            let proof = exit::proof(nodes, ExitIndex::new(index), count).unwrap();
            json!({ "index": index.to_string(), "count": count.to_string(), "proof": proof })
        })
        .collect()
}

fn head_struct() -> DepositHead {
    DepositHead { epoch: Epoch::new(1), count: Count::new(5), acc: accs()[5] }
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        epoch: Epoch::new(1),
        height: Height::new(1_234),
        block_hash: keccak256("block"),
        state_root: keccak256("state"),
        exit_count: 9,
        exit_root: keccak256("exits"),
        credited_count: Count::new(3),
        credited_acc: accs()[3],
    }
}

fn update() -> FederationUpdate {
    FederationUpdate {
        epoch: Epoch::new(2),
        first_height: Height::new(5_000),
        members_hash: members().hash(),
        recovery_hash: keccak256("recovery"),
        total_power: U256::from(members().total()),
    }
}

fn signed_json<S: SignedStruct>(signed: &S) -> Value {
    let (name, fields) = S::TYPE.trim_end_matches(')').split_once('(').unwrap();
    let mut json = Map::new();
    json.insert("type".into(), name.into());
    let data = signed.encode_data();
    for (field, word) in fields.split(',').zip(data.chunks_exact(32)) {
        let (kind, name) = field.split_once(' ').unwrap();
        let word = B256::from_slice(word);
        let value = match kind {
            "bytes32" => json!(word),
            "address" => json!(Address::from_word(word)),
            "bool" => json!(!word.is_zero()),
            _ => dec(word.into()).into(),
        };
        json.insert(name.into(), value);
    }
    json.insert("structHash".into(), json!(signed.struct_hash()));
    json.insert("digest".into(), json!(signed.digest(&domain())));
    Value::Object(json)
}

fn signed() -> Vec<Value> {
    let (epoch, action_nonce) = (Epoch::new(3), 4);
    vec![
        signed_json(&head_struct()),
        signed_json(&checkpoint()),
        signed_json(&update()),
        signed_json(&PauseExtension { epoch, action_nonce, pause_id: 5, until: 1_800_000_000 }),
        signed_json(&Unpause { epoch, action_nonce, pause_id: 5 }),
        signed_json(&VetoLift { epoch, action_nonce, veto_id: 6, leaf_hash: keccak256("leaf") }),
        signed_json(&ParameterChange {
            epoch,
            action_nonce,
            parameter: text("floor"),
            asset: TOKEN,
            value: U256::from(77),
        }),
        signed_json(&GuardianChange { epoch, action_nonce, guardian: user(4), active: true }),
        signed_json(&Strike { epoch, action_nonce, checkpoint_hash: checkpoint().struct_hash() }),
    ]
}

fn members() -> MemberList {
    let member = |index: u8| Member { address: user(index), power: 100 + u128::from(index) };
    MemberList::new((0..4).map(member).collect()).unwrap()
}

/// A signature that parses; whose it is does not matter for an encoding.
fn signature() -> Signature {
    let mut bytes = [0x22; 65];
    bytes[64] = 28;
    Signature::parse(&bytes).unwrap()
}

fn federation() -> Vec<Value> {
    let messages = [
        FederationMessage::HeadVote(HeadVote { head: head_struct(), signature: signature() }),
        FederationMessage::Delivery(leaves()),
        FederationMessage::CheckpointVote(CheckpointVote {
            epoch: Epoch::new(1),
            height: Height::new(1_234),
            signature: signature(),
        }),
        FederationMessage::UpdateVote(UpdateVote { update: update(), signature: signature() }),
    ];
    messages
        .iter()
        .map(|message| {
            let encoded = message.encode();
            assert_eq!(FederationMessage::decode(&encoded).as_ref(), Ok(message));
            json!({ "encoded": hex::encode_prefixed(&encoded), "hash": message.hash() })
        })
        .collect()
}

fn system_tx() -> Vec<Value> {
    let data = Bytes::from_static(&[1, 2, 3, 4]);
    [("credit", Cause::Credit, U256::from(10)), ("bounce", Cause::Bounce, U256::ZERO)]
        .into_iter()
        .map(|(name, cause, mint)| {
            let transaction = SystemTx::new(cause, accs()[1], mint, data.clone());
            let encoded = transaction.encode();
            assert_eq!(SystemTx::decode(&encoded).as_ref(), Ok(&transaction));
            json!({
                "cause": name,
                "acc": accs()[1],
                "sourceHash": transaction.source_hash,
                "mint": dec(mint),
                "data": data,
                "encoded": hex::encode_prefixed(encoded),
                "hash": transaction.hash(),
            })
        })
        .collect()
}

fn app_hash() -> Value {
    let validators: Vec<_> = [10, 30, 10, 20]
        .iter()
        .zip(0u8..)
        .map(|(&power, index)| Validator { public_key: B256::repeat_byte(index + 1), power })
        .collect();
    let state = AppState {
        chain_id: 42155,
        height: Height::new(9),
        header_hash: keccak256("header"),
        exit_root: keccak256("exits"),
        exit_count: 3,
        validators_hash: apphash::validators_hash(&validators),
    };
    let validators: Vec<_> = validators
        .iter()
        .map(|validator| {
            json!({
                "publicKey": validator.public_key,
                "power": validator.power.to_string(),
                "address": hex::encode_prefixed(apphash::consensus_address(validator.public_key)),
            })
        })
        .collect();
    json!({
        "chainId": "42155",
        "height": "9",
        "headerHash": state.header_hash,
        "exitRoot": state.exit_root,
        "exitCount": "3",
        "validators": validators,
        "validatorsHash": state.validators_hash,
        "hash": state.hash(),
        "mixHash": apphash::mix_hash(keccak256("parent"), 9),
    })
}

fn vectors() -> Value {
    let domain = domain();
    let (exit_roots, nodes) = exit_roots();
    let exits: Vec<_> = exits()
        .iter()
        .map(|exit| {
            json!({
                "index": exit.index.to_string(),
                "asset": exit.asset,
                "recipient": exit.recipient,
                "amount": dec(exit.amount),
                "fee": dec(exit.fee),
                "leaf": exit.leaf(),
            })
        })
        .collect();
    json!({
        "domain": {
            "chainId": domain.l1_chain_id.to_string(),
            "vault": domain.vault,
            "sidechainId": domain.sidechain_id.to_string(),
            "setupHash": domain.setup_hash,
            "salt": domain.salt(),
            "separator": domain.separator(),
        },
        "leaves": leaves().iter().map(leaf_json).collect::<Vec<_>>(),
        "acc": accs(),
        "head_slots": { "count": deposit::HEAD_COUNT_SLOT, "acc": deposit::HEAD_ACC_SLOT },
        "exits": exits,
        "exit_roots": exit_roots,
        "exit_proofs": exit_proofs(&nodes),
        "signed": signed(),
        "checkpoint_state_hash": checkpoint().state_hash(),
        "members": {
            "words": members().words(),
            "hash": members().hash(),
            "total": members().total().to_string(),
        },
        "federation": federation(),
        "system_tx": system_tx(),
        "wrapped": {
            "l1ChainId": domain.l1_chain_id.to_string(),
            "token": TOKEN,
            "salt": addresses::wrapped_salt(domain.l1_chain_id, TOKEN),
            "initCodeHash": contracts::WRAPPED_INIT_CODE_HASH,
            "address": addresses::wrapped_token(domain.l1_chain_id, TOKEN),
        },
        "app_hash": app_hash(),
    })
}

#[test]
fn encodings_are_the_committed_ones() {
    let current = vectors();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(PATH, format!("{current:#}\n")).unwrap();
    }
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap();
    for (name, value) in current.as_object().unwrap() {
        assert_eq!(
            committed[name], *value,
            "bridge/vectors.json differs in `{name}`: an encoding changed; if it was meant to, \
             run with UPDATE_VECTORS=1"
        );
    }
    assert_eq!(committed, current);
}
