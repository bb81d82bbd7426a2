//! `mooring node …`

use std::process::ExitCode;

use mooring_app::{config::Home, node::Node as AppNode};

use crate::args::Node;

pub(super) async fn run(command: Node) -> eyre::Result<ExitCode> {
    match command {
        Node::Start { home } => {
            let cancel = super::until_signalled()?;
            let home = Home::new(home);
            let config = home.load_config()?;
            let handle = AppNode::start(home, config, cancel).await?;
            handle.wait().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
