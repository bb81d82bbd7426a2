#!/usr/bin/env node
// Runs a Foundry tool of this project's node_modules: `node tools/foundry.mjs forge test`.
// It calls the platform's binary directly, because npm may skip the packages' install scripts.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Path of the binary of `tool` (forge, anvil, cast) for this machine; throws when not installed. */
export function binary(tool) {
  const arch = { x64: "amd64", arm64: "arm64" }[process.arch];
  const path = `${root}node_modules/@foundry-rs/${tool}-${process.platform}-${arch}/bin/${tool}`;
  if (!existsSync(path)) throw new Error(`${tool} is missing at ${path}: run npm ci in ${root}`);
  return path;
}

/** Runs `tool` in the project folder; returns what it printed, or throws with its exit code. */
export function run(tool, args, stdio = ["ignore", "pipe", "inherit"]) {
  const options = { cwd: root, stdio, encoding: "utf8", maxBuffer: 1 << 28 };
  const done = spawnSync(binary(tool), args, options);
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
