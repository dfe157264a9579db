#!/usr/bin/env python3
"""A device joins without the account's passphrase: by the short code, by what the QR code says, and what goes wrong."""
import os
import subprocess
import unittest

from harness import *


class Pairing(Case):
    def link(self, s, device, *args):
        """Starts `edn device link`; the short code and the text of the QR code."""
        device.passphrase = "a lock for this one"
        p = device.start("device", "link", "--server", s.url, "--strength", "floor", "--timeout", KEEP, *args,
                         stdin=subprocess.PIPE)
        self.addCleanup(lambda: [f.close() for f in (p.stdout, p.stderr)])
        code, offer = (p.stdout.readline().decode().strip() for _ in range(2))
        if not offer:
            p.wait(20)
            raise AssertionError(p.stderr.read().decode())
        self.assertRegex(code, r"^[0-9A-Z]{4}(-[0-9A-Z]{4}){2}$")
        self.assertRegex(offer, r"^[0-9A-Z]{130}$")
        return p, code, offer

    def say(self, p, text, code=OK):
        with contextlib.suppress(BrokenPipeError):  # it may have ended by itself
            p.stdin.write(text)
            p.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            p.stdin.close()
        note = p.stderr.read().decode()
        p.wait(30)
        self.assertEqual(p.returncode, code, note)
        return note

    def check_joined(self, s, a, b):
        b.kept = HAS_KEYRING
        b.run("sync")
        self.assertSame(a, b)
        b.add("Written on the new one")
        b.run("sync")
        a.run("sync")
        self.assertSame(a, b)
        self.assertIn("attic", a.run("device", "list").text)
        self.assertEqual({d["admin"] for d in a.run("device", "list", "--json").json}, {True})
        self.check_history(a, b)

    def check_history(self, a, b):
        words, text = a.run("device", "verify").lines
        self.assertEqual([words, text], b.run("device", "verify").lines)
        self.assertIn("The same", a.run("device", "verify", *words.split()).text)
        self.assertIn("The same", b.run("device", "verify", text).text)
        b.run("device", "verify", *words.split()[:5], "zero", code=NOT_AUTHENTIC)
        b.run("device", "verify", "hello", code=INPUT)
        self.assertEqual([c["type"] for c in b.run("log", "--json").json], ["genesis", "passphrase", "add"])
        self.assertRegex(b.run("log").lines[-1], r'"attic" \(\w{8}\) was added by "')
        c = self.device("c")
        c.login(self.servers[0], a.account_key)
        r = a.run("sync")
        self.assertIn("the account was changed:", r.note)
        self.assertNotIn("the account was changed:", a.run("sync").note)

    def one(self):
        s = self.server()
        a = self.device("a").init(s)
        a.add("Before anybody joined")
        a.run("sync")
        return s, a, self.device("b")

    def test_by_the_short_code(self):
        s, a, b = self.one()
        png = os.path.join(os.path.dirname(b.home), "code.png")
        p, code, _ = self.link(s, b, "--device-name", "attic", "--png", png)
        with open(png, "rb") as f:
            self.assertEqual(f.read(8), b"\x89PNG\r\n\x1a\n")
        self.assertEqual(os.stat(png).st_mode & 0o777, 0o600)
        p.stdin.write(b"y\n")
        p.stdin.flush()
        r = a.run("device", "approve", code.lower().replace("-", " "), input=b"y\n")
        self.assertIn('"attic" belongs to the account now', r.note)
        note = self.say(p, b"")
        shown = re.search(r"show  (\d{3} \d{3})  \?", r.note).group(1)
        self.assertIn(shown, note)
        self.check_joined(s, a, b)

    def test_by_the_qr_code(self):
        s, a, b = self.one()
        p, _, offer = self.link(s, b, "--device-name", "attic")
        p.stdin.write(b"yes\n")
        p.stdin.flush()
        a.run("device", "approve", input=offer.encode() + b"\nyes\n")  # asked for
        self.say(p, b"")
        self.check_joined(s, a, b)

    def test_a_wrong_code_is_used_up(self):
        s, a, b = self.one()
        p, code, _ = self.link(s, b)
        wrong = code[:-1] + ("7" if code[-1] != "7" else "8")
        r = a.run("device", "approve", wrong, input=b"y\n", code=NOT_AUTHENTIC)
        self.assertIn("code is wrong", r.note)
        self.assertNotIn("Do both devices show", r.note)
        self.assertIn("wrong code", self.say(p, b"y\n", FAILED))
        a.run("device", "approve", code, input=b"y\n", code=(NOT_AUTHENTIC, NOT_FOUND))
        self.assertFalse(os.path.exists(b.home))
        self.assertEqual(len(a.run("device", "list").lines), 1)

    def test_digits_that_differ(self):
        s, a, b = self.one()
        p, code, _ = self.link(s, b)
        p.stdin.write(b"y\n")
        p.stdin.flush()
        a.run("device", "approve", code, input=b"n\n", code=FAILED)
        self.assertIn("digits differ", self.say(p, b"", FAILED))
        self.assertEqual(len(a.run("device", "list").lines), 1)

    def test_nobody_there(self):
        s, a, b = self.one()
        self.assertIn("nobody waits", a.run("device", "approve", "K7Q4-0W4G-P38F", input=b"y\n", code=NOT_FOUND).note)
        a.run("device", "approve", "nonsense", input=b"y\n", code=INPUT)
        a.run("device", "link", "--server", s.url, code=INPUT)  # there is a diary already
        b.run("device", "link", code=USAGE)
        p, code, _ = self.link(s, b)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(20), -signal.SIGINT)
        self.assertFalse(os.path.exists(b.home))

    def test_on_terminals(self):
        s, a, b = self.one()
        t = self.terminal(b, "device", "link", "--server", s.url, "--strength", "floor")
        t.answer("A passphrase for this device: ", "a lock for this one")
        t.answer("The same again: ", "a lock for this one")
        shown = t.expect("device approve ")
        self.assertIn("▄".encode(), shown)
        code = re.search(rb"([0-9A-Z]{4}(-[0-9A-Z]{4}){2})", t.expect("\n")).group(1).decode()
        u = subprocess.Popen(a.argv(["device", "approve", code]), env=a.env, stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) if a.kept else None
        if not u:
            self.skipTest("no keyring")
        t.expect("Do both devices show")
        t.send("y\n")
        u.communicate(b"y\n", timeout=30)
        self.assertEqual(u.returncode, OK)
        self.assertEqual(t.end()[0], OK)

    def test_whom_a_stolen_device_let_in_is_named_when_it_is_revoked(self):
        s, a, b = self.one()
        b.login(s, a.account_key, "ada", "--device-name", "stolen")
        b.run("sync")
        c = self.device("c")
        p, code, _ = self.link(s, c, "--device-name", "guest")
        p.stdin.write(b"y\n")
        p.stdin.flush()
        b.run("device", "approve", code, input=b"y\n")
        self.say(p, b"")
        c.kept = HAS_KEYRING
        c.run("sync")
        a.run("sync")
        devices = {d["name"]: d for d in a.run("device", "list", "--json").json}
        self.assertEqual(devices["guest"]["added_by"], devices["stolen"]["device"])
        self.assertEqual(devices["stolen"]["added_by"], "")  # it came by the passphrase
        said = a.run("device", "revoke", "stolen", passphrase=True).note
        self.assertRegex(said, r"\(guest\) was let in by a device that is revoked now; if you do not know it, revoke")
        self.assertNotIn("let in", a.run("device", "revoke", "guest", passphrase=True).note)


if __name__ == "__main__":
    main()
