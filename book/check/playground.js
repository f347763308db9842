// playground.js — the playground: at a measured point it shows the measured number, elsewhere it says so.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const {create_playground, cell} = require('../playground.js');

const files = {};
for (const file of fs.readdirSync('figures').filter(name => name.endsWith('.csv')))
  files[file] = fs.readFileSync(path.join('figures', file), 'utf8');

// The file read once more, the simple way: [{model, x, metric, median}].
const measured = file => files[file].split('\n').filter(line => line && !line.startsWith('#')).slice(1)
    .map(line => line.split(',')).filter(fields => fields[3] !== '')
    .map(([model, x, metric, median]) => ({model, x: Number(x), metric, median: Number(median)}));

// Each metric that a row is made of, and what is asked to get just that point.
const delay = 1000 / measured('upstream.csv').find(one => one.model === "Little's law" && one.x === 1).median;
const asked = {clients: 1000, share: 100, delay, work: 0, stack: 8192};
const points = [
  ['threads', 'threads.csv', 'threads', x => ({clients: x})],
  ['address', 'threads.csv', 'reserved_bytes', x => ({clients: x})],
  ['wakeup', 'wakeup.csv', 'ns_one_ready', x => ({clients: x})],
  ['law', 'upstream.csv', 'per_second', x => ({clients: x})],
  ['reached', 'upstream.csv', 'per_second', x => ({clients: x})],
  ['others', 'cpu.csv', 'p99_ms', x => ({work: x})],
];
const servers_of = {
  wakeup: {select: ['select_loop'], poll: ['poll_loop'], epoll: ['event_loop', 'await_loop'],
           kqueue: ['event_loop', 'await_loop']},
  law: {"Little's law": ['event_loop']},
};
const row_of = (playground, row, model, what) =>
    cell(row, playground.rows[row](model, {...asked, ...what}));

module.exports = {
  'the playground shows what was measured, and says what was not': async (book, say) => {
    const playground = create_playground(files);
    let count = 0;
    const expect = (did, is, expected, instead) => { ++count; if (!is) say(did, expected, String(instead)); };
    for (const [row, file, metric, what] of points)
      for (const {model, x, median} of measured(file).filter(one => one.metric === metric))
        for (const server of (servers_of[row] || {[model]: [model]})[model] || []) {
          const shown = / /.test(server) ? null : row_of(playground, row, server, what(x));
          if (!shown || /^holds .* at most$/.test(shown.text)) continue; // no server, or not so many
          expect(`I asked the playground for ${row} of ${server} at ${x}.`,
                 shown.value === median && (row === 'law' || shown.source === `${file}, measured`),
                 `${median}, “${file}, measured”`, `${shown.value}, “${shown.source}”`);
        }
    const memory = measured('threads.csv').filter(one => one.model === 'thread_per_connection' && one.x === 1000 &&
        ['resident_bytes', 'page_table_bytes', 'kernel_stack_bytes'].includes(one.metric));
    const total = memory.reduce((sum, one) => sum + one.median, 0);
    const shown = row_of(playground, 'memory', 'thread_per_connection', {});
    expect('I asked for the memory of 1,000 threads.', shown.value === total, total, shown.value);

    const small = measured('threads.csv').find(one => one.model === 'threads -s 64' && one.x === 1000 &&
                                                      one.metric === 'reserved_bytes').median;
    const reserved = stack => row_of(playground, 'address', 'thread_per_connection', {stack});
    expect('I asked for 1,000 stacks of 64 KiB.', reserved(64).value === small, small, reserved(64).value);
    const between = reserved(1024);
    expect('I asked for 1,000 stacks of 1 MiB.',
           small < between.value && between.value < reserved(8192).value && / interpolated$/.test(between.source),
           'more than of 64 KiB, less than of 8 MiB, “interpolated”', `${between.value}, “${between.source}”`);
    const beyond = row_of(playground, 'threads', 'event_loop', {clients: 999999});
    expect('I asked for more clients than were measured.', / extrapolated beyond /.test(beyond.source),
           '“extrapolated beyond”', beyond.source);
    const none = row_of(playground, 'others', 'one_at_a_time', {});
    expect('I asked for what nobody measured.', none.text === '–' && none.value === undefined, '–', none.text);
    return `${count} points of figures/*.csv`;
  },
  'the playground by keyboard, by typing, and without scripts': async (book, say) => {
    const page = await book.open('playground.html');
    const shown = () => page.locator('#threads td:nth-child(3) data').textContent();
    const field = page.locator('#clients');
    await field.fill('10000');
    const expected = row_of(create_playground(files), 'threads', 'thread_per_connection', {clients: 10000}).text;
    if (await shown() !== expected) say('I typed 10000 clients.', `${expected} threads`, await shown());
    const slider = page.locator('.knob:has(#clients) [type=range]');
    await slider.press('ArrowLeft');
    if (await field.inputValue() !== '5000')
      say('I pressed ← on the slider of clients.', '5000 in the field', await field.inputValue());
    const before = await shown();
    await field.fill('-3');
    if (await shown() !== before || await field.getAttribute('aria-invalid') !== 'true')
      say('I typed -3 clients.', `the field marked, ${before} as before`, await shown());
    const live = await page.locator('[aria-live=polite] #models').count();
    if (live !== 1) say('I looked for the table in a polite live region.', 'one', String(live));

    const plain = await book.open('playground.html', {javaScriptEnabled: false});
    const text = await plain.locator('main').innerText();
    if (!/needs JavaScript/.test(text) || await plain.locator('main a[href="figures.html"]').count() === 0)
      say('I opened the playground without scripts.', 'what it would do, and a link to the figures', text.slice(0, 200));
  },
};
