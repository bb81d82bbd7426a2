//! Keys at rest: encrypted keystores (Web3 Secret Storage v3) and the file with their password.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use alloy_signer::k256::elliptic_curve::rand_core::OsRng;
use alloy_signer_local::PrivateKeySigner;

use crate::RelayerError;

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

/// Opens a keystore with the password in the first line of `password_file`.
///
/// # Errors
/// When either file is missing or open to others, or the password does not fit.
pub(crate) fn load_keystore(
    path: &Path,
    password_file: &Path,
) -> Result<PrivateKeySigner, RelayerError> {
    refuse_exposed(path)?;
    refuse_exposed(password_file)?;
    let text = fs::read_to_string(password_file).map_err(|e| file("read", password_file, e))?;
    let password = text.lines().next().unwrap_or_default();
    PrivateKeySigner::decrypt_keystore(path, password).map_err(|error| RelayerError::Keystore {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// Writes a key as a new keystore that only the owner can read.
pub(crate) fn write_keystore(
    path: &Path,
    key: &PrivateKeySigner,
    password: &str,
) -> Result<(), RelayerError> {
    let bad = |reason: String| RelayerError::Keystore { path: path.to_owned(), reason };
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(dir), Some(name)) = (path.parent(), name) else {
        return Err(bad("not a file name".into()));
    };
    // Made first with the right mode, so that the key is never readable by others.
    write_new(path, b"", 0o600)?;
    PrivateKeySigner::encrypt_keystore(dir, &mut OsRng, key.to_bytes(), password, Some(name))
        .map_err(|error| bad(error.to_string()))?;
    Ok(())
}

/// Makes a directory that only the owner enters; one that exists is left as it is.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), RelayerError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| file("make", path, error))
}

/// Writes a file that must not exist yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), RelayerError> {
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = open.and_then(|mut out| out.write_all(bytes).and_then(|()| out.sync_all()));
    written.map_err(|error| file("write", path, error))
}

fn refuse_exposed(path: &Path) -> Result<(), RelayerError> {
    let about = fs::metadata(path).map_err(|error| file("read", path, error))?;
    let mode = about.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(RelayerError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

fn file(what: &'static str, path: &Path, source: std::io::Error) -> RelayerError {
    RelayerError::File { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposed_or_wrong_secrets_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (key, secret) = (dir.path().join("key.json"), dir.path().join("password"));
        let signer = PrivateKeySigner::random();
        write_keystore(&key, &signer, "one").unwrap();
        write_new(&secret, b"one\n", 0o600).unwrap();
        assert_eq!(load_keystore(&key, &secret).unwrap(), signer);

        for path in [&key, &secret] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
            let error = load_keystore(&key, &secret).unwrap_err();
            assert!(matches!(&error, RelayerError::Exposed { mode: 0o640, .. }), "{error}");
            assert!(error.to_string().contains("chmod 600"));
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::write(&secret, "two").unwrap();
        assert!(matches!(load_keystore(&key, &secret), Err(RelayerError::Keystore { .. })));
    }
}
