# Sourced by scripts/quickstart and scripts/test: `environment [EXTRA]` makes or completes the shared virtual environment.
# Afterwards $env names its folder (.venv in the checkout, or DINOSEARCH_ENV) and the working directory is the checkout.
# Running again is free when nothing changed and resumes an interrupted installation.

readonly UV="uv==0.13.8" # the tested installer; anything else that can install serves too
cd "$(dirname "${BASH_SOURCE[0]}")/.."
env="${DINOSEARCH_ENV:-$PWD/.venv}"

environment() {
    local extra="${1:-}" stamp
    stamp="$(fingerprint)"
    installed "$stamp" "$extra" && return
    [[ -x "$env/bin/python" ]] && "$env/bin/python" -m pip --version >/dev/null 2>&1 || make_environment
    stamp="$(fingerprint)" # the environment's Python is part of it
    echo "Installing into $env (several GB the first time) ..." >&2
    install_with_uv "$extra" || install_with_pip "$extra"
    echo "$stamp $extra" >"$env/dinosearch.installed"
}

# What the installation depends on: requirements, pinned versions, Python, the place of the checkout (editable install).
fingerprint() {
    { cat pyproject.toml scripts/constraints.txt "$env/pyvenv.cfg" 2>/dev/null || true; pwd; } | cksum | tr ' ' '-'
}

# The base installation is part of every extra, so an environment with an extra also serves a run without.
installed() {
    local stamp="$1" wanted="$2" found="" extra=""
    [[ -x "$env/bin/python" && -r "$env/dinosearch.installed" ]] || return 1
    read -r found extra <"$env/dinosearch.installed" || true
    [[ "$found" == "$stamp" && ( -z "$wanted" || "$wanted" == "$extra" ) ]]
}

make_environment() {
    local python
    if [[ -d "$env" && ! -e "$env/pyvenv.cfg" && -n "$(ls -A "$env")" ]]; then
        fail "$env is not a virtual environment; name another folder with DINOSEARCH_ENV."
    fi
    python="$(find_python)" || {
        install_python
        python="$(find_python)" || fail "No Python 3.10 to 3.13 with venv and ensurepip here; install one and run again."
    }
    echo "Making $env with $("$python" --version) ..." >&2
    "$python" -m venv --clear "$env"
}

# Debian ships venv without ensurepip, so both are tried.
find_python() {
    local name
    for name in python3 python3.12 python3.13 python3.11 python3.10; do
        if "$name" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

install_python() {
    if [[ "$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null; then
        fail "No Python 3.10 to 3.13 with venv and ensurepip here; install one (Debian: apt-get install python3-venv)."
    fi
    echo "Installing python3-venv ..." >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } </dev/null >&2
}

install_with_uv() {
    "$env/bin/python" -m pip install --quiet "$UV" || "$env/bin/python" -m pip install --quiet uv || return 1
    (
        share_pip_settings
        export UV_PYTHON_DOWNLOADS=never UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
        "$env/bin/uv" pip install --python "$env/bin/python" -c scripts/constraints.txt -e ".${1:+[$1]}"
    )
}

install_with_pip() {
    echo "uv did not succeed; trying pip, which takes longer ..." >&2
    "$env/bin/python" -m pip install -c scripts/constraints.txt -e ".${1:+[$1]}" || return 1
    # milvus-lite asks for faiss-cpu, whose files replace those of faiss-gpu; pip cannot be told to leave it out.
    if installed_package faiss-gpu && installed_package faiss-cpu; then
        "$env/bin/python" -m pip uninstall --quiet --yes faiss-cpu
        "$env/bin/python" -m pip install --quiet --force-reinstall --no-deps -c scripts/constraints.txt faiss-gpu
    fi
}

installed_package() {
    "$env/bin/python" -m pip show --quiet "$1" >/dev/null 2>&1
}

# uv does not read pip's configuration; a machine behind a mirror has its package index only there.
share_pip_settings() {
    local index extra links cert
    index="${PIP_INDEX_URL:-$(pip_setting index-url)}"
    extra="${PIP_EXTRA_INDEX_URL:-$(pip_setting extra-index-url)}"
    links="${PIP_FIND_LINKS:-$(pip_setting find-links)}"
    cert="${PIP_CERT:-$(pip_setting cert)}"
    [[ -z "$index" || -n "${UV_DEFAULT_INDEX:-}" ]] || export UV_DEFAULT_INDEX="$index"
    [[ -z "$extra" || -n "${UV_INDEX:-}" ]] || export UV_INDEX="$extra" UV_INDEX_STRATEGY=unsafe-best-match # as pip does
    [[ -z "$links" || -n "${UV_FIND_LINKS:-}" ]] || export UV_FIND_LINKS="${links// /,}"
    [[ -z "$cert" || -n "${SSL_CERT_FILE:-}" ]] || export SSL_CERT_FILE="$cert"
}

pip_setting() {
    { "$env/bin/python" -m pip config get "install.$1" || "$env/bin/python" -m pip config get "global.$1"; } 2>/dev/null |
        tr '\n' ' ' | sed 's/ *$//' || true
}

fail() {
    echo "error: $1" >&2
    exit 2
}
