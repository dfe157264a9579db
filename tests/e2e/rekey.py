#!/usr/bin/env python3
"""New keys for the account: everything sealed again under them, by the commands that a person types."""
from harness import *


class Rekey(Case):
    def two(self):
        s, a, b = self.two_devices()
        a.add("Up betimes")
        a.run("sync")
        b.run("sync")
        return s, a, b

    def test_everything_is_sealed_again(self):
        s, a, b = self.two()
        b.add("By the other hand")
        b.run("sync")
        a.run("sync")
        r = a.run("rekey", "--deep", passphrase=True)
        self.assertIn("sealed again under new keys", r.note)
        self.assertIn("reseal", [c["type"] for c in a.run("log", "--json").json])
        self.assertIn("sealed again", b.run("sync").note)  # it is told
        b.add("And on")
        b.run("sync")
        a.run("sync")
        a.run("verify")
        b.run("verify")
        c = self.device("c")
        c.login(s, a.account_key)
        c.run("sync")
        for text in ("Up betimes", "By the other hand", "And on"):
            self.assertIn(text, c.run("list").text)

    def test_a_plain_rekey_and_a_wrong_passphrase(self):
        s, a, b = self.two()
        self.assertIn("new keys", a.run("rekey", passphrase=True).note)
        b.run("sync")
        b.add("Under the new ones")
        b.run("sync")
        a.run("sync")
        self.assertIn("Under the new ones", a.run("list").text)
        self.assertIn("passphrase", a.run("rekey", "--deep", passphrase="not this one at all", code=LOCKED).note)

    def test_a_new_account_key(self):
        s, a, b = self.two()
        r = a.run("account-key", "renew", passphrase=True)
        self.assertIn("The account key is a new one", r.note)
        fresh = re.search(r"Account key\s+(\S+)", r.text).group(1)
        self.assertNotEqual(fresh, a.account_key)
        self.assertIn("lock of the account", b.run("sync").note)
        self.assertIn(fresh, b.run("sheet").text)
        with self.assertRaises(AssertionError):
            self.device("c").login(s, a.account_key)
        d = self.device("d")
        d.login(s, fresh)
        d.run("sync")
        self.assertIn("Up betimes", d.run("list").text)


if __name__ == "__main__":
    main()
