#!/usr/bin/env bash
# Installs what the build needs and is missing: system packages, the Solidity
# tools and the Ethereum clients of the tests. Does nothing when all is there.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

need() {
  command -v "$1" >/dev/null || {
    echo "setup: $1 is not installed; $2, then run make again" >&2
    exit 1
  }
}
need cargo "install Rust from https://rustup.rs"
need node "install Node.js 20 or newer"
need npm "install Node.js 20 or newer"

missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
# bindgen loads libclang and reads its headers.
if [ -z "$(find /usr/lib /usr/local/lib "${LIBCLANG_PATH:-/nonexistent}" -name 'libclang*.so*' -print -quit 2>/dev/null)" ] ||
  [ -z "$(find /usr/lib /usr/local/lib -path '*clang*/include/stddef.h' -print -quit 2>/dev/null)" ]; then
  missing+=(libclang-dev)
fi
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "setup: missing ${missing[*]}; install them with your system's package manager, then run make again" >&2
    exit 1
  fi
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "setup: installing ${missing[*]}" >&2
  $sudo apt-get update -qq >&2
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

# A project's packages are installed again only when its lock file changed.
npm_project() {
  local dir=$root/$1
  local stamp=$dir/node_modules/.installed
  if ! cmp -s "$dir/package-lock.json" "$stamp"; then
    echo "setup: npm packages of $1" >&2
    (cd "$dir" && npm ci --no-audit --no-fund --loglevel=error >&2)
    cp "$dir/package-lock.json" "$stamp"
  fi
}
npm_project bridge/contracts
npm_project testnet/clients

# web3.py, in an environment of its own that outlives checkouts; installed again only when its
# pins changed. Without python3-venv or a package index its tests are skipped, and say so.
python_project() {
  local pins=$root/$1/requirements.txt
  local venv=$HOME/.cache/mooring/web3py
  if cmp -s "$pins" "$venv/.installed"; then return; fi
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "setup: no python3-venv: the web3.py tests will be skipped" >&2
    return
  fi
  echo "setup: Python packages of $1" >&2
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$pins" >&2; then
    echo "setup: pip cannot install $1: the web3.py tests will be skipped" >&2
    rm -rf "$venv"
    return
  fi
  cp "$pins" "$venv/.installed"
}
python_project testnet/clients/web3py
