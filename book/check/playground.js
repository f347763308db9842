// playground.js — the playground: at a measured point it shows the measured number, elsewhere it says so.
'use strict';
const fs = require('node:fs');
const { create_playground, cell } = require('../playground.js');

const names = fs.readdirSync('figures').filter((name) => name.endsWith('.csv'));
const files = Object.fromEntries(names.map((name) => [name, fs.readFileSync(`figures/${name}`, 'utf8')]));

// The files read once more, the simple way.
const measured = (file, metric) => files[file].split('\n').map((line) => line.split(','))
  .filter((fields) => fields[2] === metric && fields[3] !== '')
  .map(([model, x, , median]) => ({ model, x: Number(x), median: Number(median) }));
const at = (file, metric, model, x) => measured(file, metric).find((one) => one.model === model && one.x === x).median;

// A row, the metric that it shows, and what is asked to get just the point x.
const delay = 1000 / at('upstream.csv', 'per_second', "Little's law", 1);
const rows = [
  ['threads', 'threads.csv', 'threads', (x) => ({ clients: x })],
  ['address', 'threads.csv', 'reserved_bytes', (x) => ({ clients: x })],
  ['wakeup', 'wakeup.csv', 'ns_one_ready', (x) => ({ clients: x })],
  ['reached', 'upstream.csv', 'per_second', (x) => ({ clients: x })],
  ['others', 'cpu.csv', 'p99_ms', (x) => ({ work: x })],
];
const servers_of = { select: ['select_loop'], poll: ['poll_loop'], epoll: ['event_loop', 'await_loop'], kqueue: ['event_loop', 'await_loop'] };

module.exports = {
  'the playground shows what was measured, and says what was not': async (book, say) => {
    const playground = create_playground(files);
    let count = 0;
    function expect(row, server, what, expected, is) {
      const asked = { clients: 1000, share: 100, delay, work: 0, stack: 8192, ...what };
      const shown = cell(row, playground.rows[row](server, asked));
      if (!is(shown)) say(`I asked for ${row} of ${server}, ${JSON.stringify(asked)}.`, expected, `${shown.value}, “${shown.source}”`);
      ++count;
    }
    for (const [row, file, metric, what] of rows)
      for (const { model, x, median } of measured(file, metric).filter((one) => !/ /.test(one.model)))
        for (const server of servers_of[model] ?? [model])
          expect(row, server, what(x), `${median}, “${file}, measured”`, (shown) => /^holds .* at most$/.test(shown.text) ||
            (shown.value === median && shown.source === `${file}, measured`));
    for (const { x, median } of measured('upstream.csv', 'per_second').filter((one) => one.model === "Little's law"))
      expect('law', 'event_loop', { clients: x }, median, (shown) => shown.value === median);

    const threads = (metric, model = 'thread_per_connection') => at('threads.csv', metric, model, 1000);
    const memory = threads('resident_bytes') + threads('page_table_bytes') + threads('kernel_stack_bytes');
    expect('memory', 'thread_per_connection', {}, memory, (shown) => shown.value === memory);
    const [small, large] = [threads('reserved_bytes', 'threads -s 64'), threads('reserved_bytes')];
    expect('address', 'thread_per_connection', { stack: 64 }, small, (shown) => shown.value === small);
    expect('address', 'thread_per_connection', { stack: 1024 }, `${small} to ${large}, “interpolated”`, (shown) =>
      small < shown.value && shown.value < large && shown.source.endsWith(' interpolated'));
    expect('threads', 'event_loop', { clients: 999999 }, '“extrapolated beyond”', (shown) => / extrapolated beyond /.test(shown.source));
    expect('others', 'one_at_a_time', {}, 'no number', (shown) => shown.text === '–' && shown.value === undefined);
    return `${count} points of figures/*.csv`;
  },

  'the playground by typing, by keyboard, and without scripts': async (book, say) => {
    const page = await book.open('playground.html');
    const field = page.locator('#clients');
    const shown = () => page.locator('[aria-live=polite] #threads td:nth-child(3) data').textContent();
    await field.fill('10000');
    const wanted = at('threads.csv', 'threads', 'thread_per_connection', 10000).toLocaleString('en');
    if (await shown() !== wanted) say('I typed 10000 clients.', `${wanted} threads`, await shown());
    await page.locator('.knob:has(#clients) [type=range]').press('ArrowLeft');
    if (await field.inputValue() !== '5000') say('I pressed ← on the slider of clients.', '5000 in the field', await field.inputValue());
    const before = await shown();
    await field.fill('-3');
    if (await shown() !== before || await field.getAttribute('aria-invalid') !== 'true')
      say('I typed -3 clients.', `the field marked, ${before} as before`, await shown());
    const plain = await book.open('playground.html', { javaScriptEnabled: false });
    const text = await plain.locator('main').innerText();
    if (!/needs JavaScript/.test(text) || await plain.locator('main a[href="figures.html"]').count() === 0)
      say('I opened it without scripts.', 'what it would do, and a link to the figures', text.slice(0, 200));
  },
};
