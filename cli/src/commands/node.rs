//! `mooring node …`

use std::process::ExitCode;

use mooring_app::{config::Home, node::Node as AppNode};

use crate::{args::Node, output};

pub(super) async fn run(command: Node) -> eyre::Result<ExitCode> {
    match command {
        Node::Start { home, rpc } => {
            let cancel = super::until_signalled()?;
            let home = Home::new(home);
            let mut config = home.load_config()?;
            rpc.apply(&mut config.rpc);
            let handle = AppNode::start(home, config, cancel).await?;
            match handle.wait().await {
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(error) => {
                    let code = error.exit_code();
                    output::error(&error.into(), false);
                    Ok(ExitCode::from(code))
                }
            }
        }
    }
}
