"""What goes wrong in life: each a clear sentence and its own exit code, and nothing lost."""
import threading

from harness import *

FAKETIME = next((p for p in ("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
                             "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1") if os.path.exists(p)), None)


class Certificates:
    """An authority and certificates by it, made by openssl."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                     "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "3650",
                     "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        write_file(os.path.join(folder, "ca.cnf"), f"""
[ca]
default_ca = d
[d]
dir = {folder}
database = {folder}/index
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = p
copy_extensions = copy
unique_subject = no
[p]
commonName = supplied
""")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def make(self, name, host="localhost", start="20000101000000Z", end="21000101000000Z"):
        write_file(os.path.join(self.folder, "index"), "")
        write_file(os.path.join(self.folder, "serial"), "01\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}",
                     "-addext", f"subjectAltName=DNS:{host}")
        self.openssl("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr",
                     "-out", f"{name}.pem", "-startdate", start, "-enddate", end, "-notext")
        return ["--tls-cert", os.path.join(self.folder, f"{name}.pem"), "--tls-key",
                os.path.join(self.folder, f"{name}.key")]


class Trouble(Case):
    def test_no_diary(self):
        r = self.device("none").run("list", code=NOT_FOUND)
        self.assertIn("edn init", r.note)
        for line in (["unlock"], ["lock"], ["status"], ["sync"], ["passwd"]):
            self.device("none").run(*line, code=NOT_FOUND)
        self.assertFalse(os.path.exists(self.path("none")))

    def test_a_wrong_passphrase(self):
        a = self.device().init()
        r = a.run("list", passphrase="wrong wrong wrong", code=LOCKED)
        self.assertEqual(r.note, "edn: wrong passphrase\n")
        a.run("unlock", passphrase="wrong wrong wrong", code=LOCKED)

    def test_passphrases_that_cannot_be(self):
        for p, says in (("short", "8"), ("x" * 1025, "1"), ("x" * 5000, "longer than")):
            r = self.device().run("init", "--strength", "floor", passphrase=p, code=INPUT)
            self.assertIn(says, r.note)
        self.assertFalse(os.path.exists(self.path("a")))
        r, w = os.pipe()
        os.close(w)
        p = subprocess.run(self.device().argv(["init", "--passphrase-fd", str(r)]), pass_fds=(r,),
                           stderr=subprocess.PIPE)
        os.close(r)
        self.assertEqual(p.returncode, INPUT)
        self.assertIn(b"there is no passphrase on file descriptor", p.stderr)

    def test_a_wrong_login(self):
        s = self.server()
        a = self.device("a").init(s)
        b = self.device("b")
        b.login(s, a.account_key, code=LOCKED, passphrase="wrong wrong wrong")
        b.login(s, a.account_key, "nobody", code=LOCKED)
        other = self.device("o").init(s, "other")
        b.login(s, other.account_key, code=LOCKED)
        b.run("login", "--server", s.url, "--name", "ada", "--strength", "floor", passphrase=True, code=LOCKED)
        self.assertFalse(os.path.exists(b.home))
        self.device("c").run("init", "--server", s.url, "--name", "ada", "--strength", "floor", code=INPUT)
        b.login(s, a.account_key)

    def test_no_server(self):
        port = free_port()
        for url in (f"http://127.0.0.1:{port}", "https://no-such-host.invalid"):
            r = self.device("b").run("init", "--server", url, "--name", "ada", "--strength", "floor", code=NETWORK)
            self.assertIn(url.split("//")[1], r.note)
            self.assertFalse(os.path.exists(self.path("b")))
        for url in ("http://example.org", "ftp://example.org", "not a url"):
            self.device("b").run("init", "--server", url, "--name", "ada", "--strength", "floor", code=INPUT)
        s = self.server()
        a = self.device("a").init(s)
        e = a.add("Written in the train")
        s.stop()
        r = a.run("sync", code=NETWORK)
        self.assertEqual(r.note.count("\n"), 1)
        self.assertEqual(a.text_of(e), "Written in the train")
        a.run("passwd", "--strength", "floor", "--new-passphrase-fd", "SECRET_FD", secret_lines=("a new passphrase",),
              code=NETWORK)
        a.run("list", passphrase=True)
        s.start()
        a.run("sync")

    def test_something_else_than_a_server(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer():
            while True:
                try:
                    c, _ = listener.accept()
                except OSError:
                    return
                c.recv(65536)
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello")
                c.close()
        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        r = self.device("b").run("init", "--server", url, "--name", "ada", "--strength", "floor", code=NOT_AUTHENTIC)
        self.assertIn(url, r.note)
        self.assertFalse(os.path.exists(self.path("b")))
        listener.close()

    def test_certificates(self):
        made = Certificates(self.path("tls"))
        trust = ["--ca-file", os.path.join(made.folder, "ca.pem")]
        s = self.server(*made.make("good"), https=True)
        init = ["init", "--server", s.url, "--name", "ada", "--strength", "floor"]
        r = self.device("b").run(*init, code=NOT_AUTHENTIC)
        self.assertIn("certificate", r.note)
        self.device("a").run(*init, *trust)
        a = self.device("a", EDN_CA_FILE=trust[1])
        a.add("x")
        a.run("sync")
        s.stop()
        for kind in ({"end": "20200101000000Z"}, {"start": "20900101000000Z"}, {"host": "other.example"}):
            s.args = (*made.make("bad", **kind), "--origin", s.url)
            s.start()
            r = a.run("sync", code=NOT_AUTHENTIC)
            self.assertIn("certificate", r.note)
            self.device("b").run(*init, *trust, code=NOT_AUTHENTIC)
            s.stop()
        self.assertFalse(os.path.exists(self.path("b")))
        s.args = (*made.make("good"), "--origin", s.url)
        s.start()
        a.run("sync")
        self.device("b").run(*init, "--ca-file", self.path("no such file"),
                             code=(NOT_AUTHENTIC, NOT_FOUND, STORAGE, INPUT))

    def test_a_full_disk(self):
        with small_disk(self.path("disk"), "3m") as disk:
            a = Device(os.path.join(disk, "home")).init()
            e = a.add("before")
            filler = os.path.join(disk, "filler")
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as f:
                while True:
                    f.write(b"x" * 4096)
            big = b"more than fits " * 50000
            r = a.run("write", input=big, code=STORAGE)
            self.assertRegex(r.note, "disk is full|no space is left")
            r = a.run("import", "-", input=jsonl({"date": "2024-05-01", "text": big.decode()}), code=STORAGE)
            os.unlink(filler)
            self.assertEqual([x["id"] for x in a.run("list", "--json").json], [e])
            self.assertEqual(a.text_of(e), "before")
            a.run("write", input=big)
            self.assertEqual(a.run("verify", "--json").json[0]["damaged"], 0)

    def test_a_read_only_folder(self):
        with small_disk(self.path("disk"), "8m") as disk:
            a = Device(os.path.join(disk, "home")).init()
            e = a.add("before")
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            for line in (["add", "x"], ["rm", e], ["set", e, "title=x"], ["edit", e]):
                r = a.run(*line, input=b"y", code=STORAGE)
                self.assertEqual(r.note.count("\n"), 1)
            Device(os.path.join(disk, "other")).run("init", "--strength", "floor", code=STORAGE)
            a.run("export", os.path.join(disk, "export"), code=STORAGE)
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            self.assertEqual(a.text_of(e), "before")

    def test_a_file_in_the_way(self):
        write_file(self.path("a"), "not a folder")
        r = self.device("a").run("init", "--strength", "floor", code=(STORAGE, INPUT, NOT_FOUND))
        self.assertIn(self.path("a"), r.note)
        self.assertEqual(files_of(self.dir)["a"], b"not a folder")

    @unittest.skipUnless(FAKETIME and not SANITIZED, "libfaketime is not there, or does not go with a sanitizer")
    def test_clocks(self):
        """1970 and 2100: a wrong clock makes wrong dates, and nothing else."""
        s = self.server()
        a = self.device("a").init(s)
        a.add("now")
        for when in ("1970-01-02 12:00:00", "2099-12-30 12:00:00"):
            odd = {"LD_PRELOAD": FAKETIME, "FAKETIME": when, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC0"}
            e = json.loads(a.run("add", "--json", f"in {when}", env=odd).text)["id"]
            self.assertEqual(a.run("show", e, "--json").json[0]["date"], when[:10])
            self.assertEqual([x["id"] for x in a.run("today", "--json", env=odd).json], [e])
            r = a.try_("sync", env=odd)
            self.assertIn(r.code, (OK, NOT_AUTHENTIC), r.note)
            a.run("list", env=odd)
            self.assertIn("1970" if when < "2" else "2099", a.run("history", e, env=odd).text)
            b = self.device("b" + when[:4])
            b.login(s, a.account_key, env=odd)
            r = b.try_("sync", env=odd)
            self.assertIn(r.code, (OK, NOT_AUTHENTIC), r.note)
            a.try_("sync")
        a.run("sync")
        b.try_("sync")
        self.assertEqual(len(b.run("list").lines), 3)
        self.assertSame(a, b)

    def test_text_that_is_not_utf8_is_refused_with_its_place(self):
        a = self.device().init()
        for text, at in ((b"ab\xff", 2), (b"\xc3", 0), ("é".encode() + b"\xed\xa0\x80", 2)):
            r = a.run("write", input=text, code=INPUT)
            self.assertIn(f"not UTF-8 at byte {at}", r.note)
        for args in (["add", b"x\xff"], ["add", "x", "--title", b"t\xff"], ["add", "x", "--tag", b"t\xff"],
                     ["journal", "new", b"j\xff"], ["search", b"w\xff"]):
            words = [x if isinstance(x, str) else x.decode(errors="surrogateescape") for x in args]
            r = a.try_(*words, passphrase=True)
            self.assertEqual(r.code, INPUT)
            self.assertIn("not UTF-8", r.note)
        self.assertEqual(a.run("list").text, "")

    def test_output_that_goes_nowhere(self):
        a = self.device().init()
        a.add("x")
        with open("/dev/full", "wb") as full:
            p = subprocess.run(a.argv(["list", "--json"]), stdout=full, stderr=subprocess.PIPE, env=a.env)
        if HAS_KEYRING:
            self.assertEqual(p.returncode, STORAGE)
            self.assertIn(b"could not write to standard output", p.stderr)
        r = a.try_("help", preexec_fn=lambda: os.close(1))
        self.assertEqual(r.code, STORAGE)

    def test_a_reader_that_has_enough(self):
        a = self.device().init()
        a.run("import", "-", input=jsonl(*({"date": "2024-05-01", "text": "x" * 200} for _ in range(5000))))
        if not HAS_KEYRING:
            self.skipTest("the passphrase would be asked for")
        p = subprocess.run(["/bin/sh", "-c", '"$0" "$@" | head -n 1', *a.argv(["list"])], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=a.env)
        self.assertEqual((p.stdout.count(b"\n"), p.stderr), (1, b""))

    def test_killed_at_any_moment(self):
        """At the word of the process itself: what it acknowledged is there."""
        a = self.device().init()
        for wait in (0.0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1):
            said = len(a.run("list").lines)
            p = subprocess.Popen(a.argv(["add", "x" * 1000]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 stdin=subprocess.DEVNULL, env=a.env, start_new_session=True)
            time.sleep(wait)
            p.kill()
            said += p.communicate()[0].startswith(b"wrote")
            self.assertIn(len(a.run("list").lines), (said, said + 1))
        self.assertEqual(a.run("verify", "--json").json[0]["damaged"], 0)

    def test_damage_on_the_disk_is_found(self):
        """Wherever it strikes: it is found, or it struck what nothing is read from and the diary is whole."""
        a = self.device().init()
        for i in range(50):
            a.add(f"entry {i} " * 50)
        whole = self.exported(a)
        store = max((os.path.join(a.home, n) for n in os.listdir(a.home)), key=os.path.getsize)
        with open(store, "rb") as f:
            good = f.read()
        found = 0
        for k in range(1, 16):
            at = len(good) * k // 16
            write_file(store, good[:at] + bytes(b ^ 0x5a for b in good[at:at + 64]) + good[at + 64:])
            r = a.try_("verify", passphrase=True)
            if r.code == OK:
                self.assertIn("all good", r.text)
                self.assertEqual(self.exported(a), whole)
            else:
                self.assertIn(r.code, (NOT_AUTHENTIC, STORAGE), r.text + r.note)
                self.assertNotIn("all good", r.text)
                found += 1
        self.assertGreater(found, 5)


if __name__ == "__main__":
    main()
