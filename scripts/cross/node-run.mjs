// usage: node node-run.mjs PROGRAM.wasm: runs each test of a wasm32 unit test program in an instance of its own, and
// speaks TAP. A program cannot jump out of a failed check there (wasm32 has no setjmp): it ends instead. See
// tests/support/wasm/cmocka.h.
import { readFileSync, existsSync } from 'node:fs';
import { basename } from 'node:path';
import { WASI } from 'node:wasi';

const file = process.argv[2];
const module = await WebAssembly.compile(readFileSync(file));
// Folders that a test may read, by the variable that names them.
const folders = ['EDN_DATA', 'EDN_TESTS'].filter((name) => process.env[name]);

const SKIPPED = 77;

function run(test) {
    const env = { CHECK_TEST: String(test), EDN_SEED: process.env.EDN_SEED ?? '' };
    const preopens = {};
    for (const name of folders) {
        env[name] = `/${name}`;
        if (existsSync(process.env[name])) preopens[env[name]] = process.env[name];
    }
    const wasi = new WASI({ version: 'preview1', args: [basename(file)], env, preopens, returnOnExit: true });
    const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport });
    return wasi.start(instance);
}

// With number 0 a program runs nothing and ends with the count of its tests.
const count = run(0);
let failed = 0;
console.log(`1..${count}`);
for (let i = 1; i <= count; i++) {
    let code;
    try {
        code = run(i);
    } catch (trap) {
        console.error(String(trap));
        code = 'trap';
    }
    if (code === SKIPPED) {
        console.log(`ok ${i} - test ${i} # SKIP`);
    } else if (code === 0) {
        console.log(`ok ${i} - test ${i}`);
    } else {
        console.log(`not ok ${i} - test ${i}: ended with ${code}`);
        failed++;
    }
}
process.exit(failed ? 1 : 0);
