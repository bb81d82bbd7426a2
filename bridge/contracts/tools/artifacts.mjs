#!/usr/bin/env node
// Writes ../artifacts from a build, so that the Rust crates need neither Node nor a compiler:
//   <Contract>.json       abi, bytecode, deployedBytecode (WrappedToken: initCodeHash too)
//   storage-layout.json   slots of Vault and Gateway, which live chains and proofs depend on
// With --check it writes nothing and fails when a file is stale or a contract is too large.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "./foundry.mjs";

const CONTRACTS = ["Vault", "Gateway", "WrappedToken", "TestToken"];
const LAYOUTS = ["Vault", "Gateway"];
const MAX_CODE = 24_576; // EIP-170: deployed code stays below
const MAX_INIT_CODE = 49_152; // EIP-3860

const root = fileURLToPath(new URL("..", import.meta.url));
const target = fileURLToPath(new URL("../../artifacts/", import.meta.url));

const build = (name) => JSON.parse(readFileSync(`${root}out/${name}.sol/${name}.json`, "utf8"));
const size = (code) => (code.length - 2) / 2;
const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

function artifact(name) {
  const { abi, bytecode, deployedBytecode } = build(name);
  const out = {
    contractName: name,
    abi,
    bytecode: bytecode.object,
    deployedBytecode: deployedBytecode.object,
  };
  if (name === "WrappedToken") out.initCodeHash = run("cast", ["keccak", bytecode.object]).trim();
  return out;
}

/** Slots without what changes from build to build: AST ids in type names, paths. */
function layout(name) {
  return build(name).storageLayout.storage.map(({ label, slot, offset, type }) => ({
    label,
    slot: Number(slot),
    offset,
    type: type.replace(/(t_(?:struct|contract|enum)\([^)]*\))\d+/g, "$1"),
  }));
}

function tooLarge({ contractName, bytecode, deployedBytecode }) {
  const [code, init] = [size(deployedBytecode), size(bytecode)];
  console.log(`${contractName}: ${code} bytes deployed, ${init} bytes of init code`);
  return code >= MAX_CODE || init > MAX_INIT_CODE;
}

const check = process.argv.includes("--check");
run("forge", ["build", "src"], ["ignore", "ignore", "inherit"]);
const artifacts = CONTRACTS.map(artifact);
const files = new Map(artifacts.map((a) => [`${a.contractName}.json`, json(a)]));
files.set("storage-layout.json", json(Object.fromEntries(LAYOUTS.map((n) => [n, layout(n)]))));

const faults = artifacts.filter(tooLarge).map((a) => `${a.contractName} is too large`);
mkdirSync(target, { recursive: true });
for (const [file, text] of files) {
  const path = target + file;
  if (!check) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
    faults.push(`bridge/artifacts/${file} is stale: run npm run artifacts`);
  }
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
