#!/usr/bin/env node
// Runs a Foundry tool of this project's node_modules: `node tools/foundry.mjs forge test`.
// It calls the binary of the platform's package directly, because npm may skip install scripts. The
// registry has no package for some platforms: there a Foundry 1.7.1 of the PATH is taken.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Path of the binary of `tool` (forge, anvil, cast), or its bare name for the PATH to resolve. */
export function binary(tool) {
  const arch = { x64: "amd64", arm64: "arm64" }[process.arch];
  const path = `${root}node_modules/@foundry-rs/${tool}-${process.platform}-${arch}/bin/${tool}`;
  return existsSync(path) ? path : tool;
}

/** Runs `tool` in the project folder; returns what it printed, or throws with its exit code. */
export function run(tool, args, stdio = ["ignore", "pipe", "inherit"]) {
  const options = { cwd: root, stdio, encoding: "utf8", maxBuffer: 1 << 28 };
  const done = spawnSync(binary(tool), args, options);
  if (done.error) throw new Error(`${tool} cannot be run: npm ci in ${root} (${done.error.message})`);
  if (done.status !== 0) throw new Error(`${tool} ${args.join(" ")}: exit ${done.status ?? done.signal}`);
  return done.stdout;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [tool, ...args] = process.argv.slice(2);
  try {
    run(tool, args, "inherit");
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
