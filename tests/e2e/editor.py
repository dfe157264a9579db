"""Writing in an editor: a private file in memory, wiped afterwards, and nothing that was written is lost."""
import glob
import shutil
import stat

from harness import *

# The test's editor: it does what the file named by EDITOR_DOES says, in Python, with `path` in hand.
EDITOR = f"""#!{sys.executable}
import os, signal, subprocess, sys, time
path = sys.argv[-1]
with open(path, encoding="utf-8", errors="surrogateescape", newline="") as f:
    text = f.read()
def write(new):
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as f:
        f.write(new)
exec(open(os.environ["EDITOR_DOES"]).read())
"""


class Editing(Case):
    def setUp(self):
        super().setUp()
        self.a = self.device().init()
        if not HAS_KEYRING:
            self.skipTest("the passphrase would be asked for in between")
        self.editor = write_file(self.path("the editor"), EDITOR, 0o700)
        self.before = set(glob.glob("/dev/shm/edn-*"))

    def edit(self, does, *args, code=OK, env=None):
        t = self.start(does, *args, env=env)
        got, shown = t.end()
        self.assertEqual(got, code, shown)
        return shown.decode(errors="replace")

    def start(self, does, *args, env=None):
        script = write_file(self.path("does.py"), does)
        return self.terminal(self.a, *args, env={"EDITOR": f"'{self.editor}' --flag", "EDITOR_DOES": script,
                                                 **(env or {})})

    def left(self):
        return sorted(set(glob.glob("/dev/shm/edn-*")) - self.before)

    def newest(self):
        return self.a.run("show", "last", "--json").json[0]

    def test_what_is_written_becomes_an_entry(self):
        shown = self.edit("assert text == ''; assert sys.argv[1] == '--flag'; write('# Rain\\n\\nAll day.\\n')",
                          "write", "--date", "2024-05-01", "--tag", "sea")
        self.assertIn("wrote ", shown)
        e = self.newest()
        self.assertEqual((e["title"], e["text"], e["date"], e["tags"]), ("Rain", "All day.", "2024-05-01", ["sea"]))
        self.assertEqual(self.left(), [])

    def test_the_file_is_private_and_in_memory(self):
        self.edit(f"""
s, d = os.stat(path), os.stat(os.path.dirname(path))
open({self.path('seen')!r}, 'w').write(f'{{path}} {{s.st_mode:o}} {{d.st_mode:o}}')
write('x')
# what editors leave behind
open(path + '~', 'w').write('backup'); open(os.path.dirname(path) + '/.entry.md.swp', 'w').write('swap')
""", "write")
        path, mode, folder_mode = files_of(self.dir)["seen"].decode().split()
        self.assertEqual((mode, folder_mode), ("100600", "40700"))
        fs = subprocess.run(["stat", "-f", "-c", "%T", os.path.dirname(os.path.dirname(path))], stdout=subprocess.PIPE,
                            text=True).stdout.strip()
        self.assertIn(fs, ("tmpfs", "ramfs"))
        self.assertFalse(os.path.exists(os.path.dirname(path)))

    def test_the_bytes_are_overwritten_before_the_name_goes(self):
        # Another name for the same file shows what is left of it.
        keep = f"/dev/shm/kept-{os.getpid()}"
        try:
            self.edit(f"write('canary in the file\\n' * 5000); os.link(path, {keep!r})", "write")
            with open(keep, "rb") as f:
                left = f.read()
            self.assertEqual(left.strip(b"\0"), b"")
            self.assertGreater(len(left), 5000)
        finally:
            os.unlink(keep)

    def test_an_editor_that_fails_changes_nothing(self):
        e = self.a.add("as it was")
        self.edit("write('no'); sys.exit(1)", "write", code=FAILED)
        self.edit("write('no'); sys.exit(1)", "edit", e, code=FAILED)
        self.edit("write('no'); os.kill(os.getpid(), signal.SIGKILL)", "edit", e, code=FAILED)
        self.assertEqual(len(self.a.run("list").lines), 1)
        self.assertEqual(self.a.text_of(e), "as it was")
        self.assertEqual(self.left(), [])

    def test_an_unchanged_text_changes_nothing(self):
        e = self.a.add("as it was")
        versions = len(self.a.run("history", e).lines)
        shown = self.edit("assert text == 'as it was\\n'; write(text)", "edit", e)
        self.assertIn("nothing was changed", shown)
        self.assertEqual(len(self.a.run("history", e).lines), versions)
        self.assertIn("nothing was written", self.edit("pass", "write"))
        self.assertIn("nothing was written", self.edit("write('\\n')", "write", "--title", "T"))
        self.assertEqual(len(self.a.run("list").lines), 1)

    def test_line_ends_at_the_end_stay_what_they_are(self):
        for text in ("x", "x\n", "\n\nx\n\n", "x\r\ny\r\n"):
            e = json.loads(self.a.run("write", "--json", input=text.encode() + b"\n").text)["id"]
            self.edit("write(text)", "edit", e)
            self.assertEqual(self.a.run("show", e, "--json").json[0]["text"], text)
            self.edit("write('z' + text)", "edit", e)
            self.assertEqual(self.a.run("show", e, "--json").json[0]["text"], "z" + text)

    def test_all_may_be_deleted(self):
        e = self.a.add("much")
        self.edit("write('')", "edit", e)
        self.assertEqual(self.a.run("show", e, "--json").json[0]["text"], "")

    def test_what_changed_meanwhile_is_merged(self):
        e = self.a.add("The cat sat on the mat.")
        self.edit(f"""
subprocess.run({self.a.argv(['edit', e])!r}, input=b'The cat sat on the red mat.', check=True)
write('The black cat sat on the mat.\\n')
""", "edit", e)
        self.assertEqual(self.a.text_of(e), "The black cat sat on the red mat.")

    def test_a_text_that_cannot_be_saved_is_kept_and_its_place_named(self):
        shown = self.edit("write('good \\udcff bad')", "write", code=INPUT)
        self.assertIn("not UTF-8 at byte 5", shown)
        path = re.search(r"kept in (\S+) until", shown).group(1)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), b"good \xff bad")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        shutil.rmtree(os.path.dirname(path))

    def test_a_text_for_a_full_disk_is_kept_and_saved_later(self):
        with small_disk(self.path("disk")) as disk:
            self.a = Device(os.path.join(disk, "home")).init()
            filler = os.path.join(disk, "filler")
            shown = self.edit(f"""
write('too much for this disk ' * 200)
try:
    with open({filler!r}, 'wb', buffering=0) as f:
        while True:
            f.write(b'x' * 4096)
except OSError:
    pass
""", "write", code=STORAGE)
            self.assertIn("the disk is full", shown)
            path = re.search(r"kept in (\S+) until", shown).group(1)
            os.unlink(filler)
            with open(path, "rb") as f:
                self.a.run("write", input=f.read())
            self.assertEqual(self.newest()["text"], "too much for this disk " * 200)
            shutil.rmtree(os.path.dirname(path))

    def test_a_signal_saves_what_the_editor_saved_and_wipes(self):
        for how in (signal.SIGTERM, signal.SIGHUP):
            started = self.path(f"started{how}")
            t = self.start(f"""
write('saved before signal {int(how)}')
with open({started + '.part'!r}, 'w') as f:
    f.write(str(os.getpid()))
os.rename({started + '.part'!r}, {started!r})
time.sleep(60)
""", "write")
            wait_until("the editor runs", lambda: os.path.exists(started))
            os.kill(t.pid, how)
            code, shown = t.end()
            self.assertFalse(os.path.exists(f"/proc/{files_of(self.dir)[os.path.basename(started)].decode()}"))
            self.assertEqual(code, -how, shown)
            self.assertEqual(self.newest()["text"], f"saved before signal {int(how)}")
            self.assertEqual(self.left(), [])

    def test_ctrl_c_is_the_editors_affair(self):
        started = self.path("started")
        t = self.start(f"""
signal.signal(signal.SIGINT, lambda *a: write('went on'))
open({started!r}, 'w')
time.sleep(0.2)
for _ in range(100):
    if 'went on' in open(path).read(): break
    time.sleep(0.1)
""", "write")
        wait_until("the editor runs", lambda: os.path.exists(started))
        t.send("\x03")
        code, shown = t.end()
        self.assertEqual(code, OK, shown)
        self.assertEqual(self.newest()["text"], "went on")

    def test_no_editor(self):
        empty = self.path("empty")
        os.mkdir(empty)
        t = self.terminal(self.a, "write", env={"PATH": empty})
        code, shown = t.end()
        self.assertEqual(code, NOT_FOUND)
        self.assertIn(b"set EDITOR", shown)
        self.edit("", "write", env={"EDITOR": "no-such-editor-at-all"}, code=NOT_FOUND)
        self.assertEqual(self.left(), [])

    def test_visual_goes_before_editor(self):
        self.edit("write('by editor')", "write")
        self.edit("write('by visual')", "write", env={"VISUAL": f"'{self.editor}'", "EDITOR": "false"})
        self.assertEqual(len(self.a.run("list").lines), 2)

    def test_vim_leaves_no_traces(self):
        folder = self.path("bin")
        os.mkdir(folder)
        write_file(os.path.join(folder, "vim.tiny"),
                   "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$SEEN\"; for a; do :; done; echo x >>\"$a\"\n", 0o700)
        for name in ("vi", "editor"):
            os.symlink("vim.tiny", os.path.join(folder, name))
        path = folder + ":" + os.environ["PATH"]
        for editor in ("vi", "vim.tiny", os.path.join(folder, "vi"), "vi --flag", "A=b C=d vi"):
            self.edit("", "write", env={"EDITOR": editor, "PATH": path, "SEEN": self.path("args")})
            args = files_of(self.dir)["args"].decode().splitlines()
            at = args.index("-n")
            self.assertEqual(args[at:-1], ["-n", "-i", "NONE", "-c", "set nobackup nowritebackup noundofile"])
        self.edit("write('x')", "write", env={"PATH": path})  # no other editor is given options of vim's

    def test_only_folders_in_memory_will_do(self):
        if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no mounts of its own")
        disk = self.path("disk")
        os.mkdir(disk)
        if subprocess.run(["stat", "-f", "-c", "%T", disk], stdout=subprocess.PIPE).stdout.strip() == b"tmpfs":
            self.skipTest("the temporary folder is in memory")
        for option, code in ((), INPUT), (("--allow-disk",), OK):
            script = write_file(self.path("does.py"), "write('x')")
            t = Terminal([shutil.which("unshare"), "-m", "sh", "-c",
                          f'mount --bind "{disk}" /dev/shm && exec "$0" "$@"', *self.a.argv(["write", *option])],
                         {**self.a.env, "TERM": "xterm", "EDITOR": f"'{self.editor}'", "EDITOR_DOES": script,
                          "TMPDIR": disk})
            got, shown = t.end()
            self.assertEqual(got, code, shown)
            self.assertEqual(os.listdir(disk), [])
            if code != OK:
                self.assertIn(b"--allow-disk", shown)


if __name__ == "__main__":
    main()
