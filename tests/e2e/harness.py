"""What the end-to-end tests share: a server, devices, and a terminal that a program believes it has.

Only the real programs are run: EDN and EDND name them. EDN_DATA names the corpora; without it tests that need one are
skipped. EDN_SANITIZED says that the programs carry a sanitizer, which some tricks of these tests do not go with."""
import contextlib
import ctypes
import ctypes.util
import errno
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

EDN = os.environ["EDN"]
EDND = os.environ.get("EDND", "")
DATA = os.environ.get("EDN_DATA", "")
SANITIZED = bool(os.environ.get("EDN_SANITIZED"))
PASSPHRASE = "correct horse battery"

# `nohup` has the first ignored, by all children too, and a shell the others in what it runs in the background.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

OK, FAILED, USAGE, NOT_FOUND, LOCKED, NETWORK, NOT_AUTHENTIC, STORAGE, INPUT = range(9)

libc = ctypes.CDLL(None, use_errno=True)


def keyutils():
    name = ctypes.util.find_library("keyutils")
    return ctypes.CDLL(name, use_errno=True) if name else None


def own_session_keyring():
    """Gives this process and its children a session keyring of their own: tests do not see each other's keys."""
    k = keyutils()
    return bool(k) and k.keyctl_join_session_keyring(None) >= 0


class Outside:
    """A process of before this one took a session keyring of its own; it runs commands, without a terminal."""

    def __init__(self):
        self.here, there = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                self.here.close()
                self.serve(there)
            finally:
                os._exit(0)
        there.close()

    @staticmethod
    def serve(there):
        while True:
            message, fds, _, _ = socket.recv_fds(there, 65536, 1)
            if not message:
                return
            argv = [str(fds[0]) if a == "FD" and fds else a for a in json.loads(message)]
            p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               pass_fds=fds)
            for fd in fds:
                os.close(fd)
            there.sendall(json.dumps([p.returncode, p.stderr.decode()]).encode())

    def run(self, argv, fd):
        argv = ["FD" if a == str(fd) else a for a in argv]
        socket.send_fds(self.here, [json.dumps(argv).encode()], [fd])
        return tuple(json.loads(self.here.recv(65536)))


def outside():
    k = keyutils()
    none_of_its_own = k and k.keyctl_get_keyring_ID(-3, 0) == k.keyctl_get_keyring_ID(-5, 0) != -1
    return Outside() if none_of_its_own else None


OUTSIDE = outside()
HAS_KEYRING = own_session_keyring()
KEEP = "2h"  # how long keys are kept in it: longer than any test


def corpus(name):
    path = os.path.join(DATA, "corpus", name)
    if not DATA:
        raise unittest.SkipTest("EDN_DATA is not set")
    if not os.path.exists(path):
        raise AssertionError(f"{path} is missing")
    return path


def wait_until(what, true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s: {what}")
        time.sleep(0.02)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def text(self):
        return self.out.decode()

    @property
    def note(self):
        return self.err.decode()

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def json(self):
        return [json.loads(line) for line in self.lines]


class Device:
    """A home, and `edn` run on it."""

    def __init__(self, home, **env):
        self.home = home
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(("EDN_HOME", "VISUAL", "EDITOR", "XDG_"))}
        self.env.update(env)
        self.passphrase = PASSPHRASE
        self.kept = False  # the key is in the keyring of this test's session

    def argv(self, args):
        return [EDN, "--home", self.home, *args]

    def try_(self, *args, input=None, passphrase=None, secret_lines=(), env=None, under=(), **popen):
        """Runs it. With a passphrase (True: the device's) it comes on a descriptor, then the secret lines."""
        argv, keep = self.argv(args), []
        if passphrase is not None:
            lines = [self.passphrase if passphrase is True else passphrase, *secret_lines]
            r, w = os.pipe()
            os.write(w, b"".join(s.encode() + b"\n" for s in lines))
            os.close(w)
            argv[1:1] = ["--passphrase-fd", str(r)]
            argv = [str(r) if a == "SECRET_FD" else a for a in argv]
            keep = [r]
        argv = [*under, *argv]
        try:
            p = subprocess.run(argv, env={**self.env, **(env or {})}, input=b"" if input is None else input,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=keep, timeout=240, **popen)
        finally:
            for fd in keep:
                os.close(fd)
        return Result(p.returncode, p.stdout, p.stderr)

    def run(self, *args, code=OK, **kw):
        """Runs it on the unlocked diary (by the keyring, which spares stretching the passphrase each time; else by the
        passphrase) and insists on the exit code."""
        kw.setdefault("passphrase", None if self.kept and "secret_lines" not in kw else True)
        r = self.try_(*args, **kw)
        if r.code not in (code if isinstance(code, tuple) else (code,)):
            raise AssertionError(f"edn {' '.join(args)}: exit code {r.code}, not {code}\n{r.out[-2000:]!r}\n"
                                 f"{r.err.decode(errors='replace')[-2000:]}")
        return r

    def init(self, server=None, name="ada", *args, **kw):
        if server:
            args = ("--server", server.url, "--name", name, *args)
        r, w = os.pipe()
        try:
            self.run_with_fds(("init", "--strength", "floor", "--timeout", KEEP, "--account-key-fd", str(w), *args),
                              (w,), **kw)
            self.kept = HAS_KEYRING
            os.close(w)
            w = -1
            self.account_key = os.read(r, 200).decode().strip()
        finally:
            os.close(r)
            if w >= 0:
                os.close(w)
        return self

    def run_with_fds(self, args, fds, code=OK, **kw):
        r, w = os.pipe()
        os.write(w, self.passphrase.encode() + b"\n")
        os.close(w)
        p = subprocess.run(self.argv([*args, "--passphrase-fd", str(r)]), env={**self.env, **kw.get("env", {})},
                           input=b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(r, *fds), timeout=240)
        os.close(r)
        if p.returncode != code:
            raise AssertionError(f"edn {' '.join(args)}: exit code {p.returncode}, not {code}\n"
                                 f"{p.stderr.decode(errors='replace')}")
        return Result(p.returncode, p.stdout, p.stderr)

    def login(self, server, account_key, name="ada", *args, **kw):
        r = self.run("login", "--server", server.url, "--name", name, "--strength", "floor", "--timeout", KEEP,
                     "--account-key-fd", "SECRET_FD", *args, secret_lines=(account_key,), **kw)
        self.kept = HAS_KEYRING and r.code == OK
        return r

    def add(self, text, *args):
        return self.run("add", "--json", *args, "--", text).json[0]["id"]

    def text_of(self, entry):
        out = self.run("show", entry, "--text").out
        assert out.endswith(b"\n")
        return out[:-1].decode()

    def start(self, *args, **popen):
        """Starts it and leaves it running; the passphrase comes on a descriptor."""
        r, w = os.pipe()
        os.write(w, self.passphrase.encode() + b"\n")
        os.close(w)
        popen.setdefault("stdin", subprocess.DEVNULL)
        p = subprocess.Popen(self.argv([*args, "--passphrase-fd", str(r)]), env=self.env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, pass_fds=(r,), **popen)
        os.close(r)
        return p


class Server:
    def __init__(self, data, *args, port=None, https=False):
        self.data, self.args = data, args
        self.port = port or free_port()
        self.url = f"{'https' if https else 'http'}://{'localhost' if https else '127.0.0.1'}:{self.port}"
        if https:
            self.args = (*args, "--origin", self.url)
        self.log = data + ".log"
        self.process = None
        self.start()

    def start(self):
        # Tests log in and sync more often in a minute than people do.
        free = ["--passphrase-per-hour", "0", "--login-account-per-min", "0", "--login-address-per-min", "0",
                "--api-per-s", "0"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([EDND, "--data", self.data, "--listen", f"127.0.0.1:{self.port}", *free,
                                             *self.args], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(f"ednd answers on port {self.port}; its log is {self.log}", self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("ednd ended: " + open(self.log).read()[-2000:])
        with contextlib.closing(socket.socket()) as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)
        return self.process.returncode if self.process else None


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv, env, columns=80, keep=(), preexec=None):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if preexec:
                    preexec()
                for fd in keep:
                    os.set_inheritable(fd, True)
                os.execve(argv[0], argv, env)
            finally:
                os._exit(126)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self, seconds=0.05):
        r, _, _ = select.select([self.fd], [], [], seconds)
        if not r:
            return False
        try:
            more = os.read(self.fd, 65536)
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            more = b""
        self.seen += more
        return bool(more)

    def expect(self, what, seconds=30):
        """Reads until `what` is there; returns all up to and with it, and forgets that."""
        what = what.encode() if isinstance(what, str) else what
        end = time.monotonic() + seconds
        while what not in self.seen:
            if time.monotonic() > end:
                raise AssertionError(f"the terminal does not show {what!r} but {self.seen[-1000:]!r}")
            self.read()
        at = self.seen.index(what) + len(what)
        shown, self.seen = self.seen[:at], self.seen[at:]
        return shown

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def send(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def answer(self, prompt, text):
        """Waits for a prompt that must not echo, and types a line."""
        self.expect(prompt)
        wait_until("the terminal stops echoing", lambda: not self.echoes(), 5)
        self.send(text + "\n")

    def end(self, seconds=60):
        """Waits for the end; returns the exit code, negative for a signal, and all that was shown since."""
        end = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"it does not end; the terminal shows {self.seen[-1000:]!r}")
            self.read()
        while self.read(0.05):
            pass
        os.close(self.fd)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        return code, self.seen


class Case(unittest.TestCase):
    """A temporary folder, servers that are stopped, and devices in it."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="edn-e2e-")
        self.servers = []

    def tearDown(self):
        for s in self.servers:
            s.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def server(self, *args, **kw):
        s = Server(self.path(f"server{len(self.servers)}"), *args, **kw)
        self.servers.append(s)
        return s

    def device(self, name="a", **env):
        return Device(self.path(name), **env)

    def terminal(self, device, *args, env=None, **kw):
        return Terminal(device.argv(args), {"TERM": "xterm", **device.env, **(env or {})}, **kw)

    def two_devices(self):
        s = self.server()
        a = self.device("a").init(s, "ada", "--device-name", "attic")
        b = self.device("b")
        b.login(s, a.account_key, "ada", "--device-name", "boat")
        a.run("sync")
        b.run("sync")
        return s, a, b

    def exported(self, device, *args):
        """The bytes of every file of an export, by name."""
        to = tempfile.mkdtemp(dir=self.dir)
        device.run("export", *args, to)
        return files_of(to)

    def assertSame(self, a, b):
        for args in ((), ("--format", "markdown")):
            self.assertEqual(self.exported(a, *args), self.exported(b, *args))


def files_of(folder):
    found = {}
    for base, _, names in os.walk(folder):
        for n in names:
            with open(os.path.join(base, n), "rb") as f:
                found[os.path.relpath(os.path.join(base, n), folder)] = f.read()
    return found


def write_file(path, content, mode=0o600):
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, mode)
    return path


def jsonl(*entries):
    return "".join(json.dumps(e, ensure_ascii=False) + "\n" for e in entries).encode()


@contextlib.contextmanager
def small_disk(path, size="2m"):
    """A file system of its own at `path`; skips the test where that is not allowed."""
    os.makedirs(path, exist_ok=True)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
                                           stderr=subprocess.DEVNULL).returncode != 0:
        raise unittest.SkipTest("no file system can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def main():
    try:
        unittest.main(verbosity=2)
    finally:
        if OUTSIDE:
            OUTSIDE.here.close()


__all__ = [n for n in dir() if not n.startswith("_")]
