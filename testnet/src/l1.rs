//! The L1 of a testnet: anvil where it is found, else the built-in one, or somebody's URL.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{TestnetError, keys};

/// The chain id of every development L1: anvil's own default.
pub const CHAIN_ID: u64 = 31_337;

/// Which L1 was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum L1Choice {
    /// anvil when found, else the built-in one.
    Auto,
    /// anvil, or an error.
    Anvil,
    /// The dev engine of this binary, on the sidechain's own executor. Not Ethereum.
    Builtin,
    /// A development L1 that already runs.
    Url(String),
}

impl FromStr for L1Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "anvil" => Ok(Self::Anvil),
            "builtin" => Ok(Self::Builtin),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Self::Url(url.to_owned()))
            }
            other => Err(format!("`{other}` is not auto, anvil, builtin or an http(s) URL")),
        }
    }
}

/// The L1 that was taken, and how to start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Plan {
    /// `anvil`, `builtin` or `external`: the name in `network.json`.
    pub kind: &'static str,
    /// The command that serves it; none for somebody's URL.
    pub command: Option<Vec<String>>,
    /// Its JSON-RPC URL.
    pub rpc: String,
}

impl L1Choice {
    /// Decides. `mooring` is this binary, `home` where the built-in L1 keeps its state, `path` the
    /// search path for anvil.
    ///
    /// # Errors
    /// [`TestnetError::NoAnvil`] when anvil was asked for and is not on `PATH`.
    pub fn plan(
        &self,
        port: u16,
        mooring: &Path,
        home: &Path,
        path: &OsStr,
    ) -> Result<L1Plan, TestnetError> {
        let rpc = format!("http://127.0.0.1:{port}");
        match self {
            Self::Url(url) => Ok(L1Plan { kind: "external", command: None, rpc: url.clone() }),
            Self::Builtin => {
                Ok(L1Plan { kind: "builtin", command: Some(builtin_command(mooring, home)), rpc })
            }
            Self::Anvil => {
                let anvil = find_anvil(path).ok_or(TestnetError::NoAnvil)?;
                Ok(L1Plan { kind: "anvil", command: Some(anvil_command(&anvil, port)), rpc })
            }
            Self::Auto => match find_anvil(path) {
                Some(_) => Self::Anvil.plan(port, mooring, home, path),
                None => Self::Builtin.plan(port, mooring, home, path),
            },
        }
    }
}

/// anvil in a search path such as `PATH`.
pub fn find_anvil(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|dir| dir.join("anvil")).find(|file| file.is_file())
}

/// A block a second, and epochs of one slot: `finalized` trails the tip by two blocks. With
/// automine alone it would never move.
fn anvil_command(anvil: &Path, port: u16) -> Vec<String> {
    let accounts = keys::FUNDED.to_string();
    let port = port.to_string();
    [
        &anvil.to_string_lossy(),
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--block-time",
        "1",
        "--slots-in-an-epoch",
        "1",
        "--accounts",
        &accounts,
        "--mnemonic",
        keys::MNEMONIC,
    ]
    .map(str::to_owned)
    .to_vec()
}

fn builtin_command(mooring: &Path, home: &Path) -> Vec<String> {
    let home = home.to_string_lossy();
    [&mooring.to_string_lossy(), "node", "start", "--home", &home].map(str::to_owned).to_vec()
}
