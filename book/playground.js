// playground.js — what the models would do, computed from the measurements of this copy: FIGURES, a
// global that data.js sets, holds the files of figures/*.csv by name. Every number says which file it
// comes from, and whether it was measured there, lies between two measurements, or beyond them.
'use strict';

const MODELS = ['one_at_a_time', 'thread_per_connection', 'select_loop', 'poll_loop', 'event_loop',
                'await_loop'];
const MEASURED = 0, INTERPOLATED = 1, EXTRAPOLATED = 2;
const KINDS = ['measured', 'interpolated', 'extrapolated'];

// -- the measurements --

// A file: lines "# note", one of titles, then "model,x,metric,median,..." in no order.
function read_figure(file, text) {
  const figure = { file, notes: '', curves: {} };
  for (const line of (text || '').split('\n')) {
    if (line.startsWith('#')) figure.notes += line + '\n';
    const [model, x, metric, median] = line.split(',');
    if (!median || line.startsWith('#') || Number.isNaN(Number(median))) continue;
    (figure.curves[`${model} ${metric}`] ??= []).push([Number(x), Number(median)]);
  }
  for (const curve of Object.values(figure.curves)) curve.sort((one, other) => one[0] - other[0]);
  return figure;
}

// The value at x of a curve of [x, y]: a measured one, or one on the straight line through its two
// neighbours. Beyond the last, that line goes on; or, for a ceiling, the last value stays.
function at(curve, x, file, is_ceiling) {
  if (!curve || curve.length === 0) return null;
  const exact = curve.find((point) => point[0] === x);
  if (exact) return { value: exact[1], kind: MEASURED, file };
  const above = curve.findIndex((point) => point[0] > x);
  const end = above > 0 ? null : curve[above === 0 ? 0 : curve.length - 1];
  const beyond = end ? { kind: EXTRAPOLATED, beyond: end[0], file } : { kind: INTERPOLATED, file };
  if (curve.length === 1 || (end && is_ceiling)) return { value: end[1], ...beyond };
  const right = end ? (above === 0 ? 1 : curve.length - 1) : above;
  const [[x0, y0], [x1, y1]] = [curve[right - 1], curve[right]];
  return { value: y0 + (y1 - y0) * (x - x0) / (x1 - x0), ...beyond };
}

// Several of one file become one number, no better known than the worst of them.
function combine(value, parts) {
  const worst = parts.reduce((one, other) => other.kind > one.kind ? other : one);
  return { ...worst, value };
}

function sum(parts) {
  const known = parts.filter(Boolean);
  return known.length ? combine(known.reduce((all, part) => all + part.value, 0), known) : null;
}

// -- what is asked: {clients, share, delay, work, stack}; percent, ms, ms of CPU, KiB --

function create_playground(files) {
  const figure = (name) => read_figure(name, files[name]);
  const [threads, wakeup, upstream, idle, cpu] =
      ['threads.csv', 'wakeup.csv', 'upstream.csv', 'idle.csv', 'cpu.csv'].map(figure);
  const curve = (from, model, metric) => from.curves[`${model} ${metric}`];
  function of(from, model, metric, x, is_ceiling) {
    const result = at(curve(from, model, metric), x, from.file, is_ceiling);
    return result && { ...result, value: result.kind === MEASURED ? result.value : Math.max(0, result.value) };
  }

  // At most so many clients take part, says a note of the file.
  function limit(from, model) {
    const note = from.notes.match(new RegExp(`: ${model} takes part with at most ([\\d,]+) client`));
    return note ? Number(note[1].replaceAll(',', '')) : Infinity;
  }
  function too_many(model, clients) {
    const most = limit(idle, model);
    return clients > most && { words: `holds ${in_count(most)} at most`, source: idle.file };
  }

  // A thread's stack has been measured in two sizes: -s, and what the system gives.
  const small = Object.keys(threads.curves).map((key) => key.match(/^(threads -s (\d+)) threads$/))
                    .find(Boolean);
  const given = threads.notes.match(/default stack ([\d.]+) ([KMG])iB/);
  const given_kib = given && Number(given[1]) * { K: 1, M: 1024, G: 1024 ** 2 }[given[2]];
  function by_stack(stack, scale, value) {
    const usual = value('thread_per_connection');
    if (!small || !given_kib || !usual) return usual;
    const other = value(small[1]);
    const result = at([[scale(Number(small[2])), other.value], [scale(given_kib), usual.value]],
                      scale(stack), threads.file);
    if (result.kind === EXTRAPOLATED)
      result.beyond = `a stack of ${stack > given_kib ? given_kib : small[2]} KiB`;
    const is_measured = result.kind === MEASURED;
    return combine(result.value, is_measured ? [stack === given_kib ? usual : other]
                                            : [result, usual, other]);
  }

  const is_threaded = (model) => (curve(threads, model, 'threads') || []).some((point) => point[1] > 1);
  const memory = (clients) => (model) => sum(
      ['resident_bytes', 'page_table_bytes', ...is_threaded(model) ? ['kernel_stack_bytes'] : []]
          .map((metric) => of(threads, model, metric, clients)));
  const address = (clients) => (model) => of(threads, model, 'reserved_bytes', clients);
  const with_stack = (model, stack, scale, value) =>
      model === 'thread_per_connection' ? by_stack(stack, scale, value) : value(model);

  // The call that a loop waits with; a parked thread asks about nobody else.
  const told = Object.keys(wakeup.curves).map((key) => key.split(' ')[0])
                   .find((call) => call !== 'select' && call !== 'poll');
  const calls = { select_loop: 'select', poll_loop: 'poll', event_loop: told, await_loop: told };

  // Little's law: whoever waits so long asks no oftener.
  const active = (asked) => Math.round(asked.clients * asked.share / 100);
  const law = (model, asked) =>
      Math.min(active(asked), limit(upstream, model)) * 1000 / (asked.delay + asked.work);

  // What was answered, by what the law allowed. Both grow by decades, so the line between two
  // measurements is one of logarithms. Beyond the last, what was answered there is the least; with one
  // client alone the share of the law stays what it was.
  function answered(model, allowed) {
    if (allowed === 0) return { value: 0, source: 'computed: nobody asks' };
    const points = (curve(upstream, model, 'per_second') || []).map(
        ([clients, rate]) => [of(upstream, "Little's law", 'per_second', clients).value, rate]);
    const known = at(points, allowed, upstream.file);
    if (!known || known.kind === MEASURED) return known;
    const most = points[points.length - 1];
    if (points.length > 1 && allowed > most[0])
      return { value: most[1], is_least: true, source: `${upstream.file}, the most that was measured` };
    const share = at(points.map(([most, rate]) => [Math.log(most), Math.log(rate / most)]),
                     Math.log(allowed)).value;
    return { ...known, value: Math.min(1, Math.exp(share)) * allowed };
  }
  // The computing alone allows so much: as many ms a second as with /spin.
  function computed(model, work) {
    const spins = curve(cpu, model, 'spins_per_second');
    if (!spins || work === 0) return null;
    const [ms, rate] = spins[0];
    if (work === ms) return { value: rate, kind: MEASURED, file: cpu.file };
    return { value: rate * ms / work, file: cpu.file, source: `${cpu.file}, scaled from /spin/${ms}` };
  }
  function reached(model, asked) {
    const silent = asked.clients - active(asked);
    return [answered(model, law(model, asked)), computed(model, asked.work),
            of(idle, model, 'per_second', silent, true)]
        .filter(Boolean).reduce((one, other) => other.value < one.value ? other : one, { value: Infinity });
  }

  const rows = {
    threads: (model, { clients }) =>
        too_many(model, clients) || of(threads, model, 'threads', clients),
    memory: (model, { clients, stack }) =>
        too_many(model, clients) || with_stack(model, stack, Math.log2, memory(clients)),
    address: (model, { clients, stack }) =>
        too_many(model, clients) || with_stack(model, stack, Number, address(clients)),
    wakeup: (model, { clients }) => !calls[model]
        ? { words: 'asks about nobody else', source: 'its one call is about one client' }
        : too_many(model, clients) || of(wakeup, calls[model], 'ns_one_ready', clients),
    law: (model, asked) => too_many(model, asked.clients) || ({
      value: law(model, asked),
      source: active(asked) > limit(upstream, model)
          ? `computed, for ${in_count(limit(upstream, model))} at once (${upstream.file})` : 'computed',
    }),
    reached: (model, asked) => too_many(model, asked.clients) || reached(model, asked),
    others: (model, { work }) => of(cpu, model, 'p99_ms', work),
  };
  const about = ['machine', 'date'].map((name) => idle.notes.match(new RegExp(`^# ${name}: (.*)$`, 'm')))
                    .filter(Boolean).map((match) => match[1]).join('; ');
  return { rows, about };
}

// -- in words --

const in_count = (value) =>
    value.toLocaleString('en', value < 1000 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });
function in_units(value, base, names) {
  let unit = 0;
  for (; value >= base && unit + 1 < names.length; ++unit) value /= base;
  return `${value.toLocaleString('en', { maximumSignificantDigits: 3 })} ${names[unit]}`;
}
const in_bytes = (value) => in_units(value, 1024, ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']);
const FORMATS = {
  threads: in_count, memory: in_bytes, address: in_bytes, law: in_count, reached: in_count,
  wakeup: (value) => in_units(value, 1000, ['ns', 'µs', 'ms', 's']),
  others: (value) => in_units(value, 1000, ['ms', 's']),
};

// What a cell shows: the number, and under it where it comes from.
function cell(row, result) {
  if (!result || result.value === Infinity) return { text: '–', source: 'not measured' };
  if (result.words) return { text: result.words, source: result.source };
  const beyond = result.beyond === undefined ? ''
      : ` beyond ${typeof result.beyond === 'number' ? in_count(result.beyond) : result.beyond}`;
  return { text: (result.is_least ? 'at least ' : '') + FORMATS[row](result.value), value: result.value,
    source: result.source || `${result.file}, ${KINDS[result.kind]}${beyond}` };
}

// -- the page --

// Each knob is a slider over a list of values and a field for any other.
function connect_knob(knob, changed) {
  const [slider, field] = [knob.querySelector('[type=range]'), knob.querySelector('[type=number]')];
  const values = slider.dataset.values.split(' ').map(Number);
  const show = () => {
    const above = values.findIndex((value) => value > Number(field.value));
    slider.value = (above < 0 ? values.length : Math.max(above, 1)) - 1;
    slider.setAttribute('aria-valuetext', `${field.value} ${field.dataset.unit}`);
  };
  slider.max = values.length - 1;
  slider.addEventListener('input', () => { field.value = values[slider.value]; show(); changed(); });
  field.addEventListener('input', () => {
    field.setAttribute('aria-invalid', String(!field.checkValidity()));
    if (field.checkValidity()) { show(); changed(); }
  });
  show();
}

function start_playground(form, table) {
  const playground = create_playground(FIGURES);
  const asked = {};
  // What stays the same is not touched: a screen reader says what has changed.
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  function changed() {
    for (const field of form.querySelectorAll('[type=number]'))
      if (field.checkValidity()) asked[field.name] = Number(field.value);
    for (const line of table.tBodies[0].rows)
      MODELS.forEach((model, i) => {
        const [number, source] = line.cells[i + 1].children;
        const shown = cell(line.id, playground.rows[line.id](model, asked));
        put(number, shown.text);
        number.value = shown.value === undefined ? '' : String(shown.value);
        put(source, shown.source);
      });
  }
  for (const model of MODELS)
    table.tHead.rows[0].insertAdjacentHTML('beforeend', `<th scope="col"><code>${model.replaceAll('_', '_<wbr>')}</code></th>`);
  for (const line of table.tBodies[0].rows)
    for (const model of MODELS)
      line.insertCell().innerHTML = '<data></data> <small></small>';
  for (const knob of form.querySelectorAll('.knob')) connect_knob(knob, changed);
  changed();
  document.getElementById('measured-on').textContent = playground.about;
  for (const hidden of document.querySelectorAll('.playground[hidden]')) hidden.hidden = false;
}

if (typeof module !== 'undefined') module.exports = { MODELS, create_playground, cell, at };
else start_playground(document.getElementById('knobs'), document.getElementById('models'));
