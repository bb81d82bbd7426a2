//! The deposit task's I/O.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use mooring_bridge::{DepositHead, Epoch, FederationMessage, Head, Leaf, federation::HeadVote};
use mooring_client::peg::PegStatus;

use super::state::{Action, Event, OpenHead, State, Status};
use crate::{
    board::STOPPED,
    context::{Context, Trouble},
    crash,
};

/// The task's name.
pub(crate) const NAME: &str = "deposits";
/// The alarm after a refusal of the guard.
const GUARD: &str = "guard.head";
/// The longest pause after logs that do not hash to the proven head.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

struct Task {
    context: Arc<Context>,
    state: State,
    proven: Option<B256>,
    /// After failures the logs are left alone until then.
    pause_until: Option<Instant>,
}

/// Looks at both chains again and again.
pub(crate) async fn run(context: Arc<Context>) {
    let state = State::new(context.me(), context.genesis_head());
    let poll = context.config.poll();
    let mut task = Task { context, state, proven: None, pause_until: None };
    loop {
        if let Err(error) = task.look().await {
            task.context.board.failed(NAME, error.to_string());
        } else {
            let open = task.open_work();
            task.context.board.looked(NAME, task.state.abstains(), open);
        }
        tokio::time::sleep(poll).await;
    }
}

impl Task {
    async fn look(&mut self) -> Result<(), Trouble> {
        let status = self.context.peg_status().await?;
        self.context.board.figure("accepted_count", status.accepted.count);
        let actions = self.state.on(Event::Status(view(&status)));
        self.perform(actions).await?;
        let block = self.context.l1.finalized().await?;
        self.context.board.figure("l1_finalized", block.number);
        if self.proven != Some(block.hash) && block.number >= self.context.l1.deploy_block() {
            let proven = self.context.l1.head(&block).await?;
            self.proven = Some(block.hash);
            self.context.board.figure("proven_count", proven.head.count.get());
            let lag = proven.head.count.get().saturating_sub(status.delivered.count);
            self.context.board.figure("delivery_lag", lag);
            let actions = self.state.on(Event::Proven(proven));
            self.perform(actions).await?;
        }
        Ok(())
    }

    fn open_work(&self) -> Option<String> {
        let verified = self.state.verified()?;
        Some(format!("verified up to leaf {}", verified.count))
    }

    async fn perform(&mut self, actions: Vec<Action>) -> Result<(), Trouble> {
        self.raise_stop();
        let mut waiting = actions;
        while let Some(action) = waiting.pop() {
            match action {
                Action::Read { after, to, block, attempt } => {
                    if let Some(leaves) = self.read(after, to, block, attempt).await? {
                        waiting.extend(self.state.on(Event::Leaves { after, to, leaves }));
                        self.raise_stop();
                        self.pause(attempt);
                    }
                }
                Action::Vote(head) => self.vote(head).await?,
                Action::Deliver { head, leaves } => self.deliver(head, leaves).await?,
            }
        }
        Ok(())
    }

    /// Tells the whole process when nothing may be signed any more.
    fn raise_stop(&self) {
        if let Some(reason) = self.state.stopped() {
            self.context.board.alarm(STOPPED, Some(reason.to_owned()));
            self.context.stop.send_replace(Some(reason.to_owned()));
        }
    }

    /// After logs that did not fit, the next attempt waits: each reads more than the last.
    fn pause(&mut self, attempt: u64) {
        let doublings = u32::try_from(attempt.min(10)).unwrap_or(10);
        let pause = Duration::from_millis(250).saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let failed = self.state.verified().is_none_or(|tip| self.state.proven() != Some(tip));
        self.pause_until = failed.then(|| Instant::now() + pause);
    }

    async fn read(
        &self,
        after: Head,
        to: Head,
        block: u64,
        attempt: u64,
    ) -> Result<Option<Vec<Leaf>>, Trouble> {
        if self.pause_until.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        let from = self.context.journal.block_before(after.count)?;
        let found = self.context.l1.leaves(after.count, to.count, from, block, attempt).await?;
        if let Some((leaf, block)) = found.last() {
            self.context.journal.leaf_block(leaf.count(), *block)?;
        }
        Ok(Some(found.into_iter().map(|(leaf, _)| leaf).collect()))
    }

    async fn vote(&self, head: DepositHead) -> Result<(), Trouble> {
        let signature = match self.context.signer.head(&head) {
            Ok(signature) => {
                self.context.board.alarm(GUARD, None);
                signature
            }
            Err(error) => {
                self.context.board.alarm(GUARD, Some(error.to_string()));
                return Err(error.into());
            }
        };
        let message = FederationMessage::HeadVote(HeadVote { head, signature });
        if self.context.post(&message).await? {
            crash::at("head.submitted");
            self.context.board.count("heads_signed_total");
            self.context.board.step(NAME, format!("voted for head {}", head.count));
        }
        Ok(())
    }

    async fn deliver(&self, head: Head, leaves: Vec<Leaf>) -> Result<(), Trouble> {
        let count = leaves.len();
        if self.context.post(&FederationMessage::Delivery(leaves)).await? {
            crash::at("delivery.submitted");
            self.context.board.count("deliveries_total");
            self.context.board.step(NAME, format!("delivered {count} leaves of {}", head.count));
        }
        Ok(())
    }
}

fn view(status: &PegStatus) -> Status {
    let open = status.open_heads.iter().map(|open| OpenHead {
        opener: open.opener,
        head: Head { count: mooring_bridge::Count::new(open.count), acc: open.acc },
        signers: open.signers.clone(),
    });
    Status {
        height: status.height,
        epoch: Epoch::new(status.epoch),
        members: status.members.iter().map(|member| member.address).collect(),
        accepted: status.accepted.head(),
        delivered: status.delivered.head(),
        undelivered: status.undelivered.iter().map(|head| head.head()).collect(),
        open: open.collect(),
        halted: status.halted,
    }
}
