//! Several endpoints of one chain: which of them can be used, and in what order.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use mooring_client::{ClientError, Endpoint, Verdict};

use crate::{RelayerError, board::Board};

/// How long an endpoint that failed is left alone while others answer.
const REST: Duration = Duration::from_secs(5);

/// What an endpoint must say of itself before it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identity {
    /// An L1 node.
    L1 {
        /// The L1's chain id.
        chain_id: u64,
    },
    /// A sidechain node.
    Sidechain {
        /// The sidechain's chain id.
        chain_id: u64,
        /// The domain separator.
        separator: B256,
    },
}

impl Identity {
    async fn check(self, endpoint: &Endpoint) -> Result<(), RelayerError> {
        match self {
            Self::L1 { chain_id } => Ok(endpoint.expect_chain(chain_id).await?),
            Self::Sidechain { chain_id, separator } => {
                endpoint.expect_chain(chain_id).await?;
                let domain = endpoint.peg_domain().await?;
                if domain.separator == separator {
                    return Ok(());
                }
                Err(RelayerError::OtherSidechain {
                    url: endpoint.url().to_owned(),
                    node: domain.separator,
                    genesis: separator,
                })
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    known: bool,
    rests_until: Option<Instant>,
}

#[derive(Debug)]
struct Member {
    endpoint: Endpoint,
    health: Mutex<Health>,
}

impl Member {
    fn health(&self) -> Health {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, health: Health) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    fn rests(&self) -> bool {
        self.health().rests_until.is_some_and(|until| Instant::now() < until)
    }
}

/// The endpoints of one chain, in the order of preference.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    members: Arc<Vec<Member>>,
    identity: Identity,
    board: Arc<Board>,
}

impl Endpoints {
    /// Takes the URLs; nothing is sent yet.
    pub(crate) fn new(
        urls: &[String],
        identity: Identity,
        board: Arc<Board>,
    ) -> Result<Self, ClientError> {
        let member = |url: &String| {
            let endpoint = Endpoint::new(url)?;
            Ok(Member { endpoint, health: Mutex::default() })
        };
        let members = urls.iter().map(member).collect::<Result<Vec<_>, ClientError>>()?;
        Ok(Self { members: Arc::new(members), identity, board })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The URL of one.
    pub(crate) fn url(&self, index: usize) -> &str {
        self.members.get(index).map_or("", |member| member.endpoint.url())
    }

    /// Asks one endpoint, which is known to be of the right chain when `call` runs.
    pub(crate) async fn ask<T, F, Fut>(&self, index: usize, call: F) -> Result<T, RelayerError>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let Some(member) = self.members.get(index) else {
            return Err(RelayerError::TooFewEndpoints {
                want: index.saturating_add(1),
                got: self.len(),
                reason: "no more are configured".into(),
            });
        };
        let answer = self.ask_member(member, call).await;
        let trouble = match &answer {
            Ok(_) => None,
            // It answers and refuses: nothing is wrong with it as an endpoint.
            Err(RelayerError::Client(error)) if error.verdict() == Verdict::Drop => None,
            Err(error) => Some(error.to_string()),
        };
        let rests_until = trouble.is_some().then(|| Instant::now() + REST);
        member.set(Health { known: member.health().known, rests_until });
        self.board.endpoint(member.endpoint.url(), trouble);
        answer
    }

    async fn ask_member<T, F, Fut>(&self, member: &Member, call: F) -> Result<T, RelayerError>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        if !member.health().known {
            self.identity.check(&member.endpoint).await?;
            member.set(Health { known: true, rests_until: None });
        }
        Ok(call(member.endpoint.clone()).await?)
    }

    /// The endpoints in the order in which they are to be asked: those that rest come last.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|index| self.members.get(*index).is_some_and(Member::rests));
        order
    }

    /// Reads from the first endpoint that answers; the next is asked after any error.
    pub(crate) async fn read<T, F, Fut>(&self, call: F) -> Result<T, RelayerError>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        self.first(call, |_| false).await
    }

    /// Sends to the first endpoint that answers; a refusal is an answer.
    pub(crate) async fn send<T, F, Fut>(&self, call: F) -> Result<T, RelayerError>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let refused = |error: &RelayerError| matches!(error, RelayerError::Client(error) if error.verdict() == Verdict::Drop);
        self.first(call, refused).await
    }

    async fn first<T, F, Fut>(
        &self,
        call: F,
        ends: impl Fn(&RelayerError) -> bool,
    ) -> Result<T, RelayerError>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let mut last =
            RelayerError::TooFewEndpoints { want: 1, got: 0, reason: "none is configured".into() };
        for index in self.order() {
            match self.ask(index, &call).await {
                Ok(answer) => return Ok(answer),
                Err(error) if ends(&error) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Whether an endpoint failed a short while ago.
    pub(crate) fn rests(&self, index: usize) -> bool {
        self.members.get(index).is_some_and(Member::rests)
    }

    /// Leaves an endpoint alone for a while.
    pub(crate) fn rest(&self, index: usize, why: String) {
        if let Some(member) = self.members.get(index) {
            let rests_until = Some(Instant::now() + REST);
            member.set(Health { known: member.health().known, rests_until });
            self.board.endpoint(member.endpoint.url(), Some(why));
        }
    }

    /// Names an endpoint that answers, but says something wrong about `what`; `None` ends that.
    pub(crate) fn accuse(&self, index: usize, what: &str, accusation: Option<String>) {
        let url = self.url(index);
        self.board.alarm(&format!("{url} {what}"), accusation.map(|says| format!("{url} {says}")));
    }
}
