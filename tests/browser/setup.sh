#!/usr/bin/env bash
# A browser for the tests of the pages, and a font with Chinese characters for their screenshots.
# Nothing to do where one is, or where VLMBENCH_CHROMIUM names one.
set -euo pipefail
if [ -n "${VLMBENCH_CHROMIUM:-}" ]; then exit 0; fi
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" > /dev/null; then exit 0; fi
done
if ! command -v apt-get > /dev/null || [ "$(id -u)" != 0 ]; then
    echo "The pages are tested in Chromium: install it, or name it in VLMBENCH_CHROMIUM." >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-noto-cjk fonts-dejavu-core > /dev/null
