# shellcheck shell=bash disable=SC2154,SC2015
# The pinned toolchain and its wasm targets: checked, asked of rustup, or built from source.

wasm_targets=(wasm32-wasip1 wasm32-unknown-unknown)
logs=$gatewright_cache/setup

# Said aloud because the standard library is built outside of the checkout.
RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$gatewright_root/rust-toolchain.toml")}
export RUSTUP_TOOLCHAIN

have_toolchain() { rustc --version >/dev/null 2>&1 && cargo --version >/dev/null 2>&1; }

get_toolchain() {
  have rustup || die "there is no Rust $RUSTUP_TOOLCHAIN and no rustup to install it with; install rustup, then run this again"
  say "installing Rust $RUSTUP_TOOLCHAIN with rustup"
  RUST_BACKTRACE=0 quietly "$logs/toolchain.log" limited 1200 \
    rustup toolchain install "$RUSTUP_TOOLCHAIN" --profile minimal -c rustfmt -c clippy ||
    die "rustup could not install Rust $RUSTUP_TOOLCHAIN ($logs/toolchain.log)"
}

# What the compiler would find. The stamp of a passed check holds it, so that a removed, added
# or renamed file is noticed, and another compiler too.
targets_state() {
  rustc -vV
  local target
  for target in "${wasm_targets[@]}"; do
    ls -R "$1/lib/rustlib/$target/lib" || return
  done
}

have_targets() {
  local stamp=$logs/targets-$RUSTUP_TOOLCHAIN sysroot state target
  sysroot=$(rustc --print sysroot)
  state=$(targets_state "$sysroot" 2>/dev/null) || return
  [[ -f $stamp && $(<"$stamp") == "$state" ]] && return
  for target in "${wasm_targets[@]}"; do
    target_compiles "$target" || return
  done
  printf '%s\n' "$state" >"$stamp"
}

# A library with fat LTO, a program and a test: together they need every part of a target.
target_compiles() {
  local dir status=0 kind
  mkdir -p "$logs"
  dir=$(mktemp -d "$logs/try-XXXXXX")
  cat >"$dir/try.rs" <<'RUST'
pub fn main() { println!("{:?}", std::env::args()); }
#[unsafe(no_mangle)] pub extern "C" fn answer() -> usize { main(); 42 }
#[test] fn answers() { assert_eq!(answer(), 42); }
RUST
  for kind in "--crate-type=cdylib -Clto=fat -Cpanic=abort" --crate-type=bin --test; do
    # shellcheck disable=SC2086 # the first is several words
    rustc --edition 2024 --target "$1" $kind --out-dir "$dir" "$dir/try.rs" >"$logs/try-$1.log" 2>&1 ||
      { status=1; break; }
  done
  rm -rf "$dir"
  return "$status"
}

get_targets() {
  local tried=() target
  if have rustup; then
    say "adding the targets ${wasm_targets[*]} with rustup"
    if RUST_BACKTRACE=0 limited 300 rustup target add "${wasm_targets[@]}" >"$logs/rustup.log" 2>&1 </dev/null; then
      tried+=("rustup target add: says they are there, yet they do not compile a trivial crate ($logs/try-*.log); \`rustup target remove\` first may help")
    else
      say "rustup could not; building them from source"
      tried+=("rustup target add: failed or took too long ($logs/rustup.log)")
    fi
  else
    tried+=("rustup target add: there is no rustup")
  fi
  for target in "${wasm_targets[@]}"; do
    target_compiles "$target" && continue
    if build_target "$target" && target_compiles "$target"; then
      say "installed $target, built from source; with RUSTUP_AUTO_INSTALL=0 in your shell rustup will not look for its server at every call"
      continue
    fi
    tried+=("building it from Debian's rust-src: ${build_target_problem:-what was built does not compile a trivial crate ($logs/try-$target.log)}")
    die "cannot get the target $target for $(rustc --version). Tried:$(printf '\n  - %s' "${tried[@]}")"
  done
}

# Debian packages the source of the standard library in our compiler's very version, and a libc
# for WASI. A step that fails leaves its reason in `build_target_problem`.
build_target() {
  local target=$1 std=$gatewright_cache/setup/std-$RUSTUP_TOOLCHAIN sysroot library
  sysroot=$(rustc --print sysroot)
  build_target_problem=
  [[ -w $sysroot/lib/rustlib ]] || { build_target_problem="$sysroot/lib/rustlib is not writable"; return 1; }
  [[ -f $std/src/complete ]] || fetch_rust_source "$std" || return
  library=$(echo "$std"/src/usr/src/rustc-*/library)

  say "building the standard library for $target (about half a minute)"
  rm -rf "${std:?}/$target"
  mkdir -p "$std/$target/src"
  : >"$std/$target/src/lib.rs"
  printf '[package]\nname = "empty"\nedition = "2024"\n[workspace]\n' >"$std/$target/Cargo.toml"
  # Bitcode is embedded so that plugins can be linked with LTO.
  (cd "$std/$target" && quietly "$logs/std-$target.log" env -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET \
    -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER RUSTC_BOOTSTRAP=1 \
    __CARGO_TESTS_ONLY_SRC_ROOT="$library" \
    RUSTFLAGS="-Cembed-bitcode=yes -Zunstable-options -Cpanic=abort" \
    cargo build -Zbuild-std=std,panic_abort,panic_unwind,test,proc_macro --release --target "$target") ||
    { build_target_problem="the build failed ($logs/std-$target.log)"; return 1; }
  install_target "$target" "$std" "$sysroot/lib/rustlib/$target" ||
    { build_target_problem="could not install into $sysroot/lib/rustlib"; return 1; }
  rm -rf "${std:?}/$target"
}

# install_target TARGET FROM INTO. A whole new folder takes the place of the old by rename: two
# copies of the standard library side by side, or half a copy, break every build.
install_target() {
  local new=$3/lib.new-$$ old=$3/lib.old-$$
  mkdir -p "$new/self-contained" &&
    cp "$2/$1/target/$1"/release/deps/lib*.rlib "$new/" && rm "$new"/libempty-*.rlib || return
  if [[ $1 == wasm32-wasip1 ]]; then
    cp "$2"/src/usr/lib/wasm32-wasi/{crt1-command.o,crt1-reactor.o,libc.a} "$new/self-contained/" || return
  fi
  if [[ -e $3/lib ]]; then mv "$3/lib" "$old" || return; fi
  mv "$new" "$3/lib" || return
  rm -rf "$old"
}

# shellcheck disable=SC2016 # REPO_URI is for apt to expand
fetch_rust_source() {
  local std=$1 version mirror suite package
  have apt-get && have dpkg-deb || { build_target_problem="needs apt-get and dpkg-deb"; return 1; }
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
  [[ -n $mirror ]] || { build_target_problem="apt knows no Debian mirror (\`apt-get update\` may help)"; return 1; }
  version=$(rustc --version | awk '{ print $2 }')
  for suite in trixie-backports unstable; do
    say "looking for the source of Rust $version in Debian's $suite"
    private_apt "$std/apt" "$mirror" "$suite" || continue
    package=$(apt-cache "${apt[@]}" madison rust-src | awk -v v="$version" 'index($3, v "+") == 1 || index($3, v "-") == 1 { print $3; exit }')
    [[ -n $package ]] || continue
    say "downloading rust-src $package and wasi-libc"
    rm -rf "$std/src" "$std/debs" && mkdir -p "$std/src" "$std/debs"
    (cd "$std/debs" && quietly "$logs/apt.log" limited 600 apt-get "${apt[@]}" download "rust-src=$package" wasi-libc) || continue
    for package in "$std"/debs/*.deb; do
      dpkg-deb -x "$package" "$std/src" || { build_target_problem="could not unpack $package"; return 1; }
    done
    rm -rf "$std/debs" "$std/apt"
    touch "$std/src/complete"
    return 0
  done
  build_target_problem="found no rust-src $version on the Debian mirror ($logs/apt.log)"
  return 1
}

# private_apt DIR MIRROR SUITE: an apt of its own, so that the system's stays as it is.
private_apt() {
  mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$2" "$3" >"$1/sources.list"
  apt=(-qq -o Dir::Etc::sourcelist="$1/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::lists="$1/lists" -o Dir::Cache="$1/cache" -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any)
  quietly "$logs/apt.log" limited 300 apt-get "${apt[@]}" update
}
