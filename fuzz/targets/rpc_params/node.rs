//! A chain of two blocks in a temporary directory, its JSON-RPC server, and one client.

use std::{
    cell::RefCell,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, Bytes, hex};
use mooring_app::{
    application::{Application, Chain, TxSource as _},
    dev::{DevControl, DevEngine, DevEngineConfig, Sealing},
    mempool::{Mempool, Origin, PoolLimits},
    rpc::{self, Limits, RpcContext},
    store::Store,
};
use mooring_genesis::Genesis;
use mooring_stf::{
    ChainParams,
    testing::{Federation, ethereum_genesis, pegged_genesis, wallet},
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const ETHER: u128 = 1_000_000_000_000_000_000;
/// Init code of a contract that stores its input's first word in slot 0, logs it and returns it.
const CONTRACT: [u8; 33] =
    hex!("6015600c60003960156000f3600035806000558060005260206000a160206000f3");

thread_local! {
    /// The connection to the server that was asked last, kept alive.
    static CONNECTIONS: RefCell<Vec<(SocketAddr, BufReader<TcpStream>)>> = RefCell::default();
}

/// A running node without an engine of its own: blocks are sealed before it is asked anything.
pub(crate) struct Node {
    address: SocketAddr,
    _runtime: Runtime,
    _directory: tempfile::TempDir,
}

impl Node {
    /// A chain with Ethereum's fees, two transfers and a contract.
    pub(crate) fn ethereum() -> Self {
        let call = |nonce, data| wallet::call(nonce, Address::repeat_byte(0x77), 5, data);
        let deploy = alloy_consensus::TxEip1559 {
            to: alloy_primitives::TxKind::Create,
            ..call(2, CONTRACT.to_vec())
        };
        let txs = [
            wallet::sign(wallet::KEYS[0], call(0, Vec::new())),
            wallet::sign(wallet::KEYS[0], call(1, vec![1])),
            wallet::sign(wallet::KEYS[0], deploy),
        ];
        Self::start(ethereum_genesis(ETHER), &txs)
    }

    /// A pegged chain with a deposit credited.
    pub(crate) fn pegged() -> Self {
        let genesis = pegged_genesis(1);
        let params = ChainParams::from_genesis(&genesis);
        let domain = params.peg.as_ref().expect("the chain is pegged").domain;
        let mut federation = Federation::new(domain, 1);
        let owner = wallet::address(wallet::KEYS[0]);
        let deposit = federation.deposit(0, Address::ZERO, owner, ETHER, 0);
        let txs = federation.deliver(&[deposit]);
        Self::start(genesis, &txs)
    }

    fn start(genesis: Genesis, txs: &[Bytes]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let first = || mooring_stf::genesis_block(&genesis);
        let store = Store::open(directory.path(), genesis.hash(), first).expect("a new store");
        let params = Arc::new(ChainParams::from_genesis(&genesis));
        let limits = PoolLimits { min_fee: params.base_fee_floor.into(), ..Default::default() };
        let pool = Mempool::new(limits, Arc::clone(&params), store.latest());
        let chain = Chain::new(store, params, Arc::new(genesis));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let address = runtime.block_on(async {
            let control = engine(&chain, &pool);
            for tx in txs {
                let taken = pool.submit(tx.0.clone(), Origin::Local).await;
                taken.expect("the pool takes it");
                control.seal().await.expect("the engine runs");
            }
            control.seal().await.expect("the engine runs");
            // Small bounds: what an input may cost is what limits how many are tried.
            let limits = Limits {
                call_gas: 300_000,
                sync_wait: Duration::from_millis(1),
                log_blocks: 8,
                batch: 4,
                ..Limits::default()
            };
            let context = RpcContext::new(chain, pool).with_limits(limits);
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let (address, server) = rpc::serve(any, context).await.expect("a free port");
            // It serves for as long as the process runs.
            std::mem::forget(server);
            address
        });
        Self { address, _runtime: runtime, _directory: directory }
    }

    /// The body of the answer to a POST of `body`.
    pub(crate) fn ask(&self, body: &[u8]) -> Vec<u8> {
        CONNECTIONS.with_borrow_mut(|connections| {
            let place = connections.iter().position(|(address, _)| *address == self.address);
            let place = place.unwrap_or_else(|| {
                let socket = TcpStream::connect(self.address).expect("the server listens");
                socket.set_nodelay(true).expect("a socket");
                connections.push((self.address, BufReader::new(socket)));
                connections.len() - 1
            });
            let connection = &mut connections[place].1;
            exchange(connection, body).expect("the server answers")
        })
    }
}

fn engine(chain: &Chain, pool: &Mempool) -> DevControl {
    let validators = &chain.genesis.setup().validators;
    let config = DevEngineConfig {
        sealing: Sealing::Every(Duration::from_secs(3600)),
        proposer: validators.first().map_or([0; 20], |v| v.consensus_pubkey.address()),
        max_tx_bytes: 1 << 20,
    };
    let app = Application::new(chain.clone(), Arc::new(pool.clone()));
    let (engine, control) = DevEngine::new(config, app, pool.arrivals());
    tokio::spawn(engine.run(CancellationToken::new()));
    control
}

fn exchange(connection: &mut BufReader<TcpStream>, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    connection.get_mut().write_all(&[head.as_bytes(), body].concat())?;
    let mut length = 0;
    let mut line = String::new();
    while connection.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        line.clear();
    }
    let mut answer = vec![0; length];
    connection.read_exact(&mut answer)?;
    Ok(answer)
}
