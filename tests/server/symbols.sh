#!/bin/sh
# usage: symbols.sh EDND
# Shows from its symbols that a server holds nothing that could open a record: no code that seals, unseals, wraps or
# stretches a key, none of the modules that would, and none of the library's functions for it. (crypto_scalarmult stays:
# the check of a device's public X25519 key in the log multiplies it by a number that everybody knows.)
set -eu
symbols=$(nm "$1" | awk '{print $NF}'; nm -D "$1" | awk '{print $NF}')
# A server that checks batches, or this looks at the wrong file (or at a stripped one).
for needed in edn_batch_verify edn_devlog_append crypto_sign_verify_detached; do
    echo "$symbols" | grep -q "^$needed" || { echo "$1: $needed is missing: not a server with its symbols?"; exit 1; }
done
bad=$(echo "$symbols" | grep -E \
    -e '^edn_(seal|unseal|hpke|argon2|stretch|unlock|passphrase|account_key|kdf_record|root_box|prev_box|journal_key)' \
    -e '^edn_(grant|entry_key|space_key|meta_key|index_key|aek|record_(seal|open)|batch_(seal|open)|slot)' \
    -e '^edn_store_([^u]|unlock)' \
    -e '^edn_(doc|crdt|client|sync|http_|search|secret|shamir|recovery)' \
    -e '^crypto_(aead|secretbox|secretstream|box|pwhash|kx|stream|kdf|onetimeauth)' || true)
if [ -n "$bad" ]; then
    echo "$1 holds what only a client may:"
    echo "$bad"
    exit 1
fi
