"""Real processes under the knife: kill -9 on devices and the server in the middle of their work, a server's disk that
fills up, clients that are slow, and ten times more than the server can take."""
import random
import re
import threading

from harness import *

SEED = int(os.environ.get("EDN_SEED", "1"))


def rss_kib(process):
    with open(f"/proc/{process.pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


def ask(port, data, seconds=10):
    """Sends bytes on a connection of its own; the status of the answer, 0 when none came."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as s:
            s.sendall(data)
            line = s.recv(64)
    except OSError:
        return 0
    m = re.match(rb"HTTP/1\.1 (\d+)", line)
    return int(m[1]) if m else 0


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


class Killed(Case):
    def cut_off(self, device, r, *args):
        """Runs a command and kills it after a while; whether it had ended well before."""
        p = device.start(*args)
        time.sleep(r.random() * r.choice((0.3, 1, 3)) * self.usual)
        p.kill()
        out, _ = p.communicate()
        return p.returncode == 0, out

    def test_what_was_acknowledged_survives_kill_9(self):
        r = random.Random(SEED)
        s, a, b = self.two_devices()
        began = time.monotonic()
        said = ["undisturbed"]
        a.start("add", said[0]).communicate()
        self.usual = time.monotonic() - began  # what a command takes on this machine, as busy as it is
        acknowledged = []
        for i in range(40):
            d = r.choice((a, b))
            k = r.random()
            if k < 0.5:
                text = f"entry {i} of seed {SEED}"
                done, out = self.cut_off(d, r, "add", "--json", text)
                said.append(text)
                if done:
                    acknowledged.append((json.loads(out)["id"], text))
            elif k < 0.8:
                self.cut_off(d, r, "sync")
            else:
                stop = threading.Timer(r.random() * 0.1, s.process.kill)
                stop.start()
                d.try_("sync", passphrase=None if d.kept else True)
                stop.join()
                s.process.wait()
                s.start()
        for d in (a, b, a, b):
            d.run("sync")
        for entry, text in acknowledged:
            self.assertEqual(a.text_of(entry), text)
            self.assertEqual(b.text_of(entry), text)
        # What was killed before it said so is there as a whole or not at all.
        shown = [a.text_of(e["id"]) for e in a.run("list", "--json").json]
        self.assertEqual(len(shown), len(set(shown)))
        self.assertLessEqual(set(shown), set(said))
        self.assertSame(a, b)
        a.run("verify")
        b.run("verify")
        self.assertGreater(len(acknowledged), 0, "nothing ended before it was killed: the waits are too short")

    def test_a_servers_disk_fills_up_and_is_cleared(self):
        with small_disk(self.path("disk"), "3m") as disk:
            s = Server(os.path.join(disk, "server"))
            self.servers.append(s)
            s.log = self.path("server.log")
            a = self.device("a").init(s, "ada")
            a.run("sync")
            write_file(os.path.join(disk, "ballast"), b"x" * (1 << 20))
            full = None
            for i in range(60):
                entry = a.add(os.urandom(30000).hex())
                r = a.try_("sync", passphrase=None if a.kept else True)
                if r.code != OK:
                    full = r
                    break
            self.assertIsNotNone(full, "the disk never filled up")
            self.assertIn(full.code, (STORAGE, NETWORK), full.note)
            self.assertIsNone(s.process.poll(), "the server ended")
            self.assertEqual(len(a.text_of(entry)), 60000)
            os.remove(os.path.join(disk, "ballast"))
            a.run("sync")
            b = self.device("b")
            b.login(s, a.account_key, "ada")
            b.run("sync")
            self.assertSame(a, b)
            s.stop()


class Overload(Case):
    def test_slow_clients_leave_the_others_alone(self):
        s = self.server("--connections-per-address", "0", "--connections", "2048", "--header-timeout", "5")
        a = self.device("a").init(s, "ada")
        slow = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(900)]
        for i, c in enumerate(slow):
            c.sendall(b"GET /v1/server HTTP/1.1\r\nX-a: " if i % 2 else
                      b"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nab")
        took = []
        for i in range(100):
            for c in slow[i::100]:
                with contextlib.suppress(OSError):
                    c.send(b"x")
            begin = time.monotonic()
            self.assertEqual(ask(s.port, get("/v1/server")), 200)
            took.append(time.monotonic() - begin)
        a.add("beside slow ones")
        a.run("sync")
        took.sort()
        print(f"# beside 900 slow clients: p99 {took[98] * 1000:.1f} ms")
        # 250 ms is what is promised on a machine of its own; here others are at work too.
        self.assertLess(took[98], 1.0)
        for c in slow:
            c.close()

    def test_slowhttptest(self):
        if not shutil.which("slowhttptest"):
            self.skipTest("slowhttptest is not installed")
        s = self.server("--connections-per-address", "0")
        for how in ("-H", "-B"):
            p = subprocess.Popen(["slowhttptest", how, "-c", "400", "-r", "400", "-i", "1", "-l", "4", "-p", "2", "-u",
                                  s.url + "/v1/server"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            time.sleep(1.5)
            for _ in range(20):
                self.assertEqual(ask(s.port, get("/v1/server")), 200)
            out, _ = p.communicate(timeout=60)
            self.assertIsNone(s.process.poll(), out.decode(errors="replace")[-1000:])

    def test_a_server_that_was_full_listens_again(self):
        s = self.server("--connections", "8", "--connections-per-address", "0")
        for _ in range(20):
            held = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(12)]
            for c in held:
                c.sendall(get("/v1/server"))
            for c in held[:8]:
                self.assertEqual(c.recv(12), b"HTTP/1.1 200")
            for c in held:
                c.close()
            self.assertEqual(ask(s.port, get("/v1/server"), 5), 200)

    def test_ten_times_too_much_is_shed_and_memory_does_not_grow(self):
        s = self.server("--connections", "16", "--connections-per-address", "0", "--login-address-per-min", "60",
                        "--login-delay-max", "1")
        a = self.device("a").init(s, "ada")
        a.run("sync")
        statuses, lock = {}, threading.Lock()

        def flood(n):
            for _ in range(n):
                code = ask(s.port, b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n"
                                   b"Connection: close\r\n\r\n" + os.urandom(2000), 2)
                with lock:
                    statuses[code] = statuses.get(code, 0) + 1

        def wave():
            threads = [threading.Thread(target=flood, args=(40,)) for _ in range(32)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()

        wave()
        first = rss_kib(s.process)
        for _ in range(2):
            wave()
        last = rss_kib(s.process)
        print(f"# shed: {statuses}; {first} KiB after one wave, {last} after three")
        self.assertGreater(statuses.get(429, 0) + statuses.get(503, 0), sum(statuses.values()) // 2, statuses)
        self.assertLess(last, first + 2048)
        wait_until("the server answers again", lambda: ask(s.port, get("/v1/server")) == 200)
        a.add("after the flood")
        wait_until("a device is served again",
                   lambda: a.try_("sync", passphrase=None if a.kept else True).code == OK, 60)


if __name__ == "__main__":
    unittest.main()
