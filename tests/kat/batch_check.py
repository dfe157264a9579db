#!/usr/bin/env python3
"""Reads batches that EDN made and judged, and judges them again, from SECURITY.md 2.8 alone.

usage: batch_check.py BATCH_MAKE [CASES [SEED]]

Shares no code with EDN. Agreement means: the same error class, and the same inside of good ones.
"""
import functools
import json
import subprocess
import sys

from devlog_check import Log, Reader, Refused, h32, need, t, verify
from keys_ref import KDF, H32, padme, power_of_two, u16, xaead_open

P_MIN, SIZE_MAX, OVERHEAD, HEADS_MAX, RECORDS_MAX, BOX_MAX = 1024, 4 << 20, 312, 1024, 65536, 1 << 20


@functools.lru_cache(64)
def log_of(links):
    log = Log()
    for link in links:
        log.append(bytes.fromhex(link))
    return log


class Header:
    def __init__(self, data):
        r = Reader(data)
        need(r.take(4) == b"EDNB" and r.take(1) == b"\x01", "E_FORMAT")
        self.kind, self.suite, self.space, self.device = r.number(1), r.number(2), r.take(32), r.take(16)
        self.dseq, self.prev, self.epoch, self.log_seq = r.number(8), r.take(32), r.number(4), r.number(8)
        self.log_head, self.heads_hash, self.padded = r.take(32), r.take(32), r.number(4)


def decode(batch):
    need(OVERHEAD + P_MIN <= len(batch) <= SIZE_MAX, "E_FORMAT")
    h = Header(batch[:176])
    need(1 <= h.kind <= 5, "E_FORMAT")
    need(h.suite == 1, "E_SUITE")
    need(h.padded >= P_MIN and padme(h.padded) == h.padded, "E_FORMAT")
    need(len(batch) == OVERHEAD + h.padded, "E_FORMAT")
    need(h.dseq > 0, "E_FORMAT")
    return h


def author(log, h, space, batch_hash):
    """(verdict of the log, the author's key or None)"""
    device = log.devices.get(h.device)
    key = device.sign if device else None
    if h.suite < log.suite_min:
        return "E_SUITE", key
    if h.log_seq >= len(log.hashes):
        return "E_CHAIN", key
    if device is None or h.log_seq < device.added:
        return "E_DEVICE_UNKNOWN", key
    if not device.active() and device.revoked <= h.log_seq:
        return "E_SIGNER_REVOKED", key
    if not device.caps & 2:
        return "E_CAP", key
    if log.hashes[h.log_seq] != h.log_head:
        return "E_FORK", key
    resealed, closed = log.resealed
    if resealed and h.log_seq >= resealed and h.epoch < closed:
        return "E_POLICY", key
    if not device.active():
        cut = device.cuts.get(space, bytes(40))
        number = int.from_bytes(cut[:8], "little")
        if h.dseq > number:
            return "E_SIGNER_REVOKED", key
        if h.dseq == number and cut[8:] != batch_hash:
            return "E_FORK", key
    return None, key


def inside(h, plain):
    size = int.from_bytes(plain[:4], "little")
    need(4 + size <= len(plain), "E_FORMAT")
    need(not any(plain[4 + size:]), "E_FORMAT")
    need(h.padded in (padme(4 + size), power_of_two(4 + size)), "E_FORMAT")
    body = plain[4:4 + size]
    r = Reader(body)
    heads, records = Reader(r.take(r.number(4))), None
    n = heads.number(4)
    need(n <= HEADS_MAX and len(heads.data) == 4 + 56 * n, "E_FORMAT")
    elements = [heads.take(56) for _ in range(n)]
    need(H32(t(b"EDNv1/heads", *elements)) == h.heads_hash, "E_FORMAT")
    need(all(a[:16] < b[:16] for a, b in zip(elements, elements[1:])), "E_FORMAT")
    need(all(any(e[16:24]) for e in elements), "E_FORMAT")
    records = Reader(r.take(r.number(4)))
    r.end()
    n = records.number(4)
    need(n <= RECORDS_MAX, "E_FORMAT")
    for _ in range(n):
        records.take(41)
        size = records.number(4)
        need(size <= BOX_MAX, "E_FORMAT")
        records.take(size)
    records.end()
    return body


def judge(case):
    log, space, batch = log_of(tuple(case["links"])), bytes.fromhex(case["space"]), bytes.fromhex(case["batch"])
    held = [bytes.fromhex(x) for x in case["held"]]
    h = decode(batch)
    header, nonce, com, c, sig = batch[:176], batch[176:200], batch[200:232], batch[232:-64], batch[-64:]
    c_hash = H32(c)
    batch_hash = H32(t(b"EDNv1/hash/batch", header, nonce, com, c_hash, sig))
    mine = held if h.device == bytes.fromhex(case["author"]) else []

    need(h.space == space, "E_AUTH")
    need(not (h.dseq <= len(mine) and mine[h.dseq - 1] == batch_hash), "E_EXISTS")
    verdict, key = author(log, h, space, batch_hash)
    if verdict and not (key and verdict in ("E_CHAIN", "E_FORK")):
        raise Refused(verdict)
    need(verify(key, t(b"EDNv1/sig/batch", header, nonce, com, c_hash), sig), "E_SIG")
    need(verdict is None, verdict)
    need(h.epoch < len(case["keys"]), "E_EPOCH")
    need(h.dseq > len(mine), "E_FORK")
    need(h.dseq == len(mine) + 1 and h.prev == (mine[-1] if mine else bytes(32)), "E_CHAIN")
    d = KDF(bytes.fromhex(case["keys"][h.epoch]), "seal", 64, u16(1), nonce, H32(header))
    plain = xaead_open(d[:32], nonce, header, c) if d[32:] == com else None
    need(plain is not None, "E_AUTH")
    return inside(h, plain)


def main():
    make, cases = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 600
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    with subprocess.Popen([make, str(seed), str(cases)], stdout=subprocess.PIPE, text=True) as p:
        seen, n = {}, 0
        for n, line in enumerate(p.stdout, 1):
            case = json.loads(line)
            try:
                body = H32(judge(case)).hex()
                status = "OK"
            except Refused as e:
                status, body = str(e), None
            seen[status] = seen.get(status, 0) + 1
            if status != case["status"] or body != case.get("body"):
                print("case %d (how %d): EDN says %s, this program %s; again: %s %s %d %d" % (
                    n, case["how"], case["status"], status, sys.argv[0], make, n, seed))
                return 1
    if p.returncode or n != cases:
        print("%s ended early: %d of %d cases" % (make, n, cases))
        return 1
    print("%d batches, no difference: %s" % (n, ", ".join("%s %d" % x for x in sorted(seen.items()))))
    # A generator that never gets to a class would prove nothing about it.
    classes = 12
    if cases >= 600 and len(seen) < classes:
        print("only %d of %d classes were met" % (len(seen), classes))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
