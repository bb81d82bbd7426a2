// Reads every block of a chain with viem and with ethers, full transactions and
// receipts included, and holds their answers against each other.
import { createPublicClient, http } from "viem";
import { JsonRpcProvider, Network } from "ethers";

const url = process.argv[2];
const viem = createPublicClient({ transport: http(url) });
const chainId = await viem.getChainId();
const ethers = new JsonRpcProvider(url, Network.from(chainId), { staticNetwork: true });

const tip = await viem.getBlockNumber();
let transactions = 0;
let system = 0;
for (let number = 0n; number <= tip; number++) {
  const a = await viem.getBlock({ blockNumber: number, includeTransactions: true });
  const b = await ethers.getBlock(Number(number), true);
  if (a.hash !== b.hash || a.transactions.length !== b.prefetchedTransactions.length) {
    throw new Error(`block ${number}: viem and ethers read it differently`);
  }
  let credits = 0;
  for (const transaction of a.transactions) {
    transactions += 1;
    if (transaction.typeHex === "0x7e") credits += 1;
    const receipt = await viem.getTransactionReceipt({ hash: transaction.hash });
    const other = await ethers.getTransactionReceipt(transaction.hash);
    if (receipt.blockHash !== a.hash || other.logs.length !== receipt.logs.length) {
      throw new Error(`transaction ${transaction.hash}: receipts disagree`);
    }
  }
  if (credits > 0) console.log(`block ${number}`);
  system += credits;
}
ethers.destroy();
console.log(`${tip + 1n} blocks, ${transactions} transactions, ${system} system transactions`);
