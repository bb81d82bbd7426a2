"""Drives a node of the sidechain with web3.py: reads every block, sends transactions of each
type, deploys and calls a contract, follows events over HTTP and WebSocket.

Usage: suite.py URL ARTIFACT. The key of a funded account is in MOORING_KEY.
"""

import asyncio
import json
import os
import sys

from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError

URL, ARTIFACT = sys.argv[1:3]
w3 = Web3(Web3.HTTPProvider(URL))
account = w3.eth.account.from_key(os.environ["MOORING_KEY"])
STRANGER = Web3.to_checksum_address("0x00000000000000000000000000000000beef0001")


def check(condition, what):
    if not condition:
        raise SystemExit(f"failed: {what}")


def refused(call, error, text=""):
    try:
        call()
    except error as refusal:
        check(text in str(refusal), f"{text!r} in {refusal}")
        return
    raise SystemExit(f"failed: not refused with {error.__name__} {text}")


def about_the_node():
    check(w3.is_connected(), "connected")
    check(w3.client_version.startswith("mooring/"), "client version")
    check(w3.net.version == str(w3.eth.chain_id), "network id")
    check(w3.eth.syncing is False, "syncing")


def read_every_block():
    tip = w3.eth.get_block("latest")
    credits = 0
    child = tip
    while child.number > 0:
        parent = w3.eth.get_block(child.number - 1)
        check(parent.hash == child.parentHash, f"block {child.number} stands on its parent")
        child = parent
    for number in range(tip.number + 1):
        block = w3.eth.get_block(number, full_transactions=True)
        receipts = w3.eth.get_block_receipts(number)
        check(len(receipts) == len(block.transactions), f"receipts of block {number}")
        for tx, receipt in zip(block.transactions, receipts):
            check(receipt.transactionHash == tx.hash, f"receipt of {tx.hash.hex()}")
            credits += tx.type in (0x7E, "0x7e")
    check(credits > 0, "no block with a credit was seen")
    for tag in ("safe", "finalized"):
        check(w3.eth.get_block(tag).number >= tip.number, tag)
    return tip.number + 1, credits


def send(fields):
    fields = {"chainId": w3.eth.chain_id, "nonce": w3.eth.get_transaction_count(account.address), **fields}
    signed = account.sign_transaction(fields)
    digest = w3.eth.send_raw_transaction(signed.raw_transaction)
    return w3.eth.wait_for_transaction_receipt(digest, timeout=60, poll_latency=0.1)


def transfers_of_each_type():
    before = w3.eth.get_balance(STRANGER)
    start = w3.eth.block_number
    base = {"to": STRANGER, "value": 3, "gas": 30_000}
    price = w3.eth.gas_price * 2
    cap = {"maxFeePerGas": price, "maxPriorityFeePerGas": 1}
    access = [{"address": STRANGER, "storageKeys": ["0x" + "00" * 32]}]
    kinds = [
        (0, {"gasPrice": price}),
        (1, {"gasPrice": price, "accessList": access, "type": 1}),
        (2, cap),
    ]
    for kind, fields in kinds:
        receipt = send({**base, **fields})
        check(receipt.status == 1 and receipt.type == kind, f"a transfer of type {kind}")
    check(w3.eth.get_balance(STRANGER) == before + 9, "three transfers")
    check(w3.eth.get_balance(STRANGER, start) == before, "the balance before them")
    refused(lambda: w3.eth.get_transaction("0x" + "11" * 32), TransactionNotFound)
    stale = {**base, **cap, "chainId": w3.eth.chain_id, "nonce": 0}
    raw = account.sign_transaction(stale).raw_transaction
    refused(lambda: w3.eth.send_raw_transaction(raw), Web3RPCError, "nonce too low")


def a_contract():
    artifact = json.load(open(ARTIFACT))
    factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    receipt = send(factory.constructor("Snake", "SNK").build_transaction({"from": account.address}))
    token = w3.eth.contract(address=receipt.contractAddress, abi=artifact["abi"])
    check(token.functions.symbol().call() == "SNK", "a view")
    log_filter = w3.eth.filter({"address": token.address})
    minted = send(token.functions.mint(account.address, 50).build_transaction({"from": account.address}))
    moved = send(token.functions.transfer(STRANGER, 20).build_transaction({"from": account.address}))
    check(token.functions.balanceOf(STRANGER).call() == 20, "a transfer of tokens")
    earlier = token.functions.balanceOf(account.address).call(block_identifier=minted.blockNumber)
    check(earlier == 50, "a call at a past block")
    events = token.events.Transfer().get_logs(from_block=minted.blockNumber)
    check([event.args.value for event in events] == [50, 20], "events in order")
    check(len(log_filter.get_new_entries()) == 2, "a polled filter")
    check(moved.logs[0].address == token.address, "a log in a receipt")
    steal = token.functions.transferFrom(STRANGER, account.address, 1)
    refused(lambda: steal.call({"from": account.address}), ContractLogicError)
    refused(lambda: steal.estimate_gas({"from": account.address}), ContractLogicError)
    proof = w3.eth.get_proof(token.address, [0], minted.blockNumber)
    check(len(proof.accountProof) > 0 and proof.codeHash != b"", "a proof")
    history = w3.eth.fee_history(5, "latest", [10, 90])
    check(len(history.baseFeePerGas) == len(history.gasUsedRatio) + 1, "a fee history")


async def new_heads():
    async with AsyncWeb3(WebSocketProvider(URL.replace("http", "ws", 1))) as ws:
        await ws.eth.subscribe("newHeads")
        async for message in ws.socket.process_subscriptions():
            head = message["result"]
            block = await ws.eth.get_block(head["number"])
            check(block.hash == head["hash"], "a head over WebSocket")
            return


about_the_node()
transfers_of_each_type()
a_contract()
blocks, credits = read_every_block()
asyncio.run(asyncio.wait_for(new_heads(), 60))
print(f"web3.py: {blocks} blocks, {credits} credits, all checks passed")
