#!/usr/bin/env bash
# Installs Debian's Node.js and npm, which build what browsers run, where there is no npm. Where it may not, it does
# nothing: the build says what is missing.
set -euo pipefail

if ! command -v npm >/dev/null && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "Installing nodejs and npm ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null
    apt-get install -y -qq --no-install-recommends nodejs npm </dev/null >/dev/null
fi
