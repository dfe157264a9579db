// usage: node node-run.mjs PROGRAM.wasm: runs each test of a wasm32 unit test program in an instance of its own, and
// speaks TAP. A program cannot jump out of a failed check there (wasm32 has no setjmp): it ends instead. See
// tests/support/wasm/cmocka.h.
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { WASI } from 'node:wasi';

const file = process.argv[2];
const module = await WebAssembly.compile(readFileSync(file));
// Folders that a test may read, by the variable that names them.
const folders = ['EDN_DATA', 'EDN_TESTS'].filter((name) => process.env[name]);

const SKIPPED = 77;

function run(test, stdout = 1) {
    const env = { CHECK_TEST: String(test), EDN_SEED: process.env.EDN_SEED ?? '' };
    const preopens = {};
    for (const name of folders) {
        env[name] = `/${name}`;
        if (existsSync(process.env[name])) preopens[env[name]] = process.env[name];
    }
    const wasi = new WASI({ version: 'preview1', args: [basename(file)], env, preopens, stdout, returnOnExit: true });
    const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport });
    return wasi.start(instance);
}

// With number 0 a program runs nothing, prints the names of its tests and ends with their count.
const folder = mkdtempSync(join(tmpdir(), 'edn-'));
const file_of_names = openSync(join(folder, 'names'), 'w');
const count = run(0, file_of_names);
closeSync(file_of_names);
const names = readFileSync(join(folder, 'names'), 'utf8').split('\n');
rmSync(folder, { recursive: true });

let failed = 0;
console.log(`1..${count}`);
for (let i = 1; i <= count; i++) {
    const name = names[i - 1];
    let code;
    try {
        code = run(i);
    } catch (trap) {
        console.error(String(trap));
        code = 'trap';
    }
    if (code === SKIPPED) {
        console.log(`ok ${i} - ${name} # SKIP`);
    } else if (code === 0) {
        console.log(`ok ${i} - ${name}`);
    } else {
        console.log(`not ok ${i} - ${name}: ended with ${code}`);
        failed++;
    }
}
process.exit(failed ? 1 : 0);
