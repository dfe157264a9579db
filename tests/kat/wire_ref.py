#!/usr/bin/env python3
"""Builds a device log, a space log, batches and what else is signed or hashed, from SECURITY.md and docs/spec alone.

usage: wire_ref.py > known.txt      tests/unit/devlog/known.c and tests/unit/wire/known.c read it
       wire_ref.py --check known.txt

Shares no code with EDN: hashlib's BLAKE2b and SHA-512, and the Ed25519 beside this file. Every key, id and hash is one
byte repeated, so that the C tests can say the same in a few lines.
"""
import hashlib
import struct
import sys

import ed25519


def u8(v):
    return struct.pack("<B", v)


def u16(v):
    return struct.pack("<H", v)


def u32(v):
    return struct.pack("<I", v)


def u64(v):
    return struct.pack("<Q", v)


def lp(x):
    return u32(len(x)) + x


def t(label, *fields):
    return lp(label.encode()) + u32(len(fields)) + b"".join(lp(f) for f in fields)


def h32(x):
    return hashlib.blake2b(x, digest_size=32).digest()


def fill(byte, n=32):
    return bytes([byte]) * n


LINES = ["# Made by tests/kat/wire_ref.py: SECURITY.md's formats, built by other code than EDN's."]


def show(name, value):
    LINES.append(name)
    LINES.extend("  " + value[i:i + 48].hex() for i in range(0, len(value), 48))


# ---- the device log (2.6) ----------------------------------------------------------------------------------------

AIK, A, B, LOGIN, AIK2, SERVER, OWNER, WRITER = (fill(i) for i in range(1, 9))  # seeds
TIME = 1790000000000


def device_id(sign, enc):
    return h32(t("EDNv1/devid", sign, enc))[:16]


class Log:
    def __init__(self, magic=b"EDNL", label="EDNv1/sig/link"):
        self.links, self.hashes, self.aik, self.magic, self.label = [], [], AIK, magic, label

    def at(self):
        """seq, hash before, account"""
        if not self.links:
            return 0, bytes(32), bytes(32)
        return len(self.links), self.hashes[-1], self.hashes[0]

    def pop(self, signer, cert, seed):
        seq, prev, _ = self.at()
        return ed25519.sign(seed, t("EDNv1/sig/pop", prev, u64(seq), signer, ed25519.public_key(self.aik), cert))

    def append(self, kind, signer, seed, body):
        seq, prev, account = self.at()
        link = self.magic + u8(1) + u8(kind) + u16(1) + u64(seq) + prev + account + signer
        link += u64(TIME + 1000 * seq) + lp(body)
        sig = ed25519.sign(seed, t(self.label, link))
        self.links.append(link + sig)
        self.hashes.append(h32(t("EDNv1/hash/link", link, sig)))


def cert(seed, enc, caps, name):
    return ed25519.public_key(seed) + enc + u32(caps) + h32(t("EDNv1/devname", name))


def device_log():
    log = Log()
    enc_a, enc_b, nobody = fill(0x11), fill(0x12), bytes(16)
    cert_a, cert_b = cert(A, enc_a, 7, b"desk"), cert(B, enc_b, 3, b"attic")
    id_a, id_b = device_id(cert_a[:32], enc_a), device_id(cert_b[:32], enc_b)

    body = ed25519.public_key(AIK) + cert_a + fill(0x21) + fill(0x31) + log.pop(nobody, cert_a, A)
    log.append(1, nobody, AIK, body)
    log.append(2, id_a, A, cert_b + fill(0x32) + log.pop(id_a, cert_b, B))
    log.append(4, id_a, A, fill(0x35) + fill(0x36) + ed25519.public_key(LOGIN))
    log.append(5, id_a, A, u8(2) + u8(3) + fill(0x41, 16) + fill(0x42) + fill(0x43) + fill(0x44) + fill(0x45))
    pins = fill(0x51) + id_a + u64(7) + fill(0x61) + fill(0x52) + id_b + u64(1 << 40) + fill(0x62)
    log.append(6, id_b, B, u32(2) + pins)
    log.append(7, id_a, A, u16(1) + u8(2) + u32(1))
    seq, prev, account = log.at()
    pk2 = ed25519.public_key(AIK2)
    log.append(8, nobody, AIK, pk2 + ed25519.sign(AIK2, t("EDNv1/sig/aik", prev, u64(seq), account, pk2)))
    log.aik = AIK2
    cuts = u32(2) + fill(0x51) + u64(9) + fill(0x63) + fill(0x52) + u64(0) + bytes(32)
    log.append(3, nobody, AIK2, u32(1) + id_b + cuts + u32(1) + fill(0x22) + fill(0x33) + fill(0x34))

    show("device_a", id_a)
    show("device_b", id_b)
    for i, (link, h) in enumerate(zip(log.links, log.hashes)):
        show("link_%d" % i, link)
        show("link_hash_%d" % i, h)
    return log, id_a, id_b


# ---- a space log (docs/spec/sharing.md): the owner with a device, a writer with a device that leaves ----------------


def space_log():
    log, nobody = Log(b"EDNS", "EDNv1/sig/space"), bytes(16)
    keys = [(OWNER, 0x13, 15), (A, 0x11, 7), (WRITER, 0x14, 11), (B, 0x12, 3)]
    certs = [cert(seed, fill(enc), caps, b"") for seed, enc, caps in keys]
    ids = [device_id(c[:32], c[32:64]) for c in certs]

    body = ed25519.public_key(AIK) + certs[0] + fill(0x21) + fill(0x31) + log.pop(nobody, certs[0], OWNER)
    log.append(1, nobody, AIK, body)
    for i in 1, 2, 3:  # each by the one before
        log.append(2, ids[i - 1], keys[i - 1][0], certs[i] + fill(0x31 + i) + log.pop(ids[i - 1], certs[i], keys[i][0]))
    cuts = u32(1) + fill(0x51) + u64(9) + fill(0x63)
    log.append(3, ids[2], WRITER, u32(1) + ids[3] + cuts + u32(1) + fill(0x22) + fill(0x35) + fill(0x36))
    for i, (link, h) in enumerate(zip(log.links, log.hashes)):
        show("space_link_%d" % i, link)
        show("space_link_hash_%d" % i, h)


# ---- batches (2.8) -----------------------------------------------------------------------------------------------


def batches(log, id_a, id_b):
    heads = sorted([id_a + u64(3) + fill(0x71), id_b + u64(300) + fill(0x72)])
    heads_hash = h32(t("EDNv1/heads", *heads))
    records = fill(0x81, 16) + fill(0x82, 16) + u32(1) + u32(2) + u8(3) + lp(fill(0x83, 100))
    records += fill(0x84, 16) + fill(0x85, 16) + u32(4) + u32(5) + u8(255) + lp(b"")
    show("heads_hash", heads_hash)
    show("heads_hash_of_none", h32(t("EDNv1/heads")))
    show("body", lp(u32(2) + b"".join(heads)) + lp(u32(2) + records))

    prev = bytes(32)
    for dseq in (1, 2):
        header = b"EDNB" + u8(1) + u8(1) + u16(1) + fill(0x51) + id_a + u64(dseq) + prev + u32(1)
        header += u64(7) + log.hashes[7] + heads_hash + u32(1088)
        n, com = fill(0x91, 24), fill(0x92)
        c = bytes((i * dseq) & 255 for i in range(1088 + 16))
        sig = ed25519.sign(A, t("EDNv1/sig/batch", header, n, com, h32(c)))
        prev = h32(t("EDNv1/hash/batch", header, n, com, h32(c), sig))
        show("batch_%d" % dseq, header + n + com + c + sig)
        show("batch_hash_%d" % dseq, prev)
    return heads_hash


# ---- login (2.10), and what the protocol adds (docs/spec/protocol.md) -----------------------------------------------


def states(log, id_a, heads_hash):
    space, head = fill(0x51), log.hashes[7]
    show("login_sig", ed25519.sign(A, t("EDNv1/sig/login", b"https://sync.example", log.hashes[0], id_a, fill(0xa1),
                                        fill(0xa2), fill(0xa3), u64(1790000000), u64(7), head)))
    show("etag", h32(t("EDNv1/etag", space, u64(8), head, heads_hash))[:16])
    show("etag_recovery", h32(t("EDNv1/etag", space, u64(8), head, heads_hash, u64(9)))[:16])
    show("cancel_sig", ed25519.sign(A, t("EDNv1/sig/recovery-cancel", log.hashes[0], fill(0xa4, 16), u64(9), id_a,
                                         u64(TIME))))
    show("receipt_sig", ed25519.sign(SERVER, t("EDNv1/sig/receipt", space, u64(8), head, heads_hash, u64(TIME))))
    show("account_name", h32(t("EDNv1/account-name", "zoë".encode())))


# ---- the messages of docs/spec/protocol.md ----------------------------------------------------------------------


def many(*items):
    return u32(len(items)) + b"".join(items)


def messages():
    origin, sig = lp(b"https://sync.example"), fill(0xc1, 64)
    links, boxes = many(lp(fill(0xd1, 172)), lp(fill(0xd2, 300))), many(lp(fill(0xd3, 7)), lp(fill(0xd4, 1)))
    batches = many(lp(fill(0xd5, 1336)))
    heads = many(fill(0xd6, 16) + u64(9) + fill(0xd7), fill(0xd8, 16) + u64(1 << 33) + fill(0xd9))
    held = u64(8) + u64(7) + u64(1790000000) + u64(1790259200) + u64(1790000600) + fill(0xbf, 16)
    bodies = {
        "server_info": fill(0xb1) + u64(1790000001) + origin,
        "challenge_ask": u8(1) + fill(0xb2) + fill(0xb3, 16) + bytes(32) + fill(0xb4),
        "challenge_ask_by_name": u8(2) + bytes(48) + fill(0xb5) + fill(0xb4),
        "challenge": fill(0xb6) + u64(1790000002) + origin + fill(0xb2) + fill(0xb7),
        "login": u8(1) + fill(0xb2) + fill(0xb3, 16) + fill(0xb4) + fill(0xb6) + fill(0xb8) + u64(1790000003) + u64(11)
                 + fill(0xb9) + sig,
        "token": u64(1790000600) + lp(b"header.payload.signature"),
        "account": fill(0xb5) + links + boxes,
        "log_append": links + boxes,
        "log_state": u64(12) + fill(0xb9),
        "box_ask": many(fill(0xba), fill(0xbb)),
        "boxes": many(lp(fill(0xd3, 7)), lp(b"")),
        "pull": fill(0xbc) + u64(13) + fill(0xbd, 16) + heads,
        "pulled": u8(1) + u64(14) + fill(0xb9) + u64(TIME) + sig + u64(8) + heads + links + batches,
        "push": fill(0xbe, 16) + batches,
        "pushed": u8(1) + u64(TIME) + sig,
        "mail": u8(2) + fill(0xbf, 16) + u8(2) + u64(3) + lp(fill(0xd3, 7)),
        "mails": u64(299) + boxes,
        "lookup": u8(2) + fill(0xb2) + u64(5) + fill(0xc2, 8),
        "lookup_by_name": u8(1) + fill(0xb5) + u64(0) + bytes(8),
        "found": u8(1) + fill(0xb2) + links,
        "inbox": u8(1) + fill(0xb2) + fill(0xc2, 8) + u64(0) + lp(fill(0xd3, 7)),
        "inbox_drop": u8(3) + bytes(40) + u64(300) + lp(b""),
        "letters": many(u64(2) + lp(fill(0xd3, 7)), u64(1 << 33) + lp(fill(0xd4, 1))),
        "set_ask": u8(2) + fill(0xb2) + fill(0xbf, 16) + u64(7),
        "held": u8(4) + held + fill(0xc1, 16) + u64(TIME) + sig + links + many(),
        "held_ready": u8(3) + held + bytes(88) + links + many(lp(fill(0xd3, 7))),
        "share_ask": u8(2) + fill(0xb2) + fill(0xbf, 16) + fill(0xc3) + lp(b""),
        "share_give": u8(3) + fill(0xb2) + fill(0xbf, 16) + fill(0xc3) + lp(fill(0xd3, 7)),
        "shares": u8(2) + many(fill(0xba), fill(0xbb)) + many(),
        "shares_given": u8(3) + many() + boxes,
        "held_ask": u8(2) + u64(7) + u64(TIME) + sig,
    }
    for name, body in bodies.items():
        show("message_" + name, u8(1) + body)


def main():
    log, id_a, id_b = device_log()
    states(log, id_a, batches(log, id_a, id_b))
    messages()
    space_log()
    text = "\n".join(LINES) + "\n"
    if sys.argv[1:2] == ["--check"]:
        with open(sys.argv[2], encoding="utf-8") as f:
            return 0 if f.read() == text else "%s is not what wire_ref.py makes" % sys.argv[2]
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
