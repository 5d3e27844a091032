#!/usr/bin/env bash
# Makes sure that the programs which building and testing need are there. Installs
# PostgreSQL's where it may do so without asking (Debian or Ubuntu, as root or with
# sudo that needs no password), else says in one sentence what to install.
#
#   scripts/setup.sh        what the Rust programs need
#   scripts/setup.sh all    and what the bindings for other languages and their tests need
set -euo pipefail

readonly oldest=15
readonly cluster_conf=/etc/postgresql-common/createcluster.conf
readonly service_policy=/usr/sbin/policy-rc.d

# Ruby with its headers, libclang to read them, and what the specs of the gem use.
readonly ruby_packages=(
    ruby ruby-dev libclang-dev rake ruby-rspec yard
    ruby-activesupport ruby-activejob ruby-activerecord ruby-railties
    ruby-concurrent ruby-faraday ruby-json-schema ruby-pg ruby-webmock
    ruby-sidekiq redis-server
)

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
        echo 'create_main_cluster = false' | as_root tee -a "$cluster_conf" >/dev/null
    fi
    apt_install postgresql
}

missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || echo "$package"
    done
}

# What is missing where there is no Debian package to ask for.
missing_ruby_parts() {
    local part
    for part in ruby rake rspec redis-server; do
        command -v "$part" >/dev/null || echo "$part"
    done
    command -v ruby >/dev/null || return 0
    ruby -rrbconfig -e 'exit File.exist?(File.join(RbConfig::CONFIG["rubyhdrdir"], "ruby.h"))' || echo "Ruby's headers"
    for part in active_support active_job active_record rails faraday json-schema webmock pg concurrent sidekiq; do
        ruby -e "require '$part'" 2>/dev/null || echo "the gem $part"
    done
}

# Debian's package starts its server, which nobody here asked for. A policy says not to
# while the package is installed, and the one that was there comes back then.
install_ruby() {
    echo "setup: installing $*"
    as_root apt-get update -qq </dev/null
    if [ -e "$service_policy" ]; then
        as_root mv "$service_policy" "$service_policy.tasker"
    fi
    policy_is_ours=1
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$service_policy" >/dev/null
    as_root chmod 755 "$service_policy"
    apt_install "$@"
}

policy_is_ours=0
put_back() {
    [ ! -e "$cluster_conf.tasker" ] || as_root mv "$cluster_conf.tasker" "$cluster_conf"
    [ "$policy_is_ours" -eq 0 ] || as_root rm -f "$service_policy"
    [ ! -e "$service_policy.tasker" ] || as_root mv "$service_policy.tasker" "$service_policy"
}
trap put_back EXIT

case "${1:-}" in
'' | all) ;;
*) fail "no such part: $1 (usage: scripts/setup.sh [all])" ;;
esac
command -v cargo >/dev/null || fail "Rust is missing: install it as https://rustup.rs says."
command -v cc >/dev/null || fail "a C compiler is missing: install one (Debian, Ubuntu: apt-get install gcc libc6-dev)."
if ! has_postgresql; then
    [ -z "${TASKER_PG_BIN:-}" ] || fail "TASKER_PG_BIN=$TASKER_PG_BIN does not hold initdb and postgres of PostgreSQL $oldest or newer."
    may_install || fail "PostgreSQL $oldest or newer is missing: install its server programs (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17)."
    install_postgresql
    has_postgresql || fail "the packaged PostgreSQL is older than $oldest: install a newer one as https://www.postgresql.org/download says."
fi
if [ "${1:-}" = all ]; then
    if command -v dpkg-query >/dev/null; then
        mapfile -t missing < <(missing_packages "${ruby_packages[@]}")
        if [ "${#missing[@]}" -gt 0 ]; then
            may_install || fail "the Ruby gem needs more packages: apt-get install ${missing[*]}"
            install_ruby "${missing[@]}"
        fi
    else
        mapfile -t missing < <(missing_ruby_parts)
        [ "${#missing[@]}" -eq 0 ] || fail "the Ruby gem and its specs need more, libclang among it: install $(printf '%s, ' "${missing[@]}" | sed 's/, $//')"
    fi
fi
