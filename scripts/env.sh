# shellcheck shell=bash disable=SC2034
# Where the programs that scripts/setup fetched are. Every script sources this; source it from
# bash to use them yourself. Computed each time: nothing here belongs to one machine.

gatewright_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
gatewright_cache=${XDG_CACHE_HOME:-$HOME/.cache}/gatewright

# Pinned versions. wasm-bindgen's comes from the lockfile, because its test runner refuses
# every other version of the library.
envoy_version=1.40.0
binaryen_version=132.0.0
cargo_fuzz_version=0.13.2
wasm_bindgen_version=$(awk '/^name = "wasm-bindgen"/ { getline; gsub(/"/, ""); print $3; exit }' "$gatewright_root/Cargo.lock")

wasm_bindgen_home=$gatewright_cache/peers/wasm-bindgen-$wasm_bindgen_version
binaryen_home=$gatewright_cache/peers/binaryen-$binaryen_version
envoy_home=$gatewright_cache/peers/envoy-$envoy_version
registry_home=$gatewright_cache/peers/docker-registry
cargo_fuzz_home=$gatewright_cache/peers/cargo-fuzz-$cargo_fuzz_version

for gatewright_dir in "$wasm_bindgen_home/bin" "$binaryen_home/node_modules/.bin" "$registry_home/usr/bin"; do
  case ":$PATH:" in
    *":$gatewright_dir:"*) ;;
    *) PATH=$gatewright_dir:$PATH ;;
  esac
done
# A shell that never read the profile has no cargo.
command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
export PATH

# Yours, if you name one; else the pinned one, once it is there.
if [[ -z ${GATEWRIGHT_ENVOY:-} && -x $envoy_home/envoy ]]; then
  export GATEWRIGHT_ENVOY=$envoy_home/envoy
fi
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner

# scripts/setup installs what rust-toolchain.toml names. Without this, rustup looks for its
# server at every call where the targets did not come from there.
export RUSTUP_AUTO_INSTALL=0
