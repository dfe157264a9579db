#!/usr/bin/env python3
"""Reads device logs and space logs that EDN made and judged, and judges them again, from SECURITY.md 2.6 and
docs/spec/sharing.md alone.

usage: devlog_check.py DEVLOG_MAKE [CASES [SEED]]

Shares no code with EDN. Agreement means: the same error class for the same link, and the same state after good ones.
"""
import functools
import hashlib
import json
import subprocess
import sys

import ed25519

DEVICES_MAX, SPACE_KEYS_MAX, LINKS_MAX, SHARES_MAX, LINK_SIZE_MAX = 32, 128, 100000, 16, 65536
GENESIS, ADD, REVOKE, KDF, RECOVERY, CHECKPOINT, POLICY, ROTATE, RESEAL = range(1, 10)
AIK = bytes(16)

# Logs share their beginnings, and big numbers are slow here.
verify = functools.lru_cache(None)(ed25519.verify)
prime_order = functools.lru_cache(None)(ed25519.prime_order)


class Refused(Exception):
    pass


def need(condition, error):
    if not condition:
        raise Refused(error)


class Reader:
    """Any read past the end is E_FORMAT."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), "E_FORMAT")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "little")

    def end(self):
        need(self.at == len(self.data), "E_FORMAT")


def le(value, n):
    return value.to_bytes(n, "little")


def lp(x):
    return le(len(x), 4) + x


def t(label, *fields):
    return lp(label) + le(len(fields), 4) + b"".join(map(lp, fields))


def h32(x):
    return hashlib.blake2b(x, digest_size=32).digest()


class Device:
    def __init__(self, cert, seq, time, by):
        self.cert, self.sign, self.enc = cert, cert[:32], cert[32:64]
        self.caps = int.from_bytes(cert[64:68], "little")
        self.added, self.time, self.revoked, self.cuts, self.by = seq, time, -1, {}, by

    def line(self):
        """It, the key that let it in, the key that let that one in…"""
        d = self
        while d:
            yield d
            d = d.by

    def plain_member(self):
        return self.caps & 8 and not self.caps & 4

    def membership(self):
        for d in self.line():
            if d.caps & 8 and (d.by is None or d.by.caps & 4):
                return d
        return None

    def active(self):
        return self.revoked == -1


class Log:
    def __init__(self):
        self.hashes, self.devices, self.pins, self.bases, self.resealed = [], {}, [], {}, (0, 0)
        self.aik = self.aek = self.grants = self.kdf = None
        self.epoch, self.suite_min, self.kdf_floor, self.flags = 0, 1, 1, 0

    # ---- one link, in the order of the checks ----

    def append(self, link):
        need(172 <= len(link) <= LINK_SIZE_MAX, "E_FORMAT")
        r = Reader(link)
        magic = r.take(4)
        need(magic in (b"EDNL", b"EDNS") and r.take(1) == b"\x01", "E_FORMAT")
        space = magic == b"EDNS"
        kind, suite, seq = r.number(1), r.number(2), r.number(8)
        prev, account, signer, time = r.take(32), r.take(32), r.take(16), r.number(8)
        body, sig = r.take(r.number(4)), r.take(64)
        r.end()

        first = not self.hashes
        need(first or space == self.space, "E_FORMAT")
        need(suite == 1 and suite >= self.suite_min, "E_SUITE")
        need(GENESIS <= kind <= RESEAL and (kind == GENESIS) == first, "E_TYPE")
        need(not (space and kind in (KDF, RECOVERY, RESEAL)), "E_TYPE")
        need(seq == len(self.hashes), "E_SEQ")
        need(prev == (bytes(32) if first else self.hashes[-1]), "E_PREV")
        need(account == (bytes(32) if first else self.hashes[0]), "E_ACCOUNT")
        by = None
        if signer != AIK:
            by = self.devices.get(signer)
            need(by is None or by.active(), "E_SIGNER_REVOKED")
            need(by is not None, "E_SIGNER_UNKNOWN")
        key = by.sign if by else Reader(body).take(32) if first else self.aik
        need(verify(key, t(b"EDNv1/sig/space" if space else b"EDNv1/sig/link", link[:-64]), sig), "E_SIG")
        if kind in (GENESIS, ROTATE):
            need(by is None, "E_CAP")
        elif kind == CHECKPOINT:
            need(by is not None, "E_CAP")
        elif not (by and by.plain_member() and kind in (ADD, REVOKE)):
            need(by is None or by.caps & 4, "E_CAP")

        r = Reader(body)
        self.by, self.new_space = by, space
        commit = self.BODIES[kind](self, r, prev, seq, signer, time)
        self.space = space
        self.hashes.append(h32(t(b"EDNv1/hash/link", link[:-64], sig)))
        commit()

    # ---- bodies: each reads all, checks all, and returns what to do ----

    def certificate(self, r):
        cert = r.take(100)
        need(int.from_bytes(cert[64:68], "little") < (16 if self.new_space else 8), "E_FORMAT")
        return cert

    def check_device(self, cert, aik, prev, seq, signer, pop):
        device = h32(t(b"EDNv1/devid", cert[:32], cert[32:64]))[:16]
        need(device not in self.devices, "E_DUP_DEVICE")
        need(verify(cert[:32], t(b"EDNv1/sig/pop", prev, le(seq, 8), signer, aik, cert), pop), "E_POP")
        return device

    def genesis(self, r, prev, seq, signer, time):
        aik, cert, aek, grants, pop = r.take(32), self.certificate(r), r.take(32), r.take(32), r.take(64)
        r.end()
        need(prime_order(aik) and prime_order(cert[:32]), "E_KEY_INVALID")
        need(ed25519.x25519_usable(cert[32:64]) and ed25519.x25519_usable(aek), "E_KEY_INVALID")
        device = self.check_device(cert, aik, prev, seq, signer, pop)

        def commit():
            self.aik, self.aek, self.grants = aik, aek, grants
            self.devices[device] = Device(cert, seq, time, None)
        return commit

    def add(self, r, prev, seq, signer, time):
        cert, grants, pop = self.certificate(r), r.take(32), r.take(64)
        r.end()
        by = self.by
        if by and by.plain_member():
            need(int.from_bytes(cert[64:68], "little") & ~by.caps == 0, "E_CAP")
        need(prime_order(cert[:32]) and ed25519.x25519_usable(cert[32:64]), "E_KEY_INVALID")
        device = self.check_device(cert, self.aik, prev, seq, signer, pop)
        need(sum(d.active() for d in self.devices.values()) < (SPACE_KEYS_MAX if self.space else DEVICES_MAX),
             "E_LIMIT")

        def commit():
            self.grants = grants
            self.devices[device] = Device(cert, seq, time, by)
        return commit

    def revoke(self, r, prev, seq, signer, time):
        gone = []
        for _ in range(r.number(4)):
            device, cuts = r.take(16), [r.take(72) for _ in range(r.number(4))]
            need(len({c[:32] for c in cuts}) == len(cuts), "E_FORMAT")
            gone.append((device, {c[:32]: c[32:] for c in cuts}))
        epoch, aek, grants = r.number(4), r.take(32), r.take(32)
        r.take(32)
        r.end()
        if self.by and self.by.plain_member():
            need(all(d in self.devices and self.devices[d].membership() is self.by.membership() for d, _ in gone),
                 "E_CAP")
        need(ed25519.x25519_usable(aek), "E_KEY_INVALID")
        need(len({d for d, _ in gone}) == len(gone), "E_DEVICE_UNKNOWN")
        need(all(d in self.devices and self.devices[d].active() for d, _ in gone), "E_DEVICE_UNKNOWN")
        need(epoch == self.epoch + 1, "E_EPOCH")

        def commit():
            for device, cuts in gone:
                self.devices[device].revoked, self.devices[device].cuts = seq, cuts
            self.epoch, self.aek, self.grants = epoch, aek, grants
        return commit

    def set_kdf(self, r, prev, seq, signer, time):
        kdf, box, login = r.take(32), r.take(32), r.take(32)
        r.end()
        need(prime_order(login), "E_KEY_INVALID")

        def commit():
            self.kdf = kdf, box, login
        return commit

    def set_recovery(self, r, prev, seq, signer, time):
        threshold, n = r.number(1), r.number(1)
        need(1 <= threshold <= n <= SHARES_MAX, "E_FORMAT")
        r.take(16 + 32 * n + 32)
        r.end()
        return lambda: None

    def checkpoint(self, r, prev, seq, signer, time):
        pins = [r.take(88) for _ in range(r.number(4))]
        r.end()

        def commit():
            self.pins = pins
        return commit

    def policy(self, r, prev, seq, signer, time):
        suite, floor, flags = r.number(2), r.number(1), r.number(4)
        r.end()
        need(suite >= self.suite_min and floor >= self.kdf_floor and self.flags & ~flags == 0, "E_POLICY")

        def commit():
            self.suite_min, self.kdf_floor, self.flags = suite, floor, flags
        return commit

    def rotate(self, r, prev, seq, signer, time):
        aik, proof = r.take(32), r.take(64)
        r.end()
        need(prime_order(aik), "E_KEY_INVALID")
        need(verify(aik, t(b"EDNv1/sig/aik", prev, le(seq, 8), self.hashes[0], aik), proof), "E_POP")

        def commit():
            self.aik = aik
        return commit

    def reseal(self, r, prev, seq, signer, time):
        epoch, pins = r.number(4), [r.take(88) for _ in range(r.number(4))]
        need(all(int.from_bytes(p[48:56], "little") for p in pins), "E_FORMAT")
        need(len({p[:48] for p in pins}) == len(pins), "E_FORMAT")
        r.end()
        need(all(p[32:48] in self.devices for p in pins), "E_DEVICE_UNKNOWN")
        need(epoch == self.epoch, "E_EPOCH")
        for p in pins:
            number, hash = int.from_bytes(p[48:56], "little"), p[56:]
            held, held_hash = self.bases.get(p[:48], (0, None))
            need(number > held or (number == held and hash == held_hash), "E_POLICY")

        def commit():
            self.bases.update({p[:48]: (int.from_bytes(p[48:56], "little"), p[56:]) for p in pins})
            self.resealed = seq, epoch
        return commit

    BODIES = {GENESIS: genesis, ADD: add, REVOKE: revoke, KDF: set_kdf, RECOVERY: set_recovery,
              CHECKPOINT: checkpoint, POLICY: policy, ROTATE: rotate,
              RESEAL: reseal}

    # ---- what it says, in the words of devlog_make ----

    def cuts(self, spaces):
        """What each revoked device still counts for in each of the spaces, in EDN's order of asking."""
        out = []
        for device, d in self.devices.items():
            for space in spaces if not d.active() else ():
                cut = d.cuts.get(bytes.fromhex(space), bytes(40))
                out.append({"device": device.hex(), "space": space, "hash": cut[8:].hex(),
                            "dseq": int.from_bytes(cut[:8], "little")})
        return out

    def state(self, cuts):
        out = {"account": self.hashes[0].hex(), "head": self.hashes[-1].hex(), "aik": self.aik.hex(),
               "aek": self.aek.hex(), "grants": self.grants.hex(), "epoch": self.epoch, "suite_min": self.suite_min,
               "kdf_floor": self.kdf_floor, "count": len(self.hashes), "space": self.space}
        ids = {id(d): i for i, d in self.devices.items()}
        if self.kdf:
            out["kdf"], out["root_box"], out["login"] = (x.hex() for x in self.kdf)
        out["devices"] = [{"id": i.hex(), "name_hash": d.cert[68:].hex(),
                           "member": ids.get(id(d.membership()), b"").hex(), "caps": d.caps, "added": d.added,
                           "time": d.time, "revoked": d.revoked} for i, d in self.devices.items()]
        out["pins"] = [{"space": p[:32].hex(), "device": p[32:48].hex(), "hash": p[56:].hex(),
                        "dseq": int.from_bytes(p[48:56], "little")} for p in self.pins]
        out["bases"] = [{"space": k[:32].hex(), "device": k[32:].hex(), "hash": h.hex(), "dseq": n}
                        for k, (n, h) in self.bases.items()]
        out["resealed"] = self.resealed[1]
        out["cuts"] = self.cuts(dict.fromkeys(c["space"] for c in cuts))
        return out


def judge(links, cuts):
    log = Log()
    for i, link in enumerate(links):
        try:
            log.append(bytes.fromhex(link))
        except Refused as e:
            return str(e) if i == len(links) - 1 else "%s at link %d already" % (e, i), None
    return "OK", log.state(cuts)


def main():
    make, cases = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 400
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    with subprocess.Popen([make, str(seed), str(cases)], stdout=subprocess.PIPE, text=True) as p:
        seen, n = {}, 0
        for n, line in enumerate(p.stdout, 1):
            case = json.loads(line)
            status, state = judge(case["links"], case.get("state", {}).get("cuts", ()))
            seen[status] = seen.get(status, 0) + 1
            if status != case["status"] or state != case.get("state"):
                print("case %d (how %d): EDN says %s, this program %s; again: %s %s %d %d" % (
                    n, case["how"], case["status"], status, sys.argv[0], make, n, seed))
                print(json.dumps(case["links"][-1]), "\n", state, "\n", case.get("state"))
                return 1
    if p.returncode or n != cases:
        print("%s ended early: %d of %d cases" % (make, n, cases))
        return 1
    print("%d logs, no difference: %s" % (n, ", ".join("%s %d" % x for x in sorted(seen.items()))))
    # A generator that never gets to a class would prove nothing about it.
    classes = 17
    if cases >= 400 and len(seen) < classes:
        print("only %d of %d classes were met" % (len(seen), classes))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
