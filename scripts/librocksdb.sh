#!/usr/bin/env bash
# Builds librocksdb.a once, optimised, from the sources inside the locked
# librocksdb-sys crate, into a cache that outlives checkouts and cargo profiles.
# Prints the directory to export as ROCKSDB_LIB_DIR (with ROCKSDB_STATIC=1).
#
# cargo would otherwise compile the 343 C++ files again for each profile and
# feature set. Files are compiled in groups (RocksDB keeps a unity build of its
# own working): the headers, which are most of the cost, are read once a group.
set -euo pipefail

manifest=${1:-$(dirname "$0")/../Cargo.toml}
cache=${MOORING_CACHE:-$HOME/.cache/mooring}
group_size=12

crate_dirs() {
  cargo metadata --format-version 1 --manifest-path "$manifest" | node -e '
    const fs = require("fs"), path = require("path");
    const meta = JSON.parse(fs.readFileSync(0, "utf8"));
    for (const name of ["librocksdb-sys", "lz4-sys", "zstd-sys"]) {
      const found = meta.packages.find((p) => p.name === name);
      if (!found) { console.error(`librocksdb.sh: ${name} is not in the lock file`); process.exit(1); }
      console.log(path.dirname(found.manifest_path), found.version);
    }'
}

{ read -r rocks version; read -r lz4 _; read -r zstd _; } < <(crate_dirs)
arch=$(uname -m)
out="$cache/librocksdb-$version-$arch"
[ -f "$out/librocksdb.a" ] && { echo "$out"; exit 0; }

work="$out.building.$$"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
echo "librocksdb.sh: compiling RocksDB $version once into $out" >&2

flags=(-std=c++20 -O2 -fPIC -w -DNDEBUG -include cstdint
  -DLZ4=1 -DZSTD=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
  -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX
  -DROCKSDB_SCHED_GETCPU_PRESENT -DROCKSDB_AUXV_GETAUXVAL_PRESENT
  -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT
  -I"$rocks" -I"$rocks/rocksdb" -I"$rocks/rocksdb/include"
  -I"$lz4/liblz4/lib" -I"$zstd/zstd/lib")
case $arch in
  x86_64) flags+=(-msse4.2) ;;
  aarch64) flags+=(-march=armv8-a+crc+crypto) ;;
esac

# Groups never cross a folder, so that file-local names of unlike parts do not meet.
mapfile -t sources < <(grep -v 'util/build_version.cc' "$rocks/rocksdb_lib_sources.txt" | sed 's/[[:space:]]//g' | grep .)
group=0 held=0 last=
for source in "${sources[@]}"; do
  folder=$(dirname "$source")
  if [ "$folder" != "$last" ] || [ "$held" -ge "$group_size" ]; then
    group=$((group + 1)) held=0 last=$folder
  fi
  held=$((held + 1))
  echo "#include \"$rocks/rocksdb/$source\"" >> "$work/group$(printf %03d $group).cc"
done
cp "$rocks/build_version.cc" "$work/version.cc"

# A group whose files do not go together is compiled file by file.
cat > "$work/compile" <<'SH'
#!/usr/bin/env bash
set -euo pipefail
unit=$1; shift
if ! "${CXX:-g++}" "$@" -c "$unit" -o "${unit%.cc}.o" 2> "${unit%.cc}.err"; then
  n=0
  while read -r line; do
    n=$((n + 1))
    printf '%s\n' "$line" > "${unit%.cc}_$n.cc"
    "${CXX:-g++}" "$@" -c "${unit%.cc}_$n.cc" -o "${unit%.cc}_$n.o"
  done < "$unit"
fi
SH
chmod +x "$work/compile"
find "$work" -name '*.cc' -printf '%s %p\n' | sort -rn | cut -d' ' -f2 |
  xargs -P "$(nproc)" -I{} "$work/compile" {} "${flags[@]}"
ar crs "$work/librocksdb.a" "$work"/*.o
[ -n "${MOORING_KEEP_OBJECTS:-}" ] && cp -r "$work" "$MOORING_KEEP_OBJECTS"
mkdir -p "$out"
mv "$work/librocksdb.a" "$out/librocksdb.a"
echo "$out"
