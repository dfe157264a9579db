// The peers on what bench/crdt.c measures: prints JSON lines {name: "TRACE: CASE, PEER", peer, value, unit}.
// usage: node peers.mjs TRACE.json.gz        one trace
//        node peers.mjs --away EDITS.json    the device that was away, on the edits that bench/crdt.c typed
// How much memory is needed is asked of fresh processes, which the first of these starts.
// Every run of a case is checked against the text that it must come to. Times are process CPU, the least of some runs.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1000 }
// Pages counted, and the most since it was last asked to begin; not the running counts, which lag behind.
const proc = (file, field) =>
  Number(readFileSync(`/proc/self/${file}`, 'utf8').match(`${field}:\\s*(\\d+)`)[1]) / 1024
const rss = () => proc('smaps_rollup', 'Rss')
const peakBegin = () => writeFileSync('/proc/self/clear_refs', '5')
const peak = () => Math.max(proc('status', 'VmHWM'), rss())

const peers = {
  async yjs() {
    const Y = await import('yjs')
    let client = 0x70000000 // rising: with some orders of random ids it misses the recorded text of friendsforever
    const make = (gc) => {
      const doc = new Y.Doc({ gc })
      doc.clientID = client++
      doc.t = doc.getText('t')
      doc.on('update', (u) => { doc.last = u })
      return doc
    }
    return {
      make: () => make(false),
      ins: (doc, pos, s) => doc.t.insert(pos, s),
      del: (doc, pos, n) => doc.t.delete(pos, n),
      change(doc, fn) { doc.transact(fn); return doc.last },
      apply: (doc, message) => Y.applyUpdate(doc, message),
      text: (doc) => doc.t.toString(),
      all: (doc) => Y.encodeStateAsUpdateV2(doc),
      applyAll: (doc, message) => Y.applyUpdateV2(doc, message),
      since: (doc, other) => Y.encodeStateAsUpdateV2(doc, Y.encodeStateVector(other)),
      save: (doc) => Y.encodeStateAsUpdateV2(doc),
      load(bytes) { const doc = make(false); Y.applyUpdateV2(doc, bytes); return doc },
      dropped(doc) {
        const d = make(true)
        Y.applyUpdateV2(d, Y.encodeStateAsUpdateV2(doc))
        return Y.encodeStateAsUpdateV2(d)
      },
    }
  },
  async ywasm() {
    const Y = (await import('ywasm')).default
    return {
      make() {
        const doc = new Y.YDoc({})
        doc.t = doc.getText('t')
        doc.kept = doc.onUpdate((u) => { doc.last = u })
        return doc
      },
      ins: (doc, pos, s) => doc.t.insert(pos, s, undefined, undefined),
      del: (doc, pos, n) => doc.t.delete(pos, n, undefined),
      change(doc, fn) { fn(); return doc.last },
      apply: (doc, message) => Y.applyUpdate(doc, message, undefined),
      text: (doc) => doc.t.toString(undefined),
      all: (doc) => Y.encodeStateAsUpdateV2(doc, undefined),
      applyAll: (doc, message) => Y.applyUpdateV2(doc, message, undefined),
    }
  },
  async 'diamond-types'() {
    const { Doc, OpLog, Branch } = (await import('diamond-types-node')).default
    let agents = 0
    return {
      make: () => new Doc(`peer${agents++}`),
      ins: (doc, pos, s) => doc.ins(pos, s),
      del: (doc, pos, n) => doc.del(pos, n),
      change(doc, fn) { const v = doc.getLocalVersion(); fn(); return doc.getPatchSince(v) },
      apply: (doc, message) => doc.mergeBytes(message),
      text: (doc) => doc.get(),
      all: (doc) => doc.toBytes(),
      applyAll: (doc, message) => doc.mergeBytes(message),
      since: (doc, other) => { const m = doc.clone ? doc.clone() : doc; return m.getPatchSince(other.forked) },
      fork(doc) { doc.forked = doc.getLocalVersion() },
      save: (doc) => doc.toBytes(),
      load: (bytes) => Doc.fromBytes(bytes, `peer${agents++}`),
      half(bytes, events) {
        const log = OpLog.fromBytes(bytes)
        return () => {
          const b = new Branch()
          b.merge(log, new Uint32Array([events - 1]))
          const s = b.get()
          b.free()
          return s
        }
      },
      // A history with branches, event for event, as a file.
      graph(trace) {
        const log = new OpLog('peer')
        const last = []
        for (const [i, x] of trace.txns.entries()) {
          let v = Uint32Array.from(x.parents.map((p) => last[p]).sort((a, b) => a - b))
          log.setAgent(`agent${x.agent}`)
          for (const [pos, del, ins] of x.patches) {
            if (del) v = new Uint32Array([log.del(pos, del, v)])
            if (ins) v = new Uint32Array([log.ins(pos, ins, v)])
          }
          last[i] = v.length === 1 ? v[0] : log.getLocalVersion()[0]
        }
        return log.toBytes()
      },
    }
  },
  async loro() {
    const { LoroDoc } = await import('loro-crdt')
    return {
      make() { const doc = new LoroDoc(); doc.t = doc.getText('t'); return doc },
      ins(doc, pos, s) { doc.t.insert(pos, s); doc.commit() },
      del(doc, pos, n) { doc.t.delete(pos, n); doc.commit() },
      change(doc, fn) { const from = doc.version(); fn(); return doc.export({ mode: 'update', from }) },
      apply: (doc, message) => doc.import(message),
      text: (doc) => doc.t.toString(),
      all: (doc) => doc.export({ mode: 'update' }),
      applyAll: (doc, message) => doc.import(message),
      fork(doc) { doc.forked = doc.version() },
      since: (doc, other) => doc.export({ mode: 'update', from: other.forked }),
      save: (doc) => doc.export({ mode: 'snapshot' }),
      load(bytes) { const doc = new LoroDoc(); doc.import(bytes); doc.t = doc.getText('t'); return doc },
      dropped: (doc) => doc.export({ mode: 'shallow-snapshot', frontiers: doc.frontiers() }),
    }
  },
  async 'json-joy'() {
    const { Model } = await import('json-joy/lib/json-crdt/index.js')
    const { Patch } = await import('json-joy/lib/json-crdt-patch/index.js')
    const begin = (model) => { model.t = model.api.str([]); model.api.flush(); return model }
    const seed = Model.create('').toBinary() // everybody begins with the same empty string
    return {
      make: () => begin(Model.load(seed, Model.sid())),
      ins: (m, pos, s) => m.t.ins(pos, s),
      del: (m, pos, n) => m.t.del(pos, n),
      change(m, fn) { fn(); return m.api.flush().toBinary() },
      apply: (m, message) => m.applyPatch(Patch.fromBinary(message)),
      text: (m) => m.view(),
      save: (m) => m.toBinary(),
      load: (bytes) => begin(Model.load(bytes, Model.sid())),
    }
  },
}
const which = {
  typed: ['diamond-types', 'json-joy', 'loro'],
  each: ['json-joy', 'diamond-types', 'yjs'],
  live: ['json-joy', 'yjs'],
  whole: ['diamond-types', 'yjs', 'loro'],
  encode: ['loro', 'diamond-types'],
  open: ['loro', 'diamond-types', 'json-joy'],
  half: ['diamond-types'],
  file: ['diamond-types', 'loro'],
  dropped: ['loro', 'yjs'],
  grow: ['loro', 'json-joy', 'diamond-types'],
  away: ['diamond-types', 'yjs', 'loro'],
  drip: ['ywasm', 'json-joy', 'yjs'],
}

// Runs `fn` until it has had a second or eight runs; the result's `check` must hold each time and is not counted.
function least(fn, check, free) {
  let best = Infinity
  const until = cpu() + 1000
  for (let i = 0; i < 8 && (i === 0 || cpu() < until); i++) {
    const t = cpu()
    const out = fn()
    best = Math.min(best, cpu() - t)
    if (!check(out)) throw new Error('its text is wrong')
    if (free && out?.free) out.free()
  }
  return best
}

const row = (trace, what, peer, value, unit) =>
  console.log(JSON.stringify({ name: `${trace}: ${what}, ${peer}`, peer, value, unit, better: 'lower' }))

function patch(p, doc, [pos, del, ins]) {
  if (del) p.del(doc, pos, del)
  if (ins) p.ins(doc, pos, ins)
}

function typed(p, trace) {
  const doc = p.make()
  for (const x of trace.txns) for (const q of x.patches) patch(p, doc, q)
  return doc
}

// Two replicas; each hears of the other's transactions when its own next one had seen them. `keep` gets the messages.
function live(p, trace, keep) {
  const docs = [p.make(), p.make()], heard = [0, 0], messages = keep ?? []
  const hear = (d, upto) => {
    for (; heard[d] <= upto; heard[d]++)
      if (trace.txns[heard[d]].agent !== d && messages[heard[d]]) p.apply(docs[d], messages[heard[d]])
  }
  for (const [i, x] of trace.txns.entries()) {
    for (const q of x.parents) if (trace.txns[q].agent !== x.agent) hear(x.agent, q)
    messages[i] = x.patches.length
      ? p.change(docs[x.agent], () => { for (const q of x.patches) patch(p, docs[x.agent], q) })
      : undefined
  }
  for (const d of [0, 1]) hear(d, trace.txns.length - 1)
  return docs[0]
}

function messagesOf(p, trace) {
  const doc = p.make(), out = []
  for (const x of trace.txns) out.push(p.change(doc, () => { for (const q of x.patches) patch(p, doc, q) }))
  return out
}

function each(p, messages) {
  const doc = p.make()
  for (const m of messages) if (m) p.apply(doc, m)
  return doc
}

function readTrace(path) {
  const trace = JSON.parse(gunzipSync(readFileSync(path)))
  if (trace.txns[0].ops) { // the branching one: events and names
    const ends = new Map(trace.txns.map((x, i) => [x.span[1] - 1, i]))
    const names = [...new Set(trace.txns.map((x) => x.agent))]
    trace.txns = trace.txns.map((x) => ({
      patches: x.ops, parents: x.parents.map((e) => ends.get(e)), agent: names.indexOf(x.agent),
    }))
    trace.kind = 'branching'
  }
  return trace
}

async function traceReport(path) {
  const trace = readTrace(path), name = basename(path, '.json.gz')
  const sequential = trace.txns[0].parents === undefined
  const right = (p) => (doc) => p.text(doc) === trace.endContent
  const run = async (what, fn) => {
    for (const peer of which[what]) {
      try {
        await fn(await peers[peer](), peer)
      } catch (e) {
        console.error(`${name}: ${what}: ${peer}: ${e.message}`)
      }
    }
  }
  const end = (p) => {
    if (sequential) return typed(p, trace)
    if (trace.kind === 'concurrent') return live(p, trace)
    throw new Error('not measured')
  }

  if (sequential)
    await run('typed', (p, peer) => row(name, 'typed', peer, least(() => typed(p, trace), right(p), true), 'ms'))
  if (trace.kind !== 'branching')
    await run('each', (p, peer) => {
      let messages = []
      if (sequential) messages = messagesOf(p, trace)
      else live(p, trace, messages)
      const sent = messages.filter((m) => m)
      row(name, 'message', peer, sent.reduce((n, m) => n + m.length, 0) / sent.length, 'B')
      row(name, 'each', peer, least(() => each(p, messages), right(p), true), 'ms')
    })
  if (trace.kind === 'concurrent')
    await run('live', (p, peer) => row(name, 'live', peer, least(() => live(p, trace), right(p)), 'ms'))
  await run('whole', (p, peer) => {
    const message = p.graph && !sequential ? p.graph(trace) : p.all(end(p))
    const fn = () => { const d = p.make(); p.applyAll(d, message); p.text(d); return d }
    row(name, 'whole', peer, least(fn, right(p), true), 'ms')
  })
  if (trace.kind === 'branching') return
  await run('open', (p, peer) => {
    const bytes = p.save(end(p))
    row(name, 'open', peer, least(() => { const d = p.load(bytes); p.text(d); return d }, right(p), true), 'ms')
  })
  await run('encode', (p, peer) => {
    const doc = end(p)
    row(name, 'encode', peer, least(() => p.save(doc), (bytes) => bytes.length > 0), 'ms')
  })
  await run('file', (p, peer) => {
    const bytes = p.graph && !sequential ? p.graph(trace) : p.save(end(p))
    row(name, 'file', peer, bytes.length, 'B')
  })
  await run('dropped', (p, peer) => row(name, 'dropped', peer, p.dropped(end(p)).length, 'B'))
  if (sequential)
    await run('half', (p, peer) => {
      const events = trace.txns.reduce((n, x) => n + x.patches.reduce((m, q) => m + q[1] + [...q[2]].length, 0), 0)
      row(name, 'half', peer, least(p.half(p.save(end(p)), Math.floor(events / 2)), () => true), 'ms')
    })
  await run('grow', (p, peer) => {
    const file = Buffer.from(p.save(end(p)))
    grown(name, 'memory, open', peer, ['--grow-load', peer], file)
    if (sequential) grown(name, 'memory, all', peer, ['--grow-type', peer], packed(trace))
  })
}

// The middle one of three fresh processes, MiB; one that shrank had its heap tidied meanwhile, and says nothing.
function grown(trace, what, peer, args, input) {
  const got = [1, 2, 3].map(() => {
    const r = spawnSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), ...args], { input })
    return r.status === 0 ? Number(r.stdout) : NaN
  }).filter((mib) => mib > 0).sort((a, b) => a - b)
  if (got.length) row(trace, what, peer, got[got.length >> 1], 'MiB')
}

// The patches as numbers and one text: reading JSON leaves so much room in the heap that nothing would grow.
function packed(trace) {
  const patches = trace.txns.flatMap((x) => x.patches)
  const numbers = Int32Array.from(patches.flatMap(([pos, del, ins]) => [pos, del, ins.length]))
  const size = Int32Array.of(patches.length)
  const text = Buffer.from(patches.map((q) => q[2]).join(''), 'utf16le')
  return Buffer.concat([Buffer.from(size.buffer), Buffer.from(numbers.buffer), text])
}

async function begun(peer) {
  const p = await peers[peer](), warm = p.make()
  for (let i = 0; i < 200; i++) p.ins(warm, i, 'x')
  p.text(p.load(p.save(warm)))
  globalThis.gc()
  peakBegin()
  return [p, rss()]
}

async function growLoad(peer) {
  const bytes = new Uint8Array(readFileSync(0)), [p, before] = await begun(peer)
  const doc = p.load(bytes), text = p.text(doc)
  globalThis.gc()
  console.log(rss() - before + 0 * text.length * (doc ? 1 : 0))
}

async function growType(peer) {
  const bytes = readFileSync(0), n = bytes.readInt32LE(0), at = 4 + 12 * n
  const [p, before] = await begun(peer)
  const doc = p.make()
  for (let i = 0, c = at; i < n; i++) {
    const [pos, del, size] = [4, 8, 12].map((k) => bytes.readInt32LE(k + 12 * i))
    if (del) p.del(doc, pos, del)
    if (size) p.ins(doc, pos, bytes.toString('utf16le', c, c + 2 * size))
    c += 2 * size
  }
  console.log(peak() - before)
}

// ---- the device that was away ----------------------------------------------------------------------------------------

async function awayReport(path) {
  const edits = JSON.parse(readFileSync(path)), name = 'offline'
  const sides = (p) => {
    const origin = p.make()
    for (const q of edits.base) patch(p, origin, q)
    const base = p.save ? p.save(origin) : p.all(origin)
    const load = p.load ?? ((bytes) => { const d = p.make(); p.applyAll(d, bytes); return d })
    const here = load(base), away = load(base)
    p.fork?.(away)
    const forked = away.forked
    for (const q of edits.here) patch(p, here, q)
    if (p.change && away.api) here.api.flush()
    return { here, away, base, load, forked }
  }
  for (const peer of which.away) {
    try {
      const p = await peers[peer](), s = sides(p)
      for (const q of edits.away) patch(p, s.away, q)
      const message = p.since(s.away, p.fork ? { forked: s.forked } : s.load(s.base))
      const file = p.save(s.here)
      row(name, 'message', peer, message.length, 'B')
      let best = Infinity
      for (let i = 0; i < 8; i++) {
        const d = p.load(file)
        const t = cpu()
        p.applyAll(d, message)
        p.text(d)
        best = Math.min(best, cpu() - t)
        if (p.text(d).length !== edits.merged) throw new Error('its text is wrong')
        if (d.free) d.free()
      }
      row(name, 'merge', peer, best, 'ms')
    } catch (e) {
      console.error(`offline: ${peer}: ${e.message}`)
    }
  }
  for (const peer of which.drip) {
    try {
      const p = await peers[peer](), s = sides(p), messages = []
      if (s.away.api) s.away.api.flush()
      for (const q of edits.away.slice(0, edits.drips)) messages.push(p.change(s.away, () => patch(p, s.away, q)))
      const file = p.save ? p.save(s.here) : p.all(s.here)
      let best = Infinity
      for (let i = 0; i < 8; i++) {
        const d = s.load(file), before = p.text(d)
        p.apply(d, messages[0])
        const t = cpu()
        for (const m of messages.slice(1)) p.apply(d, m)
        best = Math.min(best, (cpu() - t) * 1000 / (messages.length - 1))
        if (Math.abs(p.text(d).length - before.length) < messages.length / 2) throw new Error('nothing came')
      }
      row(name, 'drip', peer, best, 'us')
    } catch (e) {
      console.error(`drip: ${peer}: ${e.message}`)
    }
  }
}

const [what, ...rest] = process.argv.slice(2)
if (what === '--away') await awayReport(rest[0])
else if (what === '--grow-type') await growType(rest[0])
else if (what === '--grow-load') await growLoad(rest[0])
else await traceReport(what)
