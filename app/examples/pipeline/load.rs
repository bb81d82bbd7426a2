//! The transactions of one run, signed beforehand.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use alloy_primitives::{Address, U256, keccak256};
use alloy_sol_types::SolCall as _;
use bytes::Bytes;
use mooring_bridge::contracts::TestToken;
use mooring_stf::testing::wallet;
use rayon::prelude::*;

use crate::world::{TOKEN, holder, key};
use crate::{Error, Result};

/// What each transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Native,
    Erc20,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Erc20 => "erc20",
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "native" => Ok(Self::Native),
            "erc20" => Ok(Self::Erc20),
            _ => Err(format!("no kind {word}").into()),
        }
    }
}

/// One transaction in so many goes to an account that did not exist.
const NEW_IN: u64 = 50;

fn path(dir: &Path) -> std::path::PathBuf {
    dir.join("load")
}

/// Signs transactions number `range` of the world's life and writes them to a file. Senders take
/// turns; recipients are anyone.
pub(crate) fn write(dir: &Path, kind: Kind, range: Range<u64>, senders: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(path(dir))?);
    let all: Vec<u64> = range.collect();
    for part in all.chunks(10_000) {
        let signed: Vec<_> = part.par_iter().map(|n| transaction(kind, *n, senders)).collect();
        for tx in signed {
            file.write_all(&u32::try_from(tx.len())?.to_be_bytes())?;
            file.write_all(&tx)?;
        }
    }
    Ok(file.flush()?)
}

fn transaction(kind: Kind, number: u64, senders: u64) -> alloy_primitives::Bytes {
    let (sender, nonce) = (number % senders, number / senders);
    let dice = keccak256(number.to_be_bytes());
    let low = |at: usize| dice[at..].first_chunk::<8>().copied().map_or(0, u64::from_be_bytes);
    let recipient = match low(0) % NEW_IN {
        0 => Address::from_word(dice),
        // Holders follow the senders in the world's numbers; ten times as many as senders.
        _ => holder(senders + low(8) % (senders * 9)),
    };
    let mut call = match kind {
        Kind::Native => wallet::call(nonce, recipient, 1, Vec::new()),
        Kind::Erc20 => {
            let data = TestToken::transferCall { to: recipient, value: U256::ONE }.abi_encode();
            wallet::call(nonce, TOKEN, 0, data)
        }
    };
    call.gas_limit = 100_000;
    wallet::sign(key(sender), call)
}

/// Reads the file block by block.
pub(crate) struct Blocks {
    file: BufReader<File>,
    size: u64,
}

impl Blocks {
    pub(crate) fn open(dir: &Path, size: u64) -> Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path(dir))?), size })
    }
}

impl Iterator for Blocks {
    type Item = Vec<Bytes>;

    fn next(&mut self) -> Option<Vec<Bytes>> {
        let mut block = Vec::new();
        for _ in 0..self.size {
            let mut length = [0; 4];
            if self.file.read_exact(&mut length).is_err() {
                break;
            }
            let mut tx = vec![0; u32::from_be_bytes(length) as usize];
            self.file.read_exact(&mut tx).ok()?;
            block.push(Bytes::from(tx));
        }
        (!block.is_empty()).then_some(block)
    }
}
