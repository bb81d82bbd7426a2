//! `mooring relayer …`

use std::process::ExitCode;

use crate::args::Relayer;

pub(super) async fn run(command: Relayer) -> eyre::Result<ExitCode> {
    match command {
        Relayer::Start { home } => {
            let cancel = super::until_signalled()?;
            mooring_relayer::run(&home, cancel).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
