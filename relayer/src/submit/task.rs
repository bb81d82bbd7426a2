//! The submit task's I/O.

use std::sync::Arc;

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use futures::future::try_join_all;
use mooring_bridge::{ExitIndex, contracts::Vault, exit};
use mooring_client::{
    Endpoint, Verdict, Wallet, peg::CheckpointBundle, wallet::Action as Transaction,
};

use super::{
    exits::Exit,
    state::{Accepted, Action, Event, Order, Purpose, Quorum, Refusal, State, View},
};
use crate::{
    RelayerError,
    context::{Context, Trouble},
    crash,
    journal::Stage,
    submit::refusal,
};

/// The task's name.
pub(crate) const NAME: &str = "submit";
/// The journal's mark of the first exit that is not paid for good.
const FIRST_EXIT: &str = "submit.first_exit";
/// The most gas that a single claim may use: the path has no cap of its own.
const SINGLE_GAS: u64 = 1_000_000;

struct Task {
    context: Arc<Context>,
    state: State,
    bundle: Option<CheckpointBundle>,
    /// What the last full look was at: nothing new, nothing to do.
    seen: Option<(u64, u64)>,
}

/// Looks at both chains again and again.
pub(crate) async fn run(context: Arc<Context>) {
    // A mark that cannot be read only costs a second look at old exits.
    let first = context.journal.mark(FIRST_EXIT).unwrap_or_default();
    let config = &context.config;
    let state = State::new(context.me(), config.min_fee.clone(), config.max_fee_wei(), first);
    let poll = config.poll();
    let mut task = Task { context, state, bundle: None, seen: None };
    if let Err(error) = task.resume().await {
        task.context.board.failed(NAME, error.to_string());
    }
    loop {
        match task.look().await {
            Ok(()) => {
                let open = task.state.under_way().map(|hash| format!("transaction {hash}"));
                task.context.board.looked(NAME, task.state.waits(), open);
            }
            Err(error) => {
                task.seen = None;
                task.context.board.failed(NAME, error.to_string());
            }
        }
        tokio::time::sleep(poll).await;
    }
}

impl Task {
    /// Notes what has become of the transactions that an earlier run left behind. What they were
    /// for is found again from both chains.
    async fn resume(&self) -> Result<(), Trouble> {
        for (hash, nonce) in self.context.journal.unconfirmed()? {
            if self.receipt(hash).await?.is_some() {
                self.context.journal.transaction(hash, nonce, "", Stage::Included)?;
            } else if self.nonce().await? > nonce {
                self.context.journal.transaction(hash, nonce, "", Stage::Gone)?;
            }
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), Trouble> {
        let height = self.l1(|node| async move { node.block_number().await }).await?;
        let sidechain = &self.context.sidechain;
        let latest = |node: Endpoint| async move { node.peg_latest_checkpoint().await };
        self.bundle = sidechain.read(latest).await?;
        let quorum = self.bundle.as_ref().map_or(0, |bundle| bundle.record.height);
        let behind = self.state.book().scanned()
            < self.bundle.as_ref().map_or(0, |bundle| bundle.record.exit_count);
        if self.seen == Some((height, quorum)) && !behind {
            return Ok(());
        }
        let view = self.view(height).await?;
        self.seen = Some((height, quorum));
        let actions = self.state.on(Event::View(view));
        self.perform(actions).await?;
        let book = self.state.book();
        self.context.board.figure("open_exits", u64::try_from(book.open()).unwrap_or_default());
        if self.context.journal.mark(FIRST_EXIT)? < book.first_open() {
            self.context.journal.set_mark(FIRST_EXIT, book.first_open())?;
        }
        Ok(())
    }

    async fn l1<T, F, Fut>(&self, call: F) -> Result<T, RelayerError>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<T, mooring_client::ClientError>>,
    {
        self.context.l1.endpoints.read(call).await
    }

    async fn nonce(&self) -> Result<u64, RelayerError> {
        let payer = self.context.payer.address();
        self.l1(|node| async move { node.nonce(payer, BlockNumberOrTag::Latest).await }).await
    }

    async fn receipt(&self, hash: B256) -> Result<Option<u64>, RelayerError> {
        let receipt = self.l1(|node| async move { node.receipt(hash).await }).await?;
        Ok(receipt.and_then(|receipt| receipt.block_number()))
    }

    async fn wallet(&self) -> Result<Wallet, RelayerError> {
        let payer = &self.context.payer;
        self.l1(|node| async move { Wallet::new(node, payer.clone()).await }).await
    }

    async fn view(&self, l1_height: u64) -> Result<View, Trouble> {
        let vault = self.context.l1.vault();
        let last = self
            .l1(|node| async move { node.view(vault, &Vault::lastCheckpointCall {}).await })
            .await?;
        let finalized =
            self.l1(|node| async move { node.block(BlockNumberOrTag::Finalized).await }).await?;
        let wallet = self.wallet().await?;
        let payer = wallet.address();
        let balance = self.l1(|node| async move { node.balance(payer).await }).await?;
        let board = &self.context.board;
        board.figure("l1_height", l1_height);
        board.figure("vault_height", last.height);
        board.figure("payer_balance_wei", balance);
        let poor = balance.is_zero().then(|| format!("{payer} has no ETH to pay for L1 gas"));
        board.alarm("payer", poor);
        let status = self.context.peg_status().await?;
        Ok(View {
            l1_height,
            l1_finalized: finalized.map_or(0, |block| block.header.number),
            nonce: self.nonce().await?,
            market: wallet.fees().await?,
            vault: Accepted {
                height: last.height,
                exit_count: last.exitCount,
                ring_index: last.ringIndex,
            },
            quorum: self.bundle.as_ref().map(|bundle| Quorum {
                index: bundle.record.index,
                height: bundle.record.height,
                exit_count: bundle.record.exit_count,
            }),
            members: status.members.iter().map(|member| member.address).collect(),
        })
    }

    async fn perform(&mut self, actions: Vec<Action>) -> Result<(), Trouble> {
        let mut waiting = actions;
        while let Some(action) = waiting.pop() {
            let event = match action {
                Action::Scan { first, end } => Some(self.scan(first, end).await?),
                Action::Check(items) => Some(Event::Claimed(self.claimed(&items).await?)),
                Action::Send(order) => self.send(order).await?,
                Action::Look(attempts) => Some(self.find(&attempts).await?),
                Action::Settle(hash) => Some(self.settle(hash).await?),
            };
            if let Some(event) = event {
                waiting.extend(self.state.on(event));
            }
        }
        Ok(())
    }

    async fn scan(&mut self, first: u64, end: u64) -> Result<Event, Trouble> {
        let read = |node: Endpoint| async move { node.peg_exits(first, end).await };
        let exits = self.context.sidechain.read(read).await?;
        let indices: Vec<u64> = exits.iter().map(|exit| exit.index).collect();
        let claimed = self.claimed(&indices).await?;
        // The next look goes on, even if nothing else has changed.
        self.seen = None;
        let exits = exits.iter().zip(claimed).map(|(exit, (_, claimed))| Exit {
            index: exit.index,
            asset: exit.asset,
            fee: exit.fee,
            claimed,
        });
        Ok(Event::Scanned(exits.collect()))
    }

    /// Whether exits are paid, by the newest L1 block.
    async fn claimed(&self, items: &[u64]) -> Result<Vec<(u64, bool)>, RelayerError> {
        let vault = self.context.l1.vault();
        let mut claimed = Vec::with_capacity(items.len());
        for chunk in items.chunks(16) {
            let asked = chunk.iter().map(|index| async move {
                let call = Vault::isClaimedCall { index: *index };
                let call = &call;
                let paid = self.l1(|node| async move { node.view(vault, call).await }).await?;
                Ok::<_, RelayerError>((*index, paid))
            });
            claimed.extend(try_join_all(asked).await?);
        }
        Ok(claimed)
    }

    async fn find(&mut self, attempts: &[B256]) -> Result<Event, Trouble> {
        for hash in attempts {
            if let Some(block) = self.receipt(*hash).await? {
                self.context.journal.transaction(*hash, 0, "", Stage::Included)?;
                crash::at("submit.included");
                self.context.board.step(NAME, format!("{hash} is in L1 block {block}"));
                // What comes next need not wait for another block.
                self.seen = None;
                return Ok(Event::Found(Some((*hash, block))));
            }
        }
        Ok(Event::Found(None))
    }

    async fn settle(&self, hash: B256) -> Result<Event, Trouble> {
        let there = self.receipt(hash).await?.is_some();
        let stage = if there { Stage::Final } else { Stage::Gone };
        self.context.journal.transaction(hash, 0, "", stage)?;
        Ok(Event::Settled { hash, there })
    }

    /// Builds, journals and sends. `None` when the exits have been paid meanwhile: what is left is
    /// decided anew.
    async fn send(&mut self, order: Order) -> Result<Option<Event>, Trouble> {
        if self.state.under_way().is_none() {
            let claimed = self.claimed(&order.purpose.items).await?;
            if claimed.iter().any(|(_, claimed)| *claimed) {
                self.seen = None;
                return Ok(Some(Event::Claimed(claimed)));
            }
        }
        let Some(input) = self.calldata(&order.purpose).await? else { return Ok(None) };
        let transaction =
            Transaction { to: Some(self.context.l1.vault()), input, ..Default::default() };
        let wallet = self.wallet().await?;
        let gas = match wallet.gas(&transaction).await {
            Ok(gas) if order.purpose.single && gas > SINGLE_GAS => {
                return Ok(Some(Event::Refused { order, refusal: Refusal::Useless }));
            }
            Ok(gas) => gas,
            Err(error) if error.verdict() == Verdict::Drop => {
                tracing::info!(task = NAME, "would revert: {error}");
                return Ok(Some(Event::Refused { order, refusal: Refusal::Useless }));
            }
            Err(error) => return Err(error.into()),
        };
        let (hash, raw) = wallet.sign(&transaction, order.nonce, gas, order.fees)?;
        let what = describe(&order.purpose);
        self.context.journal.transaction(hash, order.nonce, &what, Stage::Built)?;
        crash::at("submit.journalled");
        if let Err(error) = wallet.endpoint().send_raw(raw).await
            && let Some(refusal) = refusal::of(&error)
        {
            tracing::info!(task = NAME, "not taken ({refusal:?}): {error}");
            self.context.journal.transaction(hash, order.nonce, &what, Stage::Gone)?;
            return Ok(Some(Event::Refused { order, refusal }));
        }
        crash::at("submit.sent");
        self.context.board.count("transactions_total");
        self.context.board.step(NAME, format!("sent {what} as {hash}, nonce {}", order.nonce));
        Ok(Some(Event::Sent { order, hash }))
    }

    /// The call, `None` when what it needs is not at hand any more.
    async fn calldata(&self, purpose: &Purpose) -> Result<Option<Bytes>, Trouble> {
        let bundle = self.bundle.as_ref().filter(|bundle| {
            purpose.checkpoint.is_none_or(|quorum| quorum.height == bundle.record.height)
        });
        let vault = self.context.l1.vault();
        let ring = Vault::exitRootAtCall { ringIndex: purpose.ring_index };
        let root = match (purpose.checkpoint, bundle) {
            (Some(_), None) => return Ok(None),
            (Some(_), Some(bundle)) => bundle.record.exit_root,
            (None, _) => {
                let ring = &ring;
                self.l1(|node| async move { node.view(vault, ring).await }).await?
            }
        };
        let proofs = purpose.items.iter().map(|index| self.claim(*index, purpose, root));
        let mut claims = try_join_all(proofs).await?;
        let call = match (purpose.checkpoint.and(bundle), purpose.single) {
            (Some(bundle), _) => checkpoint_call(bundle, claims),
            (None, true) => {
                let Some(item) = claims.pop() else { return Ok(None) };
                Vault::claimCall { item }.abi_encode()
            }
            (None, false) => Vault::claimManyCall { items: claims }.abi_encode(),
        };
        Ok(Some(call.into()))
    }

    async fn claim(
        &self,
        index: u64,
        purpose: &Purpose,
        root: B256,
    ) -> Result<Vault::Claim, Trouble> {
        let count = purpose.exit_count;
        let read = |node: Endpoint| async move { node.peg_exit_proof(index, count).await };
        let proof = self.context.sidechain.read(read).await?;
        let proof = proof.ok_or_else(|| format!("no proof of exit {index} among {count}"))?;
        let exit = proof.exit.exit();
        if !exit::verify(root, count, ExitIndex::new(index), exit.leaf(), &proof.siblings) {
            return Err(format!("the proof of exit {index} does not lead to {root}").into());
        }
        Ok(Vault::Claim {
            exit: Vault::Exit {
                index,
                asset: exit.asset,
                recipient: exit.recipient,
                amount: exit.amount,
                fee: exit.fee,
            },
            exitCount: count,
            ringIndex: purpose.ring_index,
            proof: proof.siblings,
        })
    }
}

fn checkpoint_call(bundle: &CheckpointBundle, items: Vec<Vault::Claim>) -> Vec<u8> {
    let cp = mooring_client::actions::checkpoint(bundle);
    let (members, signatures) = (bundle.member_words.clone(), bundle.signatures.clone());
    if items.is_empty() {
        return Vault::checkpointCall { cp, members, signatures }.abi_encode();
    }
    Vault::checkpointAndClaimCall { cp, members, signatures, items }.abi_encode()
}

fn describe(purpose: &Purpose) -> String {
    let claims = match purpose.items.as_slice() {
        [] => String::new(),
        [item] => format!("the claim of exit {item}"),
        items => format!("the claims of {} exits", items.len()),
    };
    match (purpose.checkpoint, claims.as_str()) {
        (Some(quorum), "") => format!("the checkpoint of block {}", quorum.height),
        (Some(quorum), claims) => format!("the checkpoint of block {} and {claims}", quorum.height),
        (None, claims) => claims.to_owned(),
    }
}
