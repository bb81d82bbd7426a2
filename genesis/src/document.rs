//! The genesis document.

use crate::{canonical, check, error::GenesisError, setup::Setup, strict};
use alloy_primitives::{Address, B256, keccak256};
use mooring_bridge::{Domain, MemberList};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the Vault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Section {
    /// Chain id of the L1.
    pub chain_id: u64,
    /// The Vault.
    pub vault: Address,
    /// The L1 block in which the Vault was created: no log of it is older.
    pub deploy_block: u64,
    /// That block's hash.
    pub block_hash: B256,
}

/// What only a pegged chain has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peg {
    /// Where the Vault is.
    pub l1: L1Section,
    /// What every signature is bound to.
    pub domain: Domain,
    /// The hot keys of epoch 1.
    pub members: MemberList,
    /// The recovery keys of epoch 1.
    pub recovery: MemberList,
}

/// A genesis document that keeps every rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    setup: Setup,
    peg: Option<Peg>,
}

/// The name of the L1 section in the document.
const L1: &str = "l1";

impl Genesis {
    /// Builds the document of a pegged chain.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn pegged(setup: Setup, l1: L1Section) -> Result<Self, GenesisError> {
        Self::new(setup, Some(l1))
    }

    /// Builds the document of a chain without a peg: the dev L1.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn unpegged(setup: Setup) -> Result<Self, GenesisError> {
        Self::new(setup, None)
    }

    /// Builds the document; `l1` must be there exactly if the fee rule is pegged.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn new(setup: Setup, l1: Option<L1Section>) -> Result<Self, GenesisError> {
        setup.check()?;
        check::l1(&setup, l1.as_ref())?;
        let peg = l1.map(|l1| Peg::new(&setup, l1)).transpose()?;
        Ok(Self { setup, peg })
    }

    /// Reads and checks a document.
    ///
    /// # Errors
    ///
    /// When the text is not a genesis document, or one of its rules is broken.
    pub fn parse(text: &str) -> Result<Self, GenesisError> {
        strict::check(text).map_err(GenesisError::Json)?;
        let mut document: Value = serde_json::from_str(text).map_err(GenesisError::Json)?;
        let l1 = document.as_object_mut().and_then(|map| map.remove(L1));
        let l1 = l1.map(serde_json::from_value).transpose().map_err(GenesisError::Json)?;
        let setup = serde_json::from_value(document).map_err(GenesisError::Json)?;
        Self::new(setup, l1)
    }

    /// The document without its L1 section.
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The peg, `None` on a chain without one.
    pub const fn peg(&self) -> Option<&Peg> {
        self.peg.as_ref()
    }

    /// What every signature of the peg is bound to, `None` on a chain without a peg.
    pub fn domain(&self) -> Option<Domain> {
        self.peg().map(|peg| peg.domain)
    }

    /// The hot keys of epoch 1, `None` on a chain without a peg.
    pub fn members(&self) -> Option<&MemberList> {
        self.peg().map(|peg| &peg.members)
    }

    /// `keccak256` of the setup's canonical JSON (spec 2.1).
    pub fn setup_hash(&self) -> B256 {
        self.setup.hash()
    }

    /// `keccak256` of the whole document's canonical JSON.
    pub fn hash(&self) -> B256 {
        keccak256(canonical::to_string(&self.value()))
    }

    /// The text to write to a file, for people; it parses to the same document.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.value())
            .expect("a document has text keys and plain values")
    }

    fn value(&self) -> Value {
        const PLAIN: &str = "a document has text keys and plain values";
        let mut value = serde_json::to_value(&self.setup).expect(PLAIN);
        if let (Some(peg), Some(map)) = (&self.peg, value.as_object_mut()) {
            map.insert(L1.to_owned(), serde_json::to_value(peg.l1).expect(PLAIN));
        }
        value
    }
}

impl Peg {
    fn new(setup: &Setup, l1: L1Section) -> Result<Self, GenesisError> {
        let domain = Domain {
            l1_chain_id: l1.chain_id,
            vault: l1.vault,
            sidechain_id: setup.chain_id,
            setup_hash: setup.hash(),
        };
        Ok(Self { l1, domain, members: setup.members()?, recovery: setup.recovery()? })
    }
}
