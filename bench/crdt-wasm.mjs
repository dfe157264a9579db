// usage: node crdt-wasm.mjs BENCH.wasm ARGUMENT…    bench/crdt.c built for wasm32, under the node that the peers run in
import { readFileSync } from 'node:fs'
import { WASI } from 'node:wasi'

const [file, ...args] = process.argv.slice(2)
const wasi = new WASI({
  version: 'preview1', args: [file, ...args], env: { EDN_DATA: '/data' }, preopens: { '/data': process.env.EDN_DATA },
  returnOnExit: true,
})
// Called through functions of our own: node 20 crashes in the short way into its own once the memory has grown.
const system = Object.fromEntries(Object.entries(wasi.wasiImport).map(([name, fn]) => [name, (...a) => fn(...a)]))
const module = await WebAssembly.compile(readFileSync(file))
process.exit(wasi.start(new WebAssembly.Instance(module, { wasi_snapshot_preview1: system })))
