"""Help, the manual page, completions."""
from harness import *

BUILD = os.environ["EDN_BUILD"]


def run(*args, **kw):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)


class Shell(unittest.TestCase):
    def test_help_of_everything(self):
        r = run(EDN, "help")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        commands = [line.split("  ")[1] for line in r.stdout.splitlines() if re.match(r"  [a-z]", line)]
        self.assertIn("journal new", commands)
        self.assertGreater(len(commands), 28)
        for c in commands:
            words = c.split()
            for argv in ([EDN, "help", *words], [EDN, *words, "--help"], [EDN, *words, "-h"]):
                r = run(*argv)
                self.assertEqual((r.returncode, r.stderr), (0, ""), argv)
                if c != "help":
                    self.assertTrue(r.stdout.startswith(f"Usage: edn {c}"), r.stdout)
        self.assertRegex(run(EDN, "version").stdout, r"^edn \d+\.\d+\.\d+\n$")
        self.assertEqual(run(EDN, "--version").stdout, run(EDN, "version").stdout)
        r = run(EDN)
        self.assertEqual((r.returncode, r.stdout), (USAGE, ""))

    def test_wrong_lines_say_what_was_meant(self):
        for line, says in (("lsit", "did you mean 'list'?"), ("list --form x", "did you mean '--from'?"),
                           ("show", "something is missing: edn show ENTRY"),
                           ("init --strength weak", "floor default high")):
            r = run(EDN, *line.split())
            self.assertEqual(r.returncode, USAGE)
            self.assertIn(says, r.stderr)
            self.assertEqual(r.stderr.count("\n"), 1)

    def test_the_manual_page_has_no_flaws(self):
        if not shutil.which("man"):
            self.skipTest("man is not there")
        page = os.path.join(BUILD, "man", "edn.1")
        r = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", page,
                env={**os.environ, "MANWIDTH": "80", "PAGER": "cat"})
        if r.returncode or not r.stdout:
            self.skipTest("man formats nothing here: " + r.stderr)
        self.assertEqual(r.stderr, "")
        lines = re.sub(".\x08", "", r.stdout).splitlines()  # bold is a letter twice
        for section in ("NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "JSON"):
            self.assertTrue(section in lines, section)

    def complete(self, *words):
        script = f"""
source '{os.path.join(BUILD, "completions", "edn")}'
compopt() {{ :; }}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_edn
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        r = run("bash", "-c", script, "bash", *words)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        return r.stdout.split()

    def test_bash_completes(self):
        self.assertEqual(self.complete("edn", "lis"), ["list"])
        self.assertIn("journal", self.complete("edn", ""))
        self.assertEqual(self.complete("edn", "list", "--fr"), ["--from"])
        self.assertIn("--home", self.complete("edn", "list", "--"))
        self.assertEqual(self.complete("edn", "journal", ""), ["list", "new", "rename", "lock", "open", "close"])
        self.assertIn("--json", self.complete("edn", "journal", "list", "--"))
        self.assertEqual(self.complete("edn", "--home", "/x", "-q", "init", "--strength", "f"), ["floor"])
        self.assertEqual(self.complete("edn", "show", "la"), ["last"])
        self.assertEqual(self.complete("edn", "list", "--limit", ""), [])
        self.assertIn("sync", self.complete("edn", "help", "s"))

    def test_zsh_can_read_its_completion(self):
        if not shutil.which("zsh"):
            self.skipTest("zsh is not there")
        r = run("zsh", "-n", os.path.join(BUILD, "completions", "_edn"))
        self.assertEqual((r.returncode, r.stderr), (0, ""))


if __name__ == "__main__":
    main()
