//! The home directory, laid out as CometBFT's: `config/{genesis.json,node.toml,node_key.json,
//! priv_validator_key.json}` and `data/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mooring_genesis::{Genesis, GenesisError};
use mooring_malachite::{KeyError, NodeKey, PrivValidatorKey};

use crate::config::NodeConfig;

/// Why a home cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file cannot be read or written.
    #[error("access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// `node.toml` is not valid.
    #[error("read {}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The cause, with the line.
        source: Box<toml::de::Error>,
    },
    /// `genesis.json` is not a genesis document.
    #[error("read {}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<GenesisError>,
    },
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file that is never replaced exists already.
    #[error("{} exists already; use another home, or remove it yourself", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// Where a node keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The home at `path`. Nothing is read or made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `config/genesis.json`.
    pub fn genesis(&self) -> PathBuf {
        self.0.join("config/genesis.json")
    }

    /// `config/node.toml`.
    pub fn node_toml(&self) -> PathBuf {
        self.0.join("config/node.toml")
    }

    /// `config/node_key.json`: the network identity.
    pub fn node_key(&self) -> PathBuf {
        self.0.join("config/node_key.json")
    }

    /// `config/priv_validator_key.json`: the consensus key; absent on a node that only follows.
    pub fn validator_key(&self) -> PathBuf {
        self.0.join("config/priv_validator_key.json")
    }

    /// `data/priv_validator_state.json`: the double-sign guard.
    pub fn guard(&self) -> PathBuf {
        self.0.join("data/priv_validator_state.json")
    }

    /// `data/chain`: the database.
    pub fn database(&self) -> PathBuf {
        self.0.join("data/chain")
    }

    /// `data/replay`: the state that a replay builds, while it runs.
    pub fn replay(&self) -> PathBuf {
        self.0.join("data/replay")
    }

    /// `data/snapshots`: the node's snapshots, a directory each.
    pub fn snapshots(&self) -> PathBuf {
        self.0.join("data/snapshots")
    }

    /// `data/mempool`: what the pool holds, for the next start.
    pub fn mempool(&self) -> PathBuf {
        self.0.join("data/mempool")
    }

    /// `data/engine`: the engine's write-ahead log.
    pub fn engine(&self) -> PathBuf {
        self.0.join("data/engine")
    }

    /// Reads `node.toml`; a missing file is all defaults.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has an unknown key.
    pub fn load_config(&self) -> Result<NodeConfig, HomeError> {
        let path = self.node_toml();
        match fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|e| HomeError::Toml { path, source: Box::new(e) })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(NodeConfig::default()),
            Err(source) => Err(HomeError::Io { path, source }),
        }
    }

    /// Writes `node.toml` with every key explained, replacing it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_config(&self, config: &NodeConfig) -> Result<(), HomeError> {
        write(&self.node_toml(), &config.to_toml())
    }

    /// Reads and checks `genesis.json`.
    ///
    /// # Errors
    /// The file cannot be read, or is no genesis document.
    pub fn load_genesis(&self) -> Result<Genesis, HomeError> {
        let path = self.genesis();
        match fs::read_to_string(&path) {
            Ok(text) => {
                Genesis::parse(&text).map_err(|e| HomeError::Genesis { path, source: Box::new(e) })
            }
            Err(source) => Err(HomeError::Io { path, source }),
        }
    }

    /// Makes the files of a new home. Nothing that exists is replaced.
    ///
    /// # Errors
    /// One of the files exists, or cannot be written.
    pub fn init(
        &self,
        genesis: &Genesis,
        config: &NodeConfig,
        keys: &HomeKeys,
    ) -> Result<(), HomeError> {
        let files = [self.genesis(), self.node_toml(), self.node_key(), self.validator_key()];
        if let Some(path) = files.into_iter().find(|path| path.exists()) {
            return Err(HomeError::Exists { path });
        }
        write(&self.genesis(), &genesis.to_json())?;
        self.save_config(config)?;
        keys.node.save(&self.node_key())?;
        if let Some(validator) = &keys.validator {
            validator.save(&self.validator_key())?;
        }
        let data = self.0.join("data");
        fs::create_dir_all(&data).map_err(|source| HomeError::Io { path: data, source })
    }
}

/// The keys of a new home.
#[derive(Clone, Debug)]
pub struct HomeKeys {
    /// The network identity.
    pub node: NodeKey,
    /// The consensus key; `None` for a node that only follows.
    pub validator: Option<PrivValidatorKey>,
}

fn write(path: &Path, text: &str) -> Result<(), HomeError> {
    let io = |source| HomeError::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    fs::write(path, text).map_err(io)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use mooring_genesis::{Engine, FeeRule, Setup};

    use super::*;

    fn genesis() -> Genesis {
        let setup = Setup { fee_rule: FeeRule::Ethereum, ..Setup::new(31337, Engine::Dev, 0) };
        Genesis::unpegged(setup).unwrap()
    }

    #[test]
    fn a_new_home_reads_back_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        let keys = HomeKeys {
            node: NodeKey::generate([1; 32]),
            validator: Some(PrivValidatorKey::generate([2; 32])),
        };
        let config = NodeConfig { moniker: "a".to_owned(), ..NodeConfig::default() };
        home.init(&genesis(), &config, &keys).unwrap();
        assert_eq!(home.load_genesis().unwrap(), genesis());
        assert_eq!(home.load_config().unwrap(), config);
        let key = PrivValidatorKey::load(&home.validator_key()).unwrap();
        assert_eq!(key.public_key(), PrivValidatorKey::generate([2; 32]).public_key());
        let again = home.init(&genesis(), &config, &keys);
        assert!(matches!(again, Err(HomeError::Exists { .. })), "{again:?}");
    }

    #[test]
    fn a_home_without_node_toml_has_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Home::new(dir.path()).load_config().unwrap(), NodeConfig::default());
    }
}
