"""Nothing that a person writes lies anywhere in the clear: in no device's folder, at no server, in no core file."""
from harness import *

CANARIES = {what: f"canary{what}{os.urandom(6).hex()}" for what in
            ("title", "text", "edited", "deleted", "tag", "fieldname", "fieldvalue", "journal", "renamed", "device",
             "other", "search", "import", "passphrase")}


def forms(word):
    """A word as it could stand in a file."""
    raw = word.encode()
    yield raw
    yield raw.upper()
    yield word.encode("utf-16-le")
    yield raw.hex().encode()
    import base64
    for shift in range(3):  # base64 of a word depends on what stands before it
        padded = base64.b64encode(b"x" * shift + raw)
        yield padded[4 if shift else 0:len(padded) - 4]


class Sealed(Case):
    def scan(self, *folders):
        for folder in folders:
            found = files_of(folder)
            self.assertTrue(found, folder)
            for name, content in found.items():
                for what, word in {**CANARIES, **self.keys}.items():
                    for form in forms(word):
                        self.assertNotIn(form, content, f"the {what} is in {folder}/{name}")
                        self.assertNotIn(form.decode("latin-1"), name, f"the {what} is a name in {folder}")

    def setUp(self):
        super().setUp()
        self.keys = {}

    def diary(self):
        s = self.server("--log-requests")
        a = self.device("a")
        a.passphrase = CANARIES["passphrase"]
        a.init(s, "ada", "--device-name", CANARIES["device"])
        self.keys = {"account key": a.account_key.replace("-", ""), "account key as shown": a.account_key}
        a.run("journal", "new", CANARIES["journal"])
        e = json.loads(a.run("write", "--json", "--title", CANARIES["title"], "--tag", CANARIES["tag"], "--field",
                             f"{CANARIES['fieldname'][:20]}={CANARIES['fieldvalue']}", "--journal", CANARIES["journal"],
                             input=CANARIES["text"].encode() * 100).text)["id"]
        CANARIES["fieldname"] = CANARIES["fieldname"][:20]
        a.run("edit", e, input=CANARIES["edited"].encode())
        a.run("rm", a.add(CANARIES["deleted"]))
        a.run("journal", "rename", CANARIES["journal"], CANARIES["renamed"])
        a.run("import", "-", input=jsonl({"date": "2024-05-01", "text": CANARIES["import"],
                                          "journal": CANARIES["other"]}))
        a.run("search", CANARIES["search"], code=NOT_FOUND)
        a.run("sync")
        return s, a

    def test_neither_devices_nor_the_server_hold_a_word(self):
        s, a = self.diary()
        b = self.device("b")
        b.passphrase = a.passphrase
        b.login(s, a.account_key)
        b.run("sync")
        self.assertIn(CANARIES["renamed"], b.run("journal", "list").text)
        for d in (a, b):
            d.run("verify")
            self.assertEqual(os.stat(d.home).st_mode & 0o077, 0)
        self.scan(a.home, b.home, s.data)
        s.stop()
        self.scan(a.home, b.home, s.data)
        with open(s.log, "rb") as f:
            log = f.read()
        for word in CANARIES.values():
            self.assertNotIn(word.encode(), log)

    def test_killed_in_the_middle_leaves_nothing_either(self):
        s, a = self.diary()
        for wait in (0.01, 0.03, 0.06, 0.1, 0.2):
            p = subprocess.Popen(a.argv(["import", "-"]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, env=a.env, start_new_session=True)
            with contextlib.suppress(BrokenPipeError):
                p.stdin.write(jsonl(*({"date": "2024-05-01", "text": CANARIES["import"] * 50} for _ in range(200))))
                p.stdin.flush()
                time.sleep(wait)
            p.kill()
            p.wait()
            with contextlib.suppress(BrokenPipeError):
                p.stdin.close()
            self.scan(a.home)
        s.stop(signal.SIGKILL)
        self.scan(s.data)

    @unittest.skipIf(SANITIZED, "a sanitizer needs what is forbidden here")
    def test_a_process_that_dies_leaves_no_core(self):
        s, a = self.diary()
        import resource
        where = self.path("cores")
        os.mkdir(where)
        p = a.start("sync", "--watch", cwd=where, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2))
        p.stdout.readline()
        with open(f"/proc/{p.pid}/limits") as f:
            self.assertRegex(f.read(), r"Max core file size\s+0\s+0 ")
        self.assertEqual(os.stat(f"/proc/{p.pid}/mem").st_uid, 0)  # not the user's: he cannot look into it
        p.send_signal(signal.SIGSEGV)
        p.communicate()
        self.assertEqual(p.returncode, -signal.SIGSEGV)
        self.assertEqual(os.listdir(where), [])

    def test_secrets_are_on_no_command_line_and_in_no_environment(self):
        s, a = self.diary()
        p = a.start("sync", "--watch")
        p.stdout.readline()
        for name in ("cmdline", "environ"):
            with open(f"/proc/{p.pid}/{name}", "rb") as f:
                content = f.read()
            self.assertNotIn(a.passphrase.encode(), content)
            self.assertNotIn(a.account_key.encode(), content)
        p.terminate()
        p.communicate()


if __name__ == "__main__":
    main()
