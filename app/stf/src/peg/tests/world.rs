//! A federation with its keys, a deposit log, and slots in memory.

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_primitives::{Address, B256, U256, keccak256};
use mooring_bridge::{
    Asset, Count, DepositHead, Epoch, Exit, ExitIndex, FederationMessage, Head, Height, Leaf,
    Member, MemberList, NATIVE, Signature, SignedStruct,
    deposit::{Deposit, EpochRecord, TokenMetadata},
    domain::Domain,
    federation::{CheckpointVote, HeadVote},
    slots,
};

use crate::{
    Fault,
    params::PegParams,
    peg::{Peg, PegError, ReadSlots, Refused, Slots, check, view},
};

pub(super) const HEARTBEAT_SECS: u64 = 1_000;
pub(super) const RENEW_BLOCKS: u64 = 8;
pub(super) const TOKEN: Asset = Address::repeat_byte(0x70);

/// Slots in memory; a zero word is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MapSlots(pub(super) BTreeMap<U256, U256>);

impl ReadSlots for MapSlots {
    fn get(&self, slot: U256) -> Result<U256, Fault> {
        Ok(self.0.get(&slot).copied().unwrap_or_default())
    }
}

impl Slots for MapSlots {
    fn set(&mut self, slot: U256, value: U256) {
        if value.is_zero() {
            self.0.remove(&slot);
        } else {
            self.0.insert(slot, value);
        }
    }
}

/// A chain's peg, and the keys that its members would keep to themselves.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) params: PegParams,
    pub(super) slots: MapSlots,
    pub(super) members: MemberList,
    /// Secret keys in list order; the last one belongs to no member.
    keys: Vec<B256>,
}

impl World {
    /// A peg at genesis; member i of the list has power `powers[i]`.
    pub(super) fn new(powers: &[u128]) -> Self {
        let domain = Domain {
            l1_chain_id: 31_337,
            vault: Address::repeat_byte(0xaa),
            sidechain_id: 42_155,
            setup_hash: B256::repeat_byte(0x11),
        };
        let params =
            PegParams { domain, heartbeat_secs: HEARTBEAT_SECS, renew_blocks: RENEW_BLOCKS };
        let mut keys: Vec<B256> =
            (0..powers.len()).map(|index| keccak256(format!("member {index}"))).collect();
        keys.sort_by_key(|key| address(*key));
        let list = |addresses: Vec<Address>| {
            let member = |(address, power): (Address, &u128)| Member { address, power: *power };
            MemberList::sorted(addresses.into_iter().zip(powers).map(member).collect()).unwrap()
        };
        let members = list(keys.iter().map(|key| address(*key)).collect());
        let recovery = list((1..=powers.len()).map(recovery_address).collect());
        keys.push(keccak256("outsider"));
        let mut world = Self { params, slots: MapSlots::default(), members, keys };
        let members = world.members.clone();
        world.peg().genesis(&members, &recovery).unwrap();
        world
    }

    pub(super) fn peg(&mut self) -> Peg<'_, MapSlots> {
        Peg::new(&self.params, &mut self.slots)
    }

    /// Address of a signer, the outsider included.
    pub(super) fn address(&self, signer: usize) -> Address {
        address(self.keys[signer])
    }

    pub(super) fn sign(&self, signer: usize, statement: &impl SignedStruct) -> Signature {
        let digest = statement.digest(&self.params.domain);
        sign_message(self.keys[signer], digest).unwrap().try_into().unwrap()
    }

    pub(super) fn head_vote(&self, signer: usize, epoch: u64, head: Head) -> FederationMessage {
        let head = DepositHead { epoch: Epoch::new(epoch), count: head.count, acc: head.acc };
        FederationMessage::HeadVote(HeadVote { head, signature: self.sign(signer, &head) })
    }

    /// A vote for the record that the chain keeps of `height`.
    pub(super) fn checkpoint_vote(&self, signer: usize, height: u64) -> FederationMessage {
        let views = view::checkpoints(&self.slots).unwrap();
        let view = views.iter().find(|view| view.checkpoint.height.get() == height).unwrap();
        FederationMessage::CheckpointVote(CheckpointVote {
            epoch: view.checkpoint.epoch,
            height: view.checkpoint.height,
            signature: self.sign(signer, &view.checkpoint),
        })
    }

    /// Applies a message; checks that the check agrees, and that a refused one changed nothing.
    pub(super) fn apply(&mut self, message: &FederationMessage) -> Result<(), Refused> {
        let before = self.slots.clone();
        let checked = refusal(check(&self.params, &self.slots, message));
        let applied = refusal(self.peg().apply(message));
        assert_eq!(checked, applied);
        assert_eq!(applied.is_err(), self.slots == before, "refused if and only if unchanged");
        applied
    }

    pub(super) fn vote_head(&mut self, signer: usize, head: Head) -> Result<(), Refused> {
        let message = self.head_vote(signer, 1, head);
        self.apply(&message)
    }

    pub(super) fn vote_checkpoint(&mut self, signer: usize, height: u64) -> Result<(), Refused> {
        let message = self.checkpoint_vote(signer, height);
        self.apply(&message)
    }

    /// All members vote until `head` is accepted.
    pub(super) fn accept(&mut self, head: Head) {
        for signer in 0..self.members.len() {
            if self.heads().accepted != head {
                self.vote_head(signer, head).unwrap();
            }
        }
        assert_eq!(self.heads().accepted, head);
    }

    pub(super) fn heads(&self) -> view::DepositHeads {
        view::deposit_heads(&self.slots).unwrap()
    }

    pub(super) fn acc_0(&self) -> B256 {
        self.params.domain.acc_0()
    }

    /// The block `height`: its parent completes, then `exits` are made, then it ends.
    pub(super) fn block(&mut self, height: u64, timestamp: u64, exits: u64) {
        let parent = Height::new(height - 1);
        let (hash, root) = (block_hash(height - 1), state_root(height - 1));
        self.peg().complete_record(parent, hash, root).unwrap();
        for _ in 0..exits {
            self.exit(NATIVE, U256::from(5));
        }
        self.peg().end_block(Height::new(height), timestamp).unwrap();
    }

    pub(super) fn exit(&mut self, asset: Asset, amount: U256) -> Exit {
        let index = ExitIndex::new(self.peg().exit_head().unwrap().count);
        let exit =
            Exit { index, asset, recipient: Address::repeat_byte(7), amount, fee: U256::ZERO };
        self.peg().append_exit(&exit).unwrap();
        exit
    }

    /// Heights of the records kept, and of the one with quorum.
    pub(super) fn named(&self) -> (Vec<u64>, Option<u64>) {
        let views = view::checkpoints(&self.slots).unwrap();
        let first = self.slots.get(slots::ckpt_first()).unwrap();
        assert_eq!(U256::from(views.first().map_or(0, |view| view.index)), first);
        let height = |view: &view::CheckpointView| view.checkpoint.height.get();
        (views.iter().map(height).collect(), views.iter().find(|view| view.quorum).map(height))
    }

    /// Every slot in use belongs to something that the views show.
    pub(super) fn assert_no_stale_slots(&self) {
        let live = self.live_slots();
        let stale: Vec<_> = self.slots.0.keys().filter(|slot| !live.contains(*slot)).collect();
        assert!(stale.is_empty(), "stale slots {stale:x?}");
    }

    fn live_slots(&self) -> BTreeSet<U256> {
        let epoch = Epoch::new(1);
        let mut live = BTreeSet::from([
            slots::epoch(),
            slots::epoch_size(epoch),
            slots::epoch_total(epoch),
            slots::epoch_first(epoch),
            slots::accepted_count(),
            slots::accepted_acc(),
            slots::accepted_first(),
            slots::accepted_next(),
            slots::delivered_count(),
            slots::delivered_acc(),
            slots::credited_count(),
            slots::credited_acc(),
            slots::exit_count(),
            slots::exit_root(),
            slots::ckpt_first(),
            slots::ckpt_next(),
            slots::ckpt_quorum(),
            slots::destroyed(),
            slots::halted(),
        ]);
        for asset in [NATIVE, TOKEN] {
            live.extend([slots::asset_credited(asset), slots::asset_exited(asset)]);
        }
        for member in 0..self.members.len() {
            live.extend([slots::epoch_member(epoch, member), slots::epoch_recovery(epoch, member)]);
        }
        live.extend((0..32).map(slots::exit_frontier));
        self.live_queues(&mut live);
        self.live_votes(&mut live);
        live
    }

    fn live_queues(&self, live: &mut BTreeSet<U256>) {
        let first = self.slots.get(slots::accepted_first()).unwrap().to::<u64>();
        let next = self.slots.get(slots::accepted_next()).unwrap().to::<u64>();
        for index in first..next {
            live.extend([slots::accepted_count_at(index), slots::accepted_acc_at(index)]);
        }
        let heads = self.heads();
        for count in heads.credited.count.get() + 1..=heads.delivered.count.get() {
            live.extend((0..8).map(|word| slots::queue(Count::new(count), word)));
        }
    }

    fn live_votes(&self, live: &mut BTreeSet<U256>) {
        for open in view::open_heads(&self.slots).unwrap() {
            let member = self.members.index_of(open.opener).unwrap();
            let slots = [slots::head_count, slots::head_acc, slots::head_votes];
            live.extend(slots.map(|slot| slot(member)));
        }
        for view in view::checkpoints(&self.slots).unwrap() {
            let slots = [
                slots::ckpt_height,
                slots::ckpt_epoch,
                slots::ckpt_time,
                slots::ckpt_block,
                slots::ckpt_state,
                slots::ckpt_exits,
                slots::ckpt_exitroot,
                slots::ckpt_credited,
                slots::ckpt_acc,
                slots::ckpt_votes,
            ];
            live.extend(slots.map(|slot| slot(view.index)));
            for (signer, _) in view.signatures {
                let member = self.members.index_of(signer).unwrap();
                live.extend([
                    slots::ckpt_r(view.index, member),
                    slots::ckpt_vs(view.index, member),
                ]);
            }
        }
    }
}

/// The refusal of an outcome that is no fault.
pub(super) fn refusal(outcome: Result<(), PegError>) -> Result<(), Refused> {
    outcome.map_err(|error| match error {
        PegError::Refused(refused) => refused,
        PegError::Fault(fault) => panic!("fault: {fault:?}"),
    })
}

pub(super) fn block_hash(height: u64) -> B256 {
    keccak256(format!("block {height}"))
}

pub(super) fn state_root(height: u64) -> B256 {
    keccak256(format!("state {height}"))
}

fn address(key: B256) -> Address {
    let digest = keccak256("who is it");
    let signature = Signature::try_from(sign_message(key, digest).unwrap()).unwrap();
    signature.recover(digest).unwrap()
}

fn recovery_address(number: usize) -> Address {
    Address::from_word(U256::from(number).into())
}

/// Leaf `count` of the log, of each kind in turn: deposits of ETH and of a token with gas, token
/// metadata, an epoch record.
pub(super) fn leaf(count: u64) -> Leaf {
    let number = Count::new(count);
    match count % 4 {
        1 => deposit(count, NATIVE, U256::from(100 + count), U256::ZERO),
        2 => deposit(count, TOKEN, U256::from(1_000 + count), U256::from(count)),
        3 => Leaf::TokenMetadata(TokenMetadata {
            count: number,
            asset: TOKEN,
            name: B256::right_padding_from(b"Token"),
            symbol: B256::right_padding_from(b"TKN"),
            decimals: 6,
        }),
        _ => Leaf::EpochRecord(EpochRecord {
            count: number,
            epoch: Epoch::new(count),
            members_hash: keccak256("members"),
        }),
    }
}

pub(super) fn deposit(count: u64, asset: Asset, amount: U256, gas_wei: U256) -> Leaf {
    Leaf::Deposit(Deposit {
        count: Count::new(count),
        asset,
        sender: Address::repeat_byte(1),
        recipient: Address::repeat_byte(2),
        amount,
        gas_wei,
        refund_to: Address::repeat_byte(3),
    })
}

/// Leaves `from..=to` of the log.
pub(super) fn leaves(from: u64, to: u64) -> Vec<Leaf> {
    (from..=to).map(leaf).collect()
}

/// The log's head after leaf `count`.
pub(super) fn head(acc_0: B256, count: u64) -> Head {
    let empty = Head { count: Count::ZERO, acc: acc_0 };
    empty.extend_all(&leaves(1, count)).unwrap()
}
