// The peers on a sequential trace: one change per keystroke, whole history to text, and the file. Prints JSON lines.
// usage: node peers.mjs TRACE.json.gz [ROUNDS]
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gunzipSync } from 'node:zlib'

const path = process.argv[2], rounds = Number(process.argv[3] ?? 3)
const trace = JSON.parse(gunzipSync(readFileSync(path)))
const name = basename(path, '.json.gz')
const patches = trace.txns.flatMap((t) => t.patches)

const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1000 }

function least(fn) {
  let best = Infinity, out
  for (let i = 0; i < rounds; i++) {
    const t = cpu()
    out = fn()
    best = Math.min(best, cpu() - t)
  }
  return [best, out]
}

function row(what, value, unit) {
  console.log(JSON.stringify({ name: `${name}: ${what}`, value, unit, better: 'lower' }))
}

const peers = {
  async yjs() {
    const Y = await import('yjs')
    return {
      typed() {
        const doc = new Y.Doc({ gc: false }), text = doc.getText('t')
        for (const [pos, del, ins] of patches) {
          if (del) text.delete(pos, del)
          if (ins) text.insert(pos, ins)
        }
        return doc
      },
      text: (doc) => doc.getText('t').toString(),
      save: (doc) => Y.encodeStateAsUpdateV2(doc),
      load(bytes) {
        const doc = new Y.Doc({ gc: false })
        Y.applyUpdateV2(doc, bytes)
        return doc
      },
    }
  },
  async 'diamond-types'() {
    const { Doc } = (await import('diamond-types-node')).default
    return {
      typed() {
        const doc = new Doc('peer')
        for (const [pos, del, ins] of patches) {
          if (del) doc.del(pos, del)
          if (ins) doc.ins(pos, ins)
        }
        return doc
      },
      text: (doc) => doc.get(),
      save: (doc) => doc.toBytes(),
      load: (bytes) => Doc.fromBytes(bytes, 'reader'),
    }
  },
  async loro() {
    const { LoroDoc } = await import('loro-crdt')
    return {
      typed() {
        const doc = new LoroDoc(), text = doc.getText('t')
        for (const [pos, del, ins] of patches) {
          if (del) text.delete(pos, del)
          if (ins) text.insert(pos, ins)
          doc.commit()
        }
        return doc
      },
      text: (doc) => doc.getText('t').toString(),
      save: (doc) => doc.export({ mode: 'snapshot' }),
      load(bytes) {
        const doc = new LoroDoc()
        doc.import(bytes)
        return doc
      },
    }
  },
  async 'json-joy'() {
    const { Model } = await import('json-joy/lib/json-crdt/index.js')
    return {
      typed() {
        const model = Model.create('')
        const str = model.api.str([])
        for (const [pos, del, ins] of patches) {
          if (del) str.del(pos, del)
          if (ins) str.ins(pos, ins)
        }
        return model
      },
      text: (model) => model.view(),
      save: (model) => model.toBinary(),
      load: (bytes) => Model.fromBinary(bytes),
    }
  },
}

for (const [peer, make] of Object.entries(peers)) {
  try {
    const p = await make()
    const [typed, doc] = least(() => p.typed())
    if (p.text(doc) !== trace.endContent) throw new Error('its text is wrong')
    row(`typed, ${peer}`, typed, 'ms')
    const bytes = p.save(doc)
    row(`file, ${peer}`, bytes.length, 'B')
    const [open, back] = least(() => { const d = p.load(bytes); p.text(d); return d })
    if (p.text(back) !== trace.endContent) throw new Error('its text is wrong')
    row(`open, ${peer}`, open, 'ms')
  } catch (e) {
    console.error(`${peer}: ${e.message}`)
  }
}
