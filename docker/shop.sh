#!/bin/bash
# Fills the demo's database when the source's container is made; run by the image's entry point.
set -euo pipefail
pgbench -i -q -s "${SCALE:-10}" -U penstock shop
psql -XAtq -v ON_ERROR_STOP=1 -U penstock -f /conf/shop.sql shop
