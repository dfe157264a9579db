// MiniSearch and FlexSearch over the corpus of search-bench.   usage: node peers.mjs DIR NAME minisearch|flexsearch
// Prints figures as search-bench does, and MiniSearch's counts to DIR/NAME.minisearch-hits. Neither has phrases: those
// queries are left out. FlexSearch does not rank by BM25 and is tokenized "strict", so prefixes are left out too.
import fs from 'node:fs';
import readline from 'node:readline';
import FlexSearch from 'flexsearch';
import MiniSearch from 'minisearch';

const [dir, name, which] = process.argv.slice(2);
const base = `${dir}/${name}`;
const figure = (what, value, unit) => console.log(`${which}: ${what}\t${value}\t${unit}`);
const cpu = () => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6;
const percentile = (v, p) => v.sort((a, b) => a - b)[Math.round((v.length - 1) * p)];

async function* entries() {
    let id = 0;
    for await (const line of readline.createInterface({ input: fs.createReadStream(`${base}.tsv`) })) {
        const [date, title, tags, text] = line.split('\t');
        yield { id: id++, date: Number(date), title, tags: tags.split(' '), text };
    }
}

async function minisearch() {
    const index = new MiniSearch({ fields: ['title', 'text'], storeFields: ['date', 'tags'] });
    for await (const e of entries())
        index.add(e);
    return (cls, words, extra) => {
        const options = { combineWith: 'AND', bm25: { k: 1.2, b: 0.75, d: 0 } };
        if (cls.includes('prefix'))
            options.prefix = (term, i, terms) => i === terms.length - 1;
        if (cls === 'date')
            options.filter = (e) => e.date >= Number(extra.slice(0, 8)) && e.date <= Number(extra.slice(9));
        if (cls === 'tag')
            options.filter = (e) => e.tags.includes(extra);
        return index.search(words, options);
    };
}

async function flexsearch() {
    const index = new FlexSearch.Index({ tokenize: 'strict', resolution: 9 });
    for await (const e of entries())
        index.add(e.id, `${e.title} ${e.text}`);
    return (cls, words) => (cls === 'common' || cls === 'and' ? index.search(words, { limit: 20 }) : null);
}

const begin = cpu();
const ask = await (which === 'minisearch' ? minisearch() : flexsearch());
figure('build, CPU', cpu() - begin, 's');
figure('memory', process.memoryUsage().rss / 2 ** 20, 'MiB');
const times = [], hits = [];
for (const line of fs.readFileSync(`${base}.queries`, 'utf8').trimEnd().split('\n')) {
    const [cls, words, extra] = line.split('\t');
    if (cls === 'phrase')
        continue;
    let least = Infinity, found = null;
    for (let round = 0; round < 2; round++) {
        const from = performance.now();
        found = ask(cls, words, extra);
        least = Math.min(least, performance.now() - from);
    }
    if (found === null)
        continue;
    times.push(least);
    hits.push(`${found.length}\t${line}`);
}
if (which === 'minisearch')
    fs.writeFileSync(`${base}.minisearch-hits`, `${hits.join('\n')}\n`);
figure('first 20 without phrases, p50', percentile(times, 0.5), 'ms');
figure('first 20 without phrases, p99', percentile(times, 0.99), 'ms');
