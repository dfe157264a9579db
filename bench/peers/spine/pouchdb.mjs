// A diary in PouchDB, every entry sealed by the client (ChaCha20-Poly1305): written on one device, replicated to a server,
// replicated to a second device and opened there. All three databases are in memory and in this process: no HTTP, no disk, no
// signatures, no chains. Prints JSON lines of CPU seconds.           usage: node pouchdb.mjs DIARY.jsonl
import { readFileSync } from 'node:fs';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import PouchDB from 'pouchdb-core';
import memory from 'pouchdb-adapter-memory';
import replication from 'pouchdb-replication';

PouchDB.plugin(memory).plugin(replication);

const key = randomBytes(32);
const seal = (text, id) => {
  const nonce = randomBytes(12);
  const c = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  c.setAAD(Buffer.from(id), { plaintextLength: Buffer.byteLength(text) });
  return Buffer.concat([nonce, c.update(text, 'utf8'), c.final(), c.getAuthTag()]).toString('base64');
};
const open = (box, id) => {
  const b = Buffer.from(box, 'base64');
  const d = createDecipheriv('chacha20-poly1305', key, b.subarray(0, 12), { authTagLength: 16 });
  d.setAAD(Buffer.from(id), { plaintextLength: b.length - 28 });
  d.setAuthTag(b.subarray(b.length - 16));
  return d.update(b.subarray(12, b.length - 16), null, 'utf8') + d.final('utf8');
};

const entries = readFileSync(process.argv[2], 'utf8').trim().split('\n');
const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1e6; };
const figure = (name, value) => console.log(JSON.stringify({ name, value, unit: 's' }));

const [a, server, b] = ['a', 'server', 'b'].map((name) => new PouchDB(name, { adapter: 'memory' }));
let t = cpu();
await a.bulkDocs(entries.map((line, i) => { const id = String(i).padStart(8, '0'); return { _id: id, box: seal(line, id) }; }));
figure('pouchdb: writing the diary, sealed', cpu() - t);
t = cpu();
await a.replicate.to(server, { batch_size: 500 });
figure('pouchdb: first upload', cpu() - t);
t = cpu();
await server.replicate.to(b, { batch_size: 500 });
const all = await b.allDocs({ include_docs: true });
let opened = 0;
for (const row of all.rows) opened += open(row.doc.box, row.id).length > 0;
figure('pouchdb: download on a second device, opened', cpu() - t);
if (opened !== entries.length) throw new Error(`only ${opened} of ${entries.length} entries arrived`);
