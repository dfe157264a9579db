"""Journals with a passphrase of their own, on two devices."""
from harness import *

SECOND = "a second passphrase"
WORDS = [f"canary{os.urandom(6).hex()}" for _ in range(4)]
OPEN = ("--journal-passphrase-fd", "SECRET_FD")
NEW = ("--new-passphrase-fd", "SECRET_FD", "--strength", "floor")


@unittest.skipUnless(HAS_KEYRING, "the kernel gives no keyring here: nothing stays open from command to command")
class Locked(Case):
    def vault(self, device, name="Vault"):
        device.run("journal", "new", name, "--locked", *NEW, secret_lines=(SECOND,))

    def open(self, device, name="Vault", second=SECOND, **kw):
        return device.run("journal", "open", name, *OPEN, secret_lines=(second,), **kw)

    def write(self, device, text, journal="Vault"):
        return json.loads(device.run("write", "--json", "--title", WORDS[0], "--tag", WORDS[1], "--journal", journal,
                                     input=text.encode()).text)["id"]

    def seen(self, device):
        """Everything that a person can ask for, of all the diary."""
        out = b""
        for args in (("list", "--deleted"), ("search", WORDS[2]), ("search", WORDS[0]), ("search", "tag:" + WORDS[1]),
                     ("stats",), ("onthisday",), ("today",), ("journal", "list"), ("status",), ("verify",)):
            r = device.try_(*args)
            self.assertIn(r.code, (OK, NOT_FOUND), r.note)
            out += r.out + r.err
        for content in self.exported(device).values():
            out += content
        return out.decode(errors="replace")

    def scan(self, *folders):
        for folder in folders:
            for name, content in files_of(folder).items():
                for word in WORDS:
                    self.assertNotIn(word.encode(), content, f"{folder}/{name}")

    def test_two_devices_and_a_server_that_hold_no_word(self):
        server, a, b = self.two_devices()
        a.add("A common thing.")
        self.vault(a)
        e = self.write(a, f"In the vault: {WORDS[2]}.")
        self.assertIn(WORDS[2], a.run("search", WORDS[2]).text)
        a.run("sync")
        b.run("sync")
        for d in (a, b):
            d.run("journal", "close", "Vault")
            (j,) = [j for j in d.run("journal", "list", "--json").json if j["name"] == "Vault"]
            self.assertEqual((j["locked"], j["closed"], j["entries"], j["shared"]), (True, True, 0, False))
            shown = self.seen(d)
            for word in WORDS:
                self.assertNotIn(word, shown)
            self.assertIn("Vault", d.run("list").note)
            self.assertIn("journal open", d.run("list").note)
            d.run("show", e, code=NOT_FOUND)
            d.run("add", "x", "--journal", "Vault", code=LOCKED)
        self.scan(a.home, b.home, server.data)

        self.open(b)
        self.assertEqual(b.text_of(e), f"In the vault: {WORDS[2]}.")
        b.run("edit", e, input=f"In the vault: {WORDS[3]}.\n".encode())
        b.run("sync")
        b.run("journal", "close", "Vault")
        a.run("sync")
        self.open(a)
        self.assertEqual(a.text_of(e), f"In the vault: {WORDS[3]}.")
        self.assertIn(WORDS[3], a.run("search", WORDS[3]).text)
        a.run("verify")
        a.run("lock")
        self.scan(a.home, b.home, server.data)
        a.run("unlock", "--timeout", KEEP, passphrase=True)
        a.run("add", "x", "--journal", "Vault", code=LOCKED)  # `lock` closed it too

    def test_what_is_typed_is_not_shown_and_asked_for_twice(self):
        server, a, _ = self.two_devices()
        t = self.terminal(a, "journal", "new", "Vault", "--locked", "--strength", "floor")
        t.answer("New passphrase for this journal: ", SECOND)
        t.answer("The same again: ", "something else")
        t.answer("New passphrase for this journal: ", SECOND)
        t.answer("The same again: ", SECOND)
        code, shown = t.end()
        self.assertEqual(code, OK, shown)
        self.assertNotIn(SECOND.encode(), shown)
        a.run("journal", "close", "Vault")
        t = self.terminal(a, "journal", "open", "Vault")
        t.answer("Passphrase of this journal: ", "not the passphrase")
        code, shown = t.end()
        self.assertEqual(code, LOCKED, shown)
        self.assertIn(b"wrong passphrase", shown)
        r = a.try_("journal", "open", "Vault")
        self.assertEqual(r.code, LOCKED)
        self.assertIn("--journal-passphrase-fd", r.note)

    def test_locking_one_that_is_there(self):
        server, a, b = self.two_devices()
        a.run("journal", "new", "Diary of nights")
        e = self.write(a, f"By night: {WORDS[2]}.", "Diary of nights")
        a.run("sync")
        b.run("sync")
        r = a.run("journal", "lock", "Diary of nights", *NEW, secret_lines=(SECOND,))
        self.assertIn("nobody can", r.note)
        b.run("sync")
        for d in (a, b):
            shown = self.seen(d)
            for word in WORDS:
                self.assertNotIn(word, shown)
            d.run("show", e, code=LOCKED)
            d.run("history", e, code=LOCKED)
            self.open(d, "Diary of nights")
            self.assertEqual(d.text_of(e), f"By night: {WORDS[2]}.")

    def test_passphrases_are_changed_and_taken_off(self):
        server, a, b = self.two_devices()
        self.vault(a)
        e = self.write(a, "kept")
        a.run("journal", "close", "Vault")
        a.run("journal", "passphrase", "Vault", *OPEN, "--new-passphrase-fd", "SECRET_FD", "--strength", "floor",
              secret_lines=(SECOND, "yet another passphrase"))
        a.run("sync")
        b.run("sync")
        for d in (a, b):
            self.open(d, code=LOCKED)
            self.open(d, second="yet another passphrase")
            self.assertEqual(d.text_of(e), "kept")
            d.run("journal", "close", "Vault")
        b.run("journal", "unlock", "Vault", *OPEN, secret_lines=("yet another passphrase",))
        b.run("sync")
        a.run("sync")
        for d in (a, b):
            self.assertEqual(d.text_of(e), "kept")
            self.open(d, code=NOT_FOUND)

    def test_locking_that_is_killed_loses_nothing(self):
        server, a, _ = self.two_devices()
        a.run("journal", "new", "Vault")
        texts = {f"Night {i}." for i in range(12)}
        for t in sorted(texts):
            a.add(t, "--journal", "Vault")
        for wait in (0.02, 0.06, 0.12, 0.2, 0.3):
            r, w = os.pipe()
            os.write(w, SECOND.encode() + b"\n")
            os.close(w)
            args = ["journal", "lock", "Vault", "--new-passphrase-fd", str(r), "--strength", "floor"]
            p = subprocess.Popen(a.argv(args), env=a.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, pass_fds=(r,))
            os.close(r)
            time.sleep(wait)
            p.kill()
            p.communicate()
        a.try_("journal", "lock", "Vault", *NEW, passphrase=True, secret_lines=(SECOND,))
        self.open(a)
        self.assertEqual(sorted(e["preview"].strip() for e in a.run("list", "--json").json), sorted(texts))
        a.run("sync")
        a.run("journal", "close", "Vault")
        self.assertEqual(a.run("list", "--json").json, [])

    def test_without_a_network_it_opens_and_closes_all_the_same(self):
        server, a, b = self.two_devices()
        self.vault(a)
        e = self.write(a, "kept")
        a.run("sync")
        b.run("sync")
        server.stop()
        self.assertIn("only on this device", a.run("journal", "close", "Vault").note if self.write(a, "late") else "")
        self.assertIn("could not be fetched", self.open(a).note)
        self.assertEqual(a.text_of(e), "kept")
        self.open(b, code=NETWORK)  # it was never here
        b.run("add", "x", "--journal", "Vault", code=LOCKED)
        server.start()
        self.open(b)
        self.assertEqual(b.text_of(e), "kept")


if __name__ == "__main__":
    main()
