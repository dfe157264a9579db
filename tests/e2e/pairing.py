#!/usr/bin/env python3
"""A device joins without the account's passphrase: by the short code, by what the QR code says, through the server or
on one network, and what goes wrong."""
import os
import subprocess
import unittest

from harness import *


class Pairing(Case):
    def link(self, s, device, *args):
        """Starts `edn device link`; the short code and the text of the QR code. Without a server: on one network."""
        device.passphrase = "a lock for this one"
        way = ("--server", s.url) if s else ("--lan", "--address", "127.0.0.1")
        p = device.start("device", "link", *way, "--strength", "floor", "--timeout", KEEP, *args,
                         stdin=subprocess.PIPE)
        self.addCleanup(lambda: [f.close() for f in (p.stdin, p.stdout, p.stderr)])
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

    def approve_on_lan(self, a, shown, **kw):
        return a.run("device", "approve", "--lan", "--address", "127.0.0.1", shown, **{"input": b"y\n", **kw})

    def test_on_one_network(self):
        s, a, b = self.one()
        p, code, _ = self.link(None, b, "--device-name", "attic")
        self.assertRegex(p.stdout.readline().decode(), r"^127\.0\.0\.1:\d+\n$")
        p.stdin.write(b"y\n")
        p.stdin.flush()
        r = self.approve_on_lan(a, code)
        self.assertIn('"attic" belongs to the account now', r.note)
        s.stop()
        note = self.say(p, b"")
        self.assertIn(re.search(r"show  (\d{3} \d{3})  \?", r.note).group(1), note)
        b.kept = HAS_KEYRING
        b.add("Written before it ever met the server")
        self.assertEqual([c["type"] for c in b.run("log", "--json").json], ["genesis", "passphrase", "add"])
        s.start()
        b.run("sync")
        a.run("sync")
        self.check_joined(s, a, b)

    def test_told_where_the_other_waits(self):
        s, a, b = self.one()
        port = free_port()
        p, _, offer = self.link(None, b, "--device-name", "attic", "--port", str(port))
        at = p.stdout.readline().decode().strip()
        self.assertEqual(at, f"127.0.0.1:{port}")
        p.stdin.write(b"y\n")
        p.stdin.flush()
        with contextlib.closing(socket.create_connection(("127.0.0.1", port))) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertEqual(stranger.recv(100), b"")  # costs its connection, and not the code
        a.run("device", "approve", "--at", at, offer, input=b"y\n")
        self.say(p, b"")
        self.check_joined(s, a, b)

    def test_a_wrong_code_on_one_network_is_used_up(self):
        s, a, b = self.one()
        p, code, _ = self.link(None, b)
        at = p.stdout.readline().decode().strip()
        wrong = code[:-1] + ("7" if code[-1] != "7" else "8")
        self.assertIn("code is wrong", self.approve_on_lan(a, wrong, code=NOT_AUTHENTIC).note)
        self.assertIn("wrong code", self.say(p, b"y\n", FAILED))
        r = a.run("device", "approve", "--at", at, code, input=b"y\n", code=NOT_FOUND)
        self.assertIn("nobody waits there", r.note)
        self.assertFalse(os.path.exists(b.home))
        self.assertEqual(len(a.run("device", "list").lines), 1)

    def test_on_one_network_without_the_accounts_server(self):
        s, a, b = self.one()
        p, code, _ = self.link(None, b, "--device-name", "attic")
        p.stdin.write(b"y\n")
        p.stdin.flush()
        s.stop()
        r = self.approve_on_lan(a, code, code=NETWORK)
        self.assertIn("server is not within reach", r.note)
        self.assertNotIn("Do both devices show", r.note)
        s.start()
        self.approve_on_lan(a, code)  # the same code
        self.say(p, b"")
        self.check_joined(s, a, b)

    def test_one_is_killed_while_people_compare(self):
        s, a, b = self.one()
        for kill_old in (True, False):
            p, code, _ = self.link(None, b)
            q = a.start("device", "approve", "--lan", "--address", "127.0.0.1", code, stdin=subprocess.PIPE)
            for one in (p, q):  # until it asks
                while b"Do both devices show" not in (line := one.stderr.peek()):
                    one.stderr.read(len(line))
            victim, other = (q, p) if kill_old else (p, q)
            victim.kill()
            victim.wait(20)
            note = self.say(other, b"y\n", NOT_FOUND)
            self.assertIn("ended the connection", note)
            q.stdin.close()
            q.stdout.close()
            q.stderr.close()
            self.assertFalse(os.path.exists(b.home))
            self.assertEqual(len(a.run("device", "list").lines), 1)

    def test_how_they_meet_is_said_once(self):
        s, a, b = self.one()
        self.assertIn("--lan", b.run("device", "link", code=USAGE).note)
        b.run("device", "link", "--lan", "--server", s.url, code=USAGE)
        b.run("device", "link", "--server", s.url, "--port", "7000", code=USAGE)
        b.run("device", "link", "--lan", "--port", "0", code=USAGE)
        a.run("device", "approve", "--address", "127.0.0.1", "K7Q4-0W4G-P38F", code=USAGE)
        self.assertIn("not an address", b.run("device", "link", "--lan", "--address", "home", code=INPUT).note)
        self.assertIn("looks like", a.run("device", "approve", "--at", "home", "K7Q4-0W4G-P38F", code=INPUT).note)


if __name__ == "__main__":
    main()
