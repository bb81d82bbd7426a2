//! Everything that is signed, as EIP-712 structs (spec 2.4).

use crate::{
    domain::Domain,
    signature::{Signature, SignatureError},
    types::{Asset, Count, Epoch, Height},
    words::Words,
};
use alloy_primitives::{Address, B256, U256, keccak256};

/// A struct of EIP-712 with static fields only.
pub trait SignedStruct {
    /// The EIP-712 type, as in the spec.
    const TYPE: &'static str;

    /// The fields in order, each as its 32-byte word, concatenated.
    fn encode_data(&self) -> Vec<u8>;

    /// EIP-712 `hashStruct`.
    fn struct_hash(&self) -> B256 {
        let type_hash = keccak256(Self::TYPE);
        keccak256([type_hash.as_slice(), &self.encode_data()].concat())
    }

    /// What is signed.
    fn digest(&self, domain: &Domain) -> B256 {
        domain.digest(self.struct_hash())
    }

    /// Who signed this struct in this domain.
    ///
    /// # Errors
    ///
    /// When no key gives this signature for the digest.
    fn signer(&self, domain: &Domain, signature: &Signature) -> Result<Address, SignatureError> {
        signature.recover(self.digest(domain))
    }
}

/// Turns a field into a word.
trait Field: Copy {
    fn push(self, words: Words) -> Words;
}

macro_rules! field {
    ($($type:ty: |$words:ident, $value:ident| $push:expr;)*) => {
        $(impl Field for $type {
            fn push(self, $words: Words) -> Words {
                let $value = self;
                $push
            }
        })*
    };
}

field! {
    u64: |words, value| words.u64(value);
    bool: |words, value| words.flag(value);
    U256: |words, value| words.u256(value);
    B256: |words, value| words.b256(value);
    Address: |words, value| words.address(value);
    Epoch: |words, value| words.u64(value.get());
    Height: |words, value| words.u64(value.get());
    Count: |words, value| words.u64(value.get());
}

macro_rules! signed {
    ($(
        $(#[$doc:meta])*
        $name:ident = $type:literal {
            $($(#[$field_doc:meta])* $field:ident: $field_type:ty,)*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $field_type,)*
            }

            impl SignedStruct for $name {
                const TYPE: &'static str = $type;

                fn encode_data(&self) -> Vec<u8> {
                    let words = Words::new();
                    $(let words = self.$field.push(words);)*
                    words.into_vec()
                }
            }
        )*
    };
}

signed! {
    /// A head of the deposit log that a member has proven.
    DepositHead = "DepositHead(uint64 epoch,uint64 count,bytes32 acc)" {
        /// The epoch whose member signs.
        epoch: Epoch,
        /// How many leaves the log has.
        count: Count,
        /// The log's value after them.
        acc: B256,
    }

    /// The federation's statement about one sidechain block.
    Checkpoint = "Checkpoint(uint64 epoch,uint64 height,bytes32 blockHash,bytes32 stateRoot,uint64 exitCount,bytes32 exitRoot,uint64 creditedCount,bytes32 creditedAcc)" {
        /// The epoch whose members sign.
        epoch: Epoch,
        /// The block's height.
        height: Height,
        /// The block's Ethereum header hash.
        block_hash: B256,
        /// The state root after the block.
        state_root: B256,
        /// How many exits the tree holds after the block.
        exit_count: u64,
        /// The exit tree's root after the block.
        exit_root: B256,
        /// The last leaf credited.
        credited_count: Count,
        /// The deposit log's value after that leaf.
        credited_acc: B256,
    }

    /// A new member list, signed by the hot quorum of the epoch before.
    FederationUpdate = "FederationUpdate(uint64 epoch,uint64 firstHeight,bytes32 membersHash,bytes32 recoveryHash,uint256 totalPower)" {
        /// The new epoch.
        epoch: Epoch,
        /// The first height its members sign.
        first_height: Height,
        /// Hash of the member words.
        members_hash: B256,
        /// Hash of the recovery words.
        recovery_hash: B256,
        /// The list's total power.
        total_power: U256,
    }

    /// Recovery quorum: a pause lasts until `until`.
    PauseExtension = "PauseExtension(uint64 epoch,uint64 actionNonce,uint64 pauseId,uint64 until)" {
        /// The epoch whose recovery keys sign.
        epoch: Epoch,
        /// +1 for each act of the recovery quorum.
        action_nonce: u64,
        /// Which pause.
        pause_id: u64,
        /// L1 time in seconds.
        until: u64,
    }

    /// Recovery quorum: a pause ends.
    Unpause = "Unpause(uint64 epoch,uint64 actionNonce,uint64 pauseId)" {
        /// The epoch whose recovery keys sign.
        epoch: Epoch,
        /// +1 for each act of the recovery quorum.
        action_nonce: u64,
        /// Which pause.
        pause_id: u64,
    }

    /// Recovery quorum: a veto is lifted.
    VetoLift = "VetoLift(uint64 epoch,uint64 actionNonce,uint64 vetoId,bytes32 leafHash)" {
        /// The epoch whose recovery keys sign.
        epoch: Epoch,
        /// +1 for each act of the recovery quorum.
        action_nonce: u64,
        /// Which veto.
        veto_id: u64,
        /// The exit leaf that was vetoed.
        leaf_hash: B256,
    }

    /// Recovery quorum: a limit changes.
    ParameterChange = "ParameterChange(uint64 epoch,uint64 actionNonce,bytes32 parameter,address asset,uint256 value)" {
        /// The epoch whose recovery keys sign.
        epoch: Epoch,
        /// +1 for each act of the recovery quorum.
        action_nonce: u64,
        /// The parameter's name.
        parameter: B256,
        /// The asset that it is for.
        asset: Asset,
        /// The new value.
        value: U256,
    }

    /// Recovery quorum: a guardian comes or goes.
    GuardianChange = "GuardianChange(uint64 epoch,uint64 actionNonce,address guardian,bool active)" {
        /// The epoch whose recovery keys sign.
        epoch: Epoch,
        /// +1 for each act of the recovery quorum.
        action_nonce: u64,
        /// Who.
        guardian: Address,
        /// Whether it is a guardian from now on.
        active: bool,
    }

    /// Recovery quorum: the last checkpoint is struck.
    Strike = "Strike(uint64 epoch,uint64 actionNonce,bytes32 checkpointHash)" {
        /// The epoch whose recovery keys sign.
        epoch: Epoch,
        /// +1 for each act of the recovery quorum.
        action_nonce: u64,
        /// Struct hash of the checkpoint.
        checkpoint_hash: B256,
    }
}

impl Checkpoint {
    /// `keccak256(abi.encode(height, blockHash, stateRoot, creditedCount, creditedAcc))`: what the
    /// Vault keeps of the last accepted checkpoint beside its exit root.
    pub fn state_hash(&self) -> B256 {
        Words::new()
            .u64(self.height.get())
            .b256(self.block_hash)
            .b256(self.state_root)
            .u64(self.credited_count.get())
            .b256(self.credited_acc)
            .hash()
    }
}
