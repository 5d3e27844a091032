#!/usr/bin/env bash
# Makes sure that the programs which building and testing need are there. Installs
# PostgreSQL's where it may do so without asking (Debian or Ubuntu, as root or with
# sudo that needs no password), else says in one sentence what to install.
set -euo pipefail

readonly oldest=15
readonly cluster_conf=/etc/postgresql-common/createcluster.conf

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Directories where the server programs may be; `tasker` itself looks there too.
candidates() {
    local program
    if [ -n "${TASKER_PG_BIN:-}" ]; then
        echo "$TASKER_PG_BIN"
        return
    fi
    program=$(command -v postgres) && dirname "$program"
    printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin
    command -v pg_config >/dev/null && pg_config --bindir
    printf '%s\n' /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin
    printf '%s\n' /Applications/Postgres.app/Contents/Versions/*/bin
}

has_postgresql() {
    local directory major
    while read -r directory; do
        [ -x "$directory/initdb" ] && [ -x "$directory/postgres" ] || continue
        major=$("$directory/postgres" --version | sed -n 's/.*(PostgreSQL) \([0-9]*\).*/\1/p')
        [ "${major:-0}" -ge "$oldest" ] && return 0
    done < <(candidates)
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}

# Debian's package makes and starts a server of its own, which nobody here asked for.
# Its configuration says not to while the package is installed, and is put back then.
install_postgresql() {
    echo "setup: installing PostgreSQL's programs"
    as_root apt-get update -qq </dev/null
    apt_install postgresql-common
    if [ -f "$cluster_conf" ]; then
        as_root cp -p "$cluster_conf" "$cluster_conf.tasker"
        trap 'as_root mv "$cluster_conf.tasker" "$cluster_conf"' EXIT
        echo 'create_main_cluster = false' | as_root tee -a "$cluster_conf" >/dev/null
    fi
    apt_install postgresql
}

command -v cargo >/dev/null || fail "Rust is missing: install it as https://rustup.rs says."
command -v cc >/dev/null || fail "a C compiler is missing: install one (Debian, Ubuntu: apt-get install gcc libc6-dev)."
if ! has_postgresql; then
    [ -z "${TASKER_PG_BIN:-}" ] || fail "TASKER_PG_BIN=$TASKER_PG_BIN does not hold initdb and postgres of PostgreSQL $oldest or newer."
    may_install || fail "PostgreSQL $oldest or newer is missing: install its server programs (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17)."
    install_postgresql
    has_postgresql || fail "the packaged PostgreSQL is older than $oldest: install a newer one as https://www.postgresql.org/download says."
fi
