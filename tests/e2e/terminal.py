"""What happens on a terminal: passphrases without echo, signals, the keyring, and what a screen may be sent."""
from harness import *

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u009b31m \u202egnp.exe\r"


class Prompts(Case):
    def init(self, t, passphrase=PASSPHRASE):
        t.answer("New passphrase: ", passphrase)
        t.answer("The same again: ", passphrase)

    def test_a_passphrase_is_asked_for_twice_and_never_shown(self):
        a = self.device()
        t = self.terminal(a, "init", "--strength", "floor")
        self.init(t)
        shown = t.expect("Keep this on paper")
        code, rest = t.end()
        self.assertEqual(code, OK)
        self.assertNotIn(PASSPHRASE.encode(), shown + rest)
        self.assertIn(b"Account key", shown)
        a.run("list", passphrase=True)

    def test_two_that_differ_are_asked_for_again_and_at_last_refused(self):
        a = self.device()
        t = self.terminal(a, "init", "--strength", "floor")
        t.answer("New passphrase: ", PASSPHRASE)
        t.answer("The same again: ", "something else")
        t.expect("the two differ; once more")
        self.init(t)
        self.assertEqual(t.end()[0], OK)

        b = self.device("b")
        t = self.terminal(b, "init", "--strength", "floor")
        for _ in range(3):
            t.answer("New passphrase: ", PASSPHRASE)
            t.answer("The same again: ", "something else")
        self.assertEqual(t.end()[0], INPUT)
        self.assertFalse(os.path.exists(b.home))

    def test_a_wrong_passphrase_may_be_mended_twice(self):
        a = self.device().init()
        a.run("lock")
        t = self.terminal(a, "list")
        t.answer("Passphrase: ", "wrong wrong wrong")
        t.expect("wrong passphrase; try again")
        t.answer("Passphrase: ", "wrong again and again")
        t.answer("Passphrase: ", PASSPHRASE)
        self.assertEqual(t.end()[0], OK)
        t = self.terminal(a, "list")
        for _ in range(3):
            t.answer("Passphrase: ", "wrong wrong wrong")
        self.assertEqual(t.end()[0], LOCKED)

    def test_it_asks_on_the_terminal_whatever_the_streams_are(self):
        a = self.device().init()
        a.run("lock")
        t = Terminal(["/bin/sh", "-c", 'echo text | "$0" "$@" >"$OUT" 2>/dev/null', *a.argv(["write", "--json"])],
                     {**a.env, "OUT": self.path("out")})
        t.answer("Passphrase: ", PASSPHRASE)
        self.assertEqual(t.end()[0], OK)
        self.assertIn(b'"id"', files_of(self.dir)["out"])

    def test_a_signal_finds_the_terminal_as_it_was(self):
        a = self.device().init()
        a.run("lock")
        for how in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            t = self.terminal(a, "list")
            t.expect("Passphrase: ")
            wait_until("no echo", lambda: not t.echoes(), 5)
            os.kill(t.pid, how)
            wait_until("the echo is back", t.echoes, 5)
            self.assertEqual(t.end()[0], -how)
        t = self.terminal(a, "list")
        t.expect("Passphrase: ")
        wait_until("no echo", lambda: not t.echoes(), 5)
        t.send("\x03")  # Ctrl-C
        self.assertEqual(t.end()[0], -signal.SIGINT)

    def test_a_stop_gives_the_echo_back_and_a_continue_asks_again(self):
        a = self.device().init()
        a.run("lock")
        t = self.terminal(a, "list")
        t.expect("Passphrase: ")
        wait_until("no echo", lambda: not t.echoes(), 5)
        os.kill(t.pid, signal.SIGTSTP)  # an orphan's stop is ignored by the kernel; the handler must still be right
        t.answer("Passphrase: ", PASSPHRASE)
        self.assertEqual(t.end()[0], OK)

    def test_the_end_of_input_is_a_no(self):
        a = self.device().init()
        a.run("lock")
        t = self.terminal(a, "list")
        t.expect("Passphrase: ")
        wait_until("no echo", lambda: not t.echoes(), 5)
        t.send("\x04")
        self.assertEqual(t.end()[0], FAILED)

    def test_without_a_terminal_it_says_how(self):
        a = self.device().init()
        a.run("lock")
        r = a.try_("list", start_new_session=True)
        self.assertEqual(r.code, LOCKED)
        self.assertIn("run 'edn unlock' first, or give --passphrase-fd", r.note)

    def test_login_asks_for_the_account_key(self):
        s = self.server()
        a = self.device("a").init(s)
        b = self.device("b")
        t = self.terminal(b, "login", "--server", s.url, "--name", "ada", "--strength", "floor")
        t.answer("Passphrase: ", PASSPHRASE)
        t.answer("Account key (on the emergency sheet", a.account_key)
        code, shown = t.end()
        self.assertEqual(code, OK, shown)
        self.assertNotIn(a.account_key.encode(), shown)
        c = self.device("c")
        t = self.terminal(c, "login", "--server", s.url, "--name", "ada", "--strength", "floor")
        t.answer("Passphrase: ", PASSPHRASE)
        t.answer("Account key (on the emergency sheet", a.account_key[:-1] + ("0" if a.account_key[-1] != "0" else "1"))
        code, shown = t.end()
        self.assertEqual(code, LOCKED)
        self.assertIn(b"typing error", shown)

    def test_passwd_asks_for_old_and_new(self):
        a = self.device().init()
        t = self.terminal(a, "passwd", "--strength", "floor")
        t.answer("Old passphrase: ", PASSPHRASE)
        self.init(t, "another one entirely")
        self.assertEqual(t.end()[0], OK)
        a.run("list", passphrase="another one entirely")
        a.run("list", passphrase=PASSPHRASE, code=LOCKED)


@unittest.skipUnless(HAS_KEYRING, "the kernel gives no keyring here")
class Keyring(Case):
    def setUp(self):
        super().setUp()
        self.a = self.device().init()
        self.a.run("lock")
        self.alone = {"start_new_session": True}  # no terminal: a locked diary cannot ask

    def test_unlocked_once_is_unlocked_for_all_commands_until_locked(self):
        self.a.run("list", passphrase=None, code=LOCKED, **self.alone)
        self.assertIn("Unlocked for 15 minutes", self.a.run("unlock", passphrase=True).note)
        self.a.run("list", passphrase=None, **self.alone)
        self.a.run("add", "x", passphrase=None, **self.alone)
        self.assertIn("Locked.", self.a.run("lock", passphrase=None).note)
        self.a.run("list", passphrase=None, code=LOCKED, **self.alone)
        self.assertIn("locked already", self.a.run("lock", passphrase=None).note)

    def test_it_is_forgotten_after_its_time(self):
        self.a.run("unlock", "--timeout", "2s", passphrase=True)
        self.a.run("list", passphrase=None, **self.alone)
        time.sleep(2.5)
        self.a.run("list", passphrase=None, code=LOCKED, **self.alone)

    def test_no_time_is_not_kept(self):
        self.a.run("unlock", "--timeout", "0", passphrase=True)
        self.a.run("list", passphrase=None, code=LOCKED, **self.alone)

    def test_another_session_does_not_see_it(self):
        self.a.run("unlock", passphrase=True)
        self.a.run("list", passphrase=None, code=LOCKED, **self.alone,
                   preexec_fn=lambda: keyutils().keyctl_join_session_keyring(None))

    def test_its_possessor_alone_may_see_it(self):
        self.a.run("unlock", passphrase=True)
        k = keyutils()
        device = self.a.run("status", "--json", passphrase=None).json[0]["device"]
        key = k.keyctl_search(-3, b"user", f"edn:{device}".encode(), 0)
        self.assertGreater(key, 0)
        text = ctypes.create_string_buffer(200)
        self.assertGreater(k.keyctl_describe(key, text, 200), 0)
        permissions = int(text.value.split(b";")[3], 16)
        self.assertEqual(permissions & 0x00FFFFFF, 0)  # user, group, others: nothing

    def test_another_diary_has_a_key_of_its_own(self):
        b = self.device("b").init()
        self.a.run("unlock", passphrase=True)
        self.a.run("lock", passphrase=None)
        b.run("list", passphrase=None, **self.alone)

    def test_a_given_passphrase_counts_before_the_keyring(self):
        self.a.run("unlock", passphrase=True)
        self.a.run("list", passphrase="wrong wrong wrong", code=LOCKED)

    @unittest.skipUnless(OUTSIDE, "this login has a keyring of its own")
    def test_a_login_without_a_keyring_of_its_own(self):
        """The kernel has one for all sessions of the user then; in any other a key would end with the process."""
        def run(*args):
            r, w = os.pipe()
            os.write(w, PASSPHRASE.encode() + b"\n")
            os.close(w)
            try:
                return OUTSIDE.run(self.a.argv([*args, "--passphrase-fd", str(r)] if args[0] == "unlock" else args), r)
            finally:
                os.close(r)
        code, note = run("unlock", "--timeout", "60s")
        self.assertEqual(code, OK, note)
        self.assertIn("in every session of this user", note)
        self.assertEqual(run("list"), (OK, ""))
        self.assertEqual(run("lock"), (OK, "Locked.\n"))
        self.assertEqual(run("list")[0], LOCKED)

    def test_without_any_keyring_it_says_so_and_goes_on(self):
        r = self.a.run("unlock", passphrase=True, preexec_fn=forbid_keyrings)
        self.assertIn("could not be kept", r.note)
        self.assertIn("Each command will ask", r.note)
        self.a.run("list", passphrase=True, preexec_fn=forbid_keyrings)
        self.a.run("lock", passphrase=None, preexec_fn=forbid_keyrings)
        r = self.a.run("list", passphrase=None, code=LOCKED, preexec_fn=forbid_keyrings, **self.alone)


def forbid_keyrings():
    """As containers do: add_key, request_key and keyctl fail with EPERM (seccomp)."""
    machine = os.uname().machine
    first = {"x86_64": 248, "aarch64": 217}.get(machine)
    if first is None:
        raise unittest.SkipTest(f"system call numbers of {machine}")
    def op(code, jt, jf, k):
        return struct.pack("HBBI", code, jt, jf, k)
    program = (op(0x20, 0, 0, 0) +              # the call's number
               op(0x35, 0, 2, first) +          # below the first: allowed
               op(0x25, 1, 0, first + 2) +      # above the third: allowed
               op(0x06, 0, 0, 0x00050000 | 1) +  # EPERM
               op(0x06, 0, 0, 0x7FFF0000))
    filters = ctypes.create_string_buffer(program)
    fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(filters))
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, fprog, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


class Screen(Case):
    def setUp(self):
        super().setUp()
        self.a = self.device().init()
        self.key = () if HAS_KEYRING else ("--passphrase-fd",)
        if not HAS_KEYRING:
            self.skipTest("the passphrase would be asked for in between")

    def shown(self, *args, env=None, **kw):
        code, shown = self.terminal(self.a, *args, env=env, **kw).end()
        self.assertIn(code, (OK, NOT_FOUND))
        return shown.decode()

    def check_harmless(self, shown, colors=True):
        if colors:
            shown = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        for bad in "\x1b\x07\x9b\u202e":
            self.assertNotIn(bad, shown, repr(shown))

    def test_nothing_in_a_diary_drives_the_terminal(self):
        self.a.run("journal", "new", "J" + HOSTILE)
        e = self.a.add("text " + HOSTILE, "--title", "title " + HOSTILE, "--tag", "tag" + HOSTILE, "--field",
                       "mood=" + HOSTILE, "--journal", "J" + HOSTILE)
        for args in (["list"], ["show", e], ["show", e, "--text"], ["today"], ["search", "owned"], ["history", e],
                     ["journal", "list"], ["list", "--json"], ["show", e, "--json"], ["status"],
                     ["show", "\x1b[2J"], ["list", "--journal", "x\x1b[2J"], ["tag", e, "x" + HOSTILE]):
            shown = self.shown(*args)
            self.check_harmless(shown.replace("\u202e", "") if "--json" in args else shown)
        self.assertIn("\\x1b[2J", self.shown("show", e))
        # Piped it is what was written.
        self.assertEqual(self.a.text_of(e), "text " + HOSTILE)

    def test_a_line_fits_the_terminal(self):
        self.a.add("日記を書く" * 30, "--title", "Ein langer Titel " * 5)
        for columns in (20, 40, 80, 132):
            lines = re.sub(r"\x1b\[[0-9;]*m", "", self.shown("list", columns=columns)).splitlines()
            self.assertEqual(len(lines), 1)
            width = sum(2 if ord(c) > 0x2FFF else 1 for c in lines[0])
            self.assertLessEqual(width, columns)
            self.assertGreaterEqual(width, columns - 1)
            self.assertEqual("…" in lines[0], columns > 20)  # id and date are all that 20 columns hold

    def test_colours_only_on_a_terminal_and_only_when_wanted(self):
        self.a.add("x", "--title", "T")
        self.assertIn("\x1b[", self.shown("list"))
        self.assertNotIn("\x1b", self.shown("list", env={"NO_COLOR": "1"}))
        self.assertIn("\x1b[", self.shown("list", env={"NO_COLOR": ""}))
        self.assertNotIn("\x1b", self.shown("list", env={"TERM": "dumb"}))
        self.assertNotIn("\x1b", self.shown("list", "--no-color"))
        self.assertNotIn(b"\x1b", self.a.run("list").out)

    def test_progress_is_for_people(self):
        lines = jsonl(*({"date": "2024-05-01", "text": f"entry {i} " * 200} for i in range(12000)))
        path = write_file(self.path("many.jsonl"), lines)
        shown = self.shown("import", path)
        self.assertRegex(shown, r"\rimporting [\d,]+ of [\d,]+ \(\d+ %\), [\d,]+ a second")
        self.assertIn("imported 12,000 entries", shown)
        self.assertEqual(self.a.run("export", self.path("e")).note, "")
        shown = self.shown("--quiet", "export", self.path("e2"))
        self.assertEqual(shown, "")


if __name__ == "__main__":
    main()
