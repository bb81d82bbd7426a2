//! `mooring node snapshot …`

use std::path::Path;

use alloy_primitives::B256;
use mooring_app::{
    config::Home,
    node::open_chain,
    snapshot::{self, Checked, Rules, Saved, SnapshotError, Snapshots},
};
use serde_json::{Value, json};

use crate::{args::Snapshot, output};

pub(super) fn run(command: Snapshot, json: bool) -> eyre::Result<()> {
    match command {
        Snapshot::List { home } => list(&Home::new(home), json),
        Snapshot::Create { home } => create(&Home::new(home), json),
        Snapshot::Verify { home, from, app_hash } => {
            let rules = Rules::of(&Home::new(home).load_genesis()?);
            let checked = snapshot::verify(&Saved::open(&from)?, &rules, app_hash)?;
            if app_hash.is_none() {
                output::talk("it is what it says it is; compare the app hash with one you trust");
            }
            tell_checked("all of it is as it should be", checked, json)
        }
        Snapshot::Restore { home, from, app_hash, height } => {
            restore(&Home::new(home), &from, app_hash, height, json)
        }
    }
}

fn list(home: &Home, json: bool) -> eyre::Result<()> {
    let snapshots = Snapshots::new(home.snapshots());
    let mut documents = Vec::new();
    for height in snapshots.heights()? {
        // A running node may have removed it since.
        match snapshots.get(height) {
            Err(SnapshotError::Missing { .. }) => {}
            saved => documents.push(described(&saved?)?),
        }
    }
    if json {
        return output::json(&documents);
    }
    if documents.is_empty() {
        output::talk(format!(
            "no snapshots in {}; stop the node and run `mooring node snapshot create --home {}`, or \
             set [snapshots] interval in node.toml",
            snapshots.dir().display(),
            home.path().display()
        ));
    }
    documents.iter().for_each(line);
    Ok(())
}

fn create(home: &Home, json: bool) -> eyre::Result<()> {
    // What a running node would write by itself is not written here.
    let chain = open_chain(home, home.load_genesis()?, home.load_config()?.store.options())?;
    let saved = snapshot::create(&chain.store, &Snapshots::new(home.snapshots()))?;
    let document = described(&saved)?;
    if json {
        return output::json(&document);
    }
    line(&document);
    Ok(())
}

fn restore(
    home: &Home,
    from: &Path,
    app_hash: B256,
    height: Option<u64>,
    json: bool,
) -> eyre::Result<()> {
    let saved = Saved::open(from)?;
    let found = saved.manifest().height;
    if let Some(expected) = height.filter(|height| *height != found) {
        return Err(SnapshotError::OtherHeight { expected, found }.into());
    }
    let genesis = home.load_genesis()?;
    let rules = Rules::of(&genesis);
    rules.check(saved.manifest(), Some(app_hash))?;
    let chain = open_chain(home, genesis, home.load_config()?.store.options())?;
    let checked = snapshot::restore(&saved, &rules, &chain.store, app_hash)?;
    if checked.has_engine && !checked.has_certificate {
        output::talk("without a certificate this node proposes no block before it has caught up");
    }
    let said = format!("restored; run `mooring node start --home {}`", home.path().display());
    tell_checked(&said, checked, json)
}

fn described(saved: &Saved) -> Result<Value, SnapshotError> {
    let manifest = saved.manifest();
    Ok(json!({
        "height": manifest.height,
        "app_hash": manifest.app_hash,
        "hash": manifest.hash(),
        "chunks": manifest.chunks.len(),
        "bytes": saved.bytes()?,
        "directory": saved.dir(),
    }))
}

fn line(document: &Value) {
    let text = |key: &str| match &document[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    output::line(format!(
        "height {}, app hash {}, {} bytes in {}",
        text("height"),
        text("app_hash"),
        text("bytes"),
        text("directory")
    ));
}

fn tell_checked(said: &str, checked: Checked, json: bool) -> eyre::Result<()> {
    let Checked { height, block_hash, app_hash, entries, has_certificate, .. } = checked;
    if json {
        return output::json(&json!({
            "height": height,
            "block_hash": block_hash,
            "app_hash": app_hash,
            "entries": entries,
            "certificate": has_certificate,
        }));
    }
    output::line(format!("height {height}, block {block_hash}, app hash {app_hash}: {said}"));
    Ok(())
}
