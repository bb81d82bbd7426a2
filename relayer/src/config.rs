//! The settings of a relayer: `relayer.toml` in its home.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::{Address, U256};
use alloy_signer_local::PrivateKeySigner;
use serde::{Deserialize, Serialize};

use crate::{RelayerError, keys};

/// The configuration's file name in the home.
pub const FILE: &str = "relayer.toml";

/// The settings of a relayer. Unknown keys are refused; a missing key takes its default. Paths are
/// relative to the home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelayerConfig {
    /// Where `/livez`, `/readyz`, `/metrics` and `/status` are served; loopback only.
    /// Default: 127.0.0.1:29545.
    pub listen: SocketAddr,
    /// The genesis document. Default: genesis.json.
    pub genesis: PathBuf,
    /// The member key's keystore (Web3 Secret Storage v3, mode 0600). Default: member.json.
    pub keystore: PathBuf,
    /// The file whose first line is the keystores' password (mode 0600). Default: password.
    pub password_file: PathBuf,
    /// The keystore of the key that pays for L1 gas. Default: the member key pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer_keystore: Option<PathBuf>,
    /// JSON-RPC URLs of independent L1 nodes; at least two unless the genesis document says `dev`.
    /// Default: none, one must be given.
    pub l1_endpoints: Vec<String>,
    /// JSON-RPC URLs of sidechain nodes, the own validator's first; the next is asked when one
    /// fails. Default: http://127.0.0.1:8545.
    pub sidechain_endpoints: Vec<String>,
    /// How often both chains are looked at, in milliseconds, at least 50. Default: 250.
    pub poll_ms: u64,
    /// The least fee for which an exit is claimed, by asset (the zero address is ETH), in the
    /// asset's smallest unit, as a decimal text. Default: none, so every exit is claimed.
    pub min_fee: BTreeMap<Address, U256>,
    /// The most that is paid for a unit of L1 gas, in gwei. Default: 200.
    pub max_fee_gwei: u64,
    /// The journal. Default: journal.sqlite.
    pub journal: PathBuf,
}

impl Default for RelayerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 29545)),
            genesis: "genesis.json".into(),
            keystore: "member.json".into(),
            password_file: "password".into(),
            payer_keystore: None,
            l1_endpoints: Vec::new(),
            sidechain_endpoints: vec!["http://127.0.0.1:8545".into()],
            poll_ms: 250,
            min_fee: BTreeMap::new(),
            max_fee_gwei: 200,
            journal: "journal.sqlite".into(),
        }
    }
}

impl RelayerConfig {
    /// Reads and checks the configuration of a home.
    ///
    /// # Errors
    /// When the file cannot be read, is not a configuration, or a value cannot be used.
    pub fn load(home: &Path) -> Result<Self, RelayerError> {
        let path = home.join(FILE);
        let text = fs::read_to_string(&path).map_err(|source| RelayerError::File {
            what: "read",
            path: path.clone(),
            source,
        })?;
        let bad = |reason: String| RelayerError::Config { path: path.clone(), reason };
        let config: Self = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
        config.check().map_err(bad)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.l1_endpoints.is_empty() {
            return Err("`l1_endpoints` is empty: give the URLs of L1 nodes".into());
        }
        if self.sidechain_endpoints.is_empty() {
            return Err("`sidechain_endpoints` is empty: give your validator's URL".into());
        }
        let mut unique = self.l1_endpoints.clone();
        unique.sort_unstable();
        unique.dedup();
        if unique.len() != self.l1_endpoints.len() {
            return Err(
                "an L1 endpoint is listed twice: two votes of one node are no agreement".into()
            );
        }
        if self.poll_ms < 50 {
            return Err("`poll_ms` is below 50".into());
        }
        if !self.listen.ip().is_loopback() {
            return Err(format!("`listen` is {}: only loopback is served", self.listen));
        }
        Ok(())
    }

    /// Writes a home that [`crate::run`] can start from: this configuration, the genesis document,
    /// the member key's keystore and its password. Nothing that exists is overwritten.
    ///
    /// # Errors
    /// When a file exists already or cannot be written.
    pub fn write_home(
        &self,
        home: &Path,
        genesis_json: &str,
        member: &PrivateKeySigner,
        password: &str,
    ) -> Result<(), RelayerError> {
        let [genesis, keystore, secret] =
            [&self.genesis, &self.keystore, &self.password_file].map(|file| home.join(file));
        let config = home.join(FILE);
        if let Some(path) = [&config, &genesis, &keystore, &secret].into_iter().find(|p| p.exists())
        {
            return Err(RelayerError::Exists { path: path.clone() });
        }
        keys::make_private_dir(home)?;
        keys::write_new(&genesis, genesis_json.as_bytes(), 0o644)?;
        keys::write_new(&secret, format!("{password}\n").as_bytes(), 0o600)?;
        keys::write_keystore(&keystore, member, password)?;
        keys::write_new(&config, self.to_toml().as_bytes(), 0o644)
    }

    /// The file's text, every key with what it means.
    fn to_toml(&self) -> String {
        let plain = toml::to_string(self).expect("plain values and text keys are TOML");
        let mut text = String::from("# A Mooring relayer. Paths are relative to this directory.\n");
        for line in plain.lines() {
            let key = line.split([' ', '=']).next().unwrap_or_default();
            if let Some((_, comment)) = COMMENTS.iter().find(|(name, _)| *name == key) {
                text.push_str(&format!("\n# {comment}\n"));
            }
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// How often both chains are looked at.
    pub const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// The most that is paid for a unit of L1 gas, in wei.
    pub fn max_fee_wei(&self) -> u128 {
        u128::from(self.max_fee_gwei).saturating_mul(1_000_000_000)
    }
}

/// What each key means, for the file that is written.
const COMMENTS: &[(&str, &str)] = &[
    ("listen", "Where /livez, /readyz, /metrics and /status are served (default 127.0.0.1:29545)."),
    ("genesis", "The genesis document (default genesis.json)."),
    ("keystore", "The member key, Web3 Secret Storage v3, mode 0600 (default member.json)."),
    ("password_file", "First line: the keystores' password, mode 0600 (default password)."),
    ("payer_keystore", "The key that pays L1 gas (default: the member key)."),
    ("l1_endpoints", "Independent L1 nodes; two must agree unless the genesis document says dev."),
    (
        "sidechain_endpoints",
        "Sidechain nodes, your validator first (default http://127.0.0.1:8545).",
    ),
    ("poll_ms", "Milliseconds between two looks at the chains (default 250, at least 50)."),
    ("max_fee_gwei", "The most paid for a unit of L1 gas, in gwei (default 200)."),
    ("journal", "The journal (default journal.sqlite)."),
    (
        "[min_fee]",
        "asset = \"least fee in its smallest unit\" to claim an exit (default: claim all).",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn usable() -> RelayerConfig {
        RelayerConfig { l1_endpoints: vec!["http://127.0.0.1:1".into()], ..Default::default() }
    }

    #[test]
    fn what_is_written_reads_back_and_is_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let mut config = usable();
        config.min_fee.insert(Address::ZERO, U256::from(7));
        let member = PrivateKeySigner::random();
        config.write_home(home.path(), "{}", &member, "secret").unwrap();
        assert_eq!(RelayerConfig::load(home.path()).unwrap(), config);
        let text = fs::read_to_string(home.path().join(FILE)).unwrap();
        assert!(text.contains("# Milliseconds between"));
        let key =
            keys::load_keystore(&home.path().join("member.json"), &home.path().join("password"));
        assert_eq!(key.unwrap().address(), member.address());
        let again = config.write_home(home.path(), "{}", &member, "secret");
        assert!(matches!(again, Err(RelayerError::Exists { .. })));
    }

    #[test]
    fn bad_settings_are_refused() {
        let bad = |change: &dyn Fn(&mut RelayerConfig)| {
            let mut config = usable();
            change(&mut config);
            config.check().is_err()
        };
        assert!(!bad(&|_| ()));
        assert!(bad(&|c| c.l1_endpoints.clear()));
        assert!(bad(&|c| c.l1_endpoints.push("http://127.0.0.1:1".into())));
        assert!(bad(&|c| c.sidechain_endpoints.clear()));
        assert!(bad(&|c| c.poll_ms = 0));
        assert!(bad(&|c| c.listen = SocketAddr::from(([0, 0, 0, 0], 1))));
        assert!(toml::from_str::<RelayerConfig>("pol_ms = 3").is_err());
    }
}
