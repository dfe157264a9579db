"""Unlocking by what is not the passphrase: a TPM (swtpm) and the desktop's keyring (on a session bus of its own)."""
import shutil

from harness import *


def needs(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


def built(holder):
    path = os.path.join(os.path.dirname(EDN), "src", "holder", f"edn-holder-{holder}.so")
    return unittest.skipUnless(os.path.exists(path), f"built without {holder}")


class Slot(Case):
    def diary(self, **env):
        d = Device(self.path("a"), **env)
        d.init()
        d.run("lock")
        d.kept = False
        return d

    def slot_add(self, d, holder, *pin, code=OK):
        fd = ("--pin-fd", "SECRET_FD") if pin else ()
        return d.run("slot", "add", holder, *fd, secret_lines=pin, code=code)

    def unlock(self, d, holder, *pin, code=OK):
        """Unlocks by the slot alone; the key is not kept."""
        args = ["unlock", "--with", holder, "--timeout", "0"]
        r, w = os.pipe()
        os.write(w, b"".join(p.encode() + b"\n" for p in pin))
        os.close(w)
        p = subprocess.run(d.argv([*args, "--pin-fd", str(r)]), env=d.env, pass_fds=(r,), capture_output=True)
        os.close(r)
        self.assertIn(p.returncode, code if isinstance(code, tuple) else (code,), p.stderr.decode())
        return p.stderr.decode()


@needs("swtpm")
@built("tpm")
class Tpm(Slot):
    def setUp(self):
        super().setUp()
        self.state = self.path("tpm")
        os.mkdir(self.state)
        self.port = self.two_free_ports()
        self.tpm_start()

    @staticmethod
    def two_free_ports():
        """The second is the control channel; tpm2-tss looks for it there."""
        while True:
            port = free_port()
            with contextlib.closing(socket.socket()) as s:
                with contextlib.suppress(OSError):
                    s.bind(("127.0.0.1", port + 1))
                    return port

    def tpm_start(self):
        self.tpm = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}", "--ctrl", f"type=tcp,port={self.port + 1}",
             "--server", f"type=tcp,port={self.port}", "--flags", "startup-clear,not-need-init"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.tpm_stop)

        def listens():
            with contextlib.closing(socket.socket()) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", self.port))
                    return False
                except OSError:
                    return True
        wait_until("swtpm listens", listens)

    def tpm_stop(self):
        self.tpm.terminate()
        self.tpm.wait()

    def test_a_tpm_unlocks_with_its_pin_and_with_no_other(self):
        d = self.diary(EDN_TPM=f"swtpm:port={self.port}")
        self.slot_add(d, "tpm", "2468")
        self.tpm_stop()
        self.tpm_start()  # it forgot all but what it keeps for good
        self.unlock(d, "tpm", "2468")
        self.assertIn("wrong PIN", self.unlock(d, "tpm", "1357", code=LOCKED))
        self.assertEqual(d.run("slot", "list", "--json", passphrase=None).json[0]["holder"], "tpm")
        d.run("slot", "remove", "tpm")
        self.unlock(d, "tpm", "2468", code=NOT_FOUND)
        d.run("status")

    def test_the_tpm_stops_answering_after_wrong_pins_and_the_passphrase_does_not(self):
        d = self.diary(EDN_TPM=f"swtpm:port={self.port}")
        self.slot_add(d, "tpm", "2468")
        for _ in range(40):
            said = self.unlock(d, "tpm", "0000", code=(LOCKED, NETWORK))
            if "too many wrong PINs" in said:
                break
        self.assertIn("too many wrong PINs", said)
        self.unlock(d, "tpm", "2468", code=NETWORK)
        d.run("status")

    def test_another_tpm_gives_nothing(self):
        d = self.diary(EDN_TPM=f"swtpm:port={self.port}")
        self.slot_add(d, "tpm", "2468")
        self.tpm_stop()
        shutil.rmtree(self.state)
        os.mkdir(self.state)
        self.tpm_start()
        self.assertIn("did not make the slot", self.unlock(d, "tpm", "2468", code=NOT_AUTHENTIC))
        self.tpm_stop()
        self.assertIn("no TPM here", self.unlock(d, "tpm", "2468", code=NOT_FOUND))
        d.run("status")

    def test_pins_that_cannot_be(self):
        d = self.diary(EDN_TPM=f"swtpm:port={self.port}")
        self.slot_add(d, "tpm", "1", code=INPUT)
        self.slot_add(d, "tpm", "1" * 33, code=INPUT)
        self.assertEqual(d.run("slot", "list").text, "")


@needs("dbus-daemon", "gnome-keyring-daemon")
@built("keyring")
class Keyring(Slot):
    def setUp(self):
        super().setUp()
        home = self.path("desktop")
        os.mkdir(home, 0o700)
        self.env = {"HOME": home, "XDG_DATA_HOME": home, "XDG_RUNTIME_DIR": home, "XDG_CONFIG_HOME": home}
        bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address=1"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, env={**os.environ, **self.env}, text=True)
        self.addCleanup(lambda: (bus.terminate(), bus.wait(), bus.stdout.close()))
        self.env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        self.keyring = subprocess.Popen(["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, **self.env})
        self.keyring.stdin.write(b"desktop")
        self.keyring.stdin.close()
        self.addCleanup(lambda: (self.keyring.terminate(), self.keyring.wait()))

    def test_the_desktops_keyring_unlocks(self):
        d = self.diary(**self.env)
        wait_until("the keyring is there", lambda: self.slot_try(d))
        self.unlock(d, "keyring")
        d.run("slot", "remove", "keyring")
        self.unlock(d, "keyring", code=NOT_FOUND)
        self.keyring.terminate()
        self.keyring.wait()
        d.run("status")

    def slot_try(self, d):
        return d.try_("slot", "add", "keyring", passphrase=True).code == OK


if __name__ == "__main__":
    main()
