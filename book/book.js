// book.js — what a page of the book does, where scripts may run. Without it all text is there.
//
// It has four parts, each of which could go without harming the others: the code beside the text,
// guesses and questions, altitude and keys, search. Nothing is fetched but scripts that lie beside
// this one (a page from the file system may read nothing else), and nothing leaves the browser.
'use strict';

const page = document.documentElement.dataset;
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const text = find('main');

// An element. What the script makes is no word of the lesson, and says so.
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.dataset.added = '';
  element.append(...children);
  return element;
}

function button(words, action) {
  const element = make('button', { type: 'button' }, words);
  element.addEventListener('click', action);
  return element;
}

// A button that opens and closes: flip() does it, and says whether it is open now.
function toggle(words, flip) {
  const made = button(words, () => made.setAttribute('aria-expanded', flip()));
  made.setAttribute('aria-expanded', false);
  return made;
}

// What this browser remembers. It may have been told to remember nothing.
const prefix = 'two-ways/';
const memory = {
  get(key) {
    try { return JSON.parse(localStorage.getItem(prefix + key)); } catch { return null; }
  },
  set(key, value) {
    try { localStorage.setItem(prefix + key, JSON.stringify(value)); } catch { /* then it does not */ }
  },
  keys(start) {
    try { return Object.keys(localStorage).filter((key) => key.startsWith(prefix + start)); } catch { return []; }
  },
};

// Runs a script that lies beside this one, once.
const loaded = {};
function load(script) {
  return loaded[script] ??= new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement('script'), {
      src: page.root + script, onload: resolve, onerror: () => reject(new Error(`there is no ${script}`)) }));
  });
}

// -- the code beside the text ----------------------------------------------------------------------

const code = find('#code');
var SOURCES;  // file -> its lines, as HTML: what sources.js fills

// "3-7 12" as [[3, 7], [12, 12]].
function ranges(words = '') {
  return words.split(' ').filter(Boolean).map((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return [first, last];
  });
}

function mark(lines, [first, last], kind) {
  for (const line of lines.slice(first - 1, last)) line.classList.add(kind);
}

function make_pane({ file }) {
  const pre = make('pre', { tabIndex: 0, innerHTML: `<code>${SOURCES[file]}</code>` });
  pre.setAttribute('aria-label', file);
  const header = make('header', {}, make('a', { href: `${page.root}source/${file}.html` }, file), make('span'));
  const pane = make('section', { className: 'pane' }, header, pre);
  pane.dataset.file = file;
  return pane;
}

function mark_pane(pane, { marked, differs }, behavior) {
  const pre = find('pre', pane);
  const lines = all('.line', pre);
  for (const line of lines) line.classList.remove('marked', 'differs');
  for (const range of differs) mark(lines, range, 'differs');
  if (marked) mark(lines, marked, 'marked');
  find('header span', pane).textContent = marked ? `lines ${marked[0]} to ${marked[1]}` : '';
  const first = find('.marked', pre) ?? find('.differs', pre) ?? lines[0];
  pre.scrollTo({ top: first.offsetTop - pre.clientHeight / 4, behavior });
}

// Shows one file or two: [{file, marked: [first, last] or nothing, differs: [[first, last], ...]}].
let shown = '';
async function show(panes) {
  const wanted = JSON.stringify(panes);
  if (wanted === shown) return;
  shown = wanted;
  await load('sources.js');
  if (panes.some(({ file }) => !SOURCES[file])) throw new Error('there is no such source');
  if (wanted !== shown) return;  // the reader has gone on meanwhile
  document.body.classList.add('with-code');
  const is_open = all('.pane', code).map((pane) => pane.dataset.file).join() === panes.map(({ file }) => file).join();
  if (!is_open) code.replaceChildren(...panes.map(make_pane));
  all('.pane', code).forEach((pane, i) => mark_pane(pane, panes[i], is_open ? 'auto' : 'instant'));
}

// What the place in the text asks to be shown.
function panes_of(place) {
  const { file, first, last, differs, pair, compare } = place.dataset;
  if (compare) {
    const sides = differs.split('|').map(ranges);
    return compare.split(' ').map((name, i) => ({ file: name, differs: sides[i] }));
  }
  const own = { file, marked: first && [Number(first), Number(last)], differs: ranges(differs) };
  if (pair === 'previous') return panes_of(place.previousElementSibling);
  if (!pair) return [own];
  const other = place.nextElementSibling.dataset;
  return [own, { file: other.file, marked: [Number(other.first), Number(other.last)], differs: ranges(other.differs) }];
}

// Excerpts, what is to be compared, and paragraphs that name a source.
const excerpts = all('.part > .excerpt', text);
const places = excerpts.length === 0 ? [] :
  all('.part > .excerpt, .compare, .part > p:not(.compare, .compare + p) a[data-file$=pp]', text);

// The code follows the text: what is shown is what the reader has come to last. A file that was
// opened by a click stays until the reader comes to another place.
let here;
function follow() {
  const visible = places.filter((place) => place.checkVisibility());
  const reached = visible.filter((place) => place.getBoundingClientRect().top < innerHeight * 0.6);
  // Of two close together the first has its time, too.
  const place = reached.find((one) => one.getBoundingClientRect().top > innerHeight * 0.4) ?? reached.at(-1) ?? visible[0];
  if (!place || place === here) return;
  here?.classList.remove('current');
  place.classList.add('current');
  here = place;
  show(panes_of(place));
}

const has_room = matchMedia('(min-width: 70rem)');
let is_waiting = false;
function follow_soon() {
  if (is_waiting || !has_room.matches || places.length === 0) return;
  is_waiting = true;
  requestAnimationFrame(() => { is_waiting = false; follow(); });
}

function open_file(event) {
  const link = event.target.closest('a.file');
  if (!link || !has_room.matches || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (!document.body.classList.contains('lesson')) return;
  event.preventDefault();
  const line = Number(link.hash.slice(2));
  const excerpt = link.closest('.excerpt');
  show(excerpt ? panes_of(excerpt) : [{ file: link.dataset.file, marked: line ? [line, line] : undefined, differs: [] }])
    .then(() => find('.pane pre', code).focus({ preventScroll: true }))
    .catch(() => { location.href = link.href; });  // what is no source has no script
}

function begin_code() {
  addEventListener('scroll', follow_soon, { passive: true });
  addEventListener('resize', follow_soon);
  text.addEventListener('click', open_file);
  for (const excerpt of excerpts)
    find('figcaption', excerpt).append(toggle('Show here', () => excerpt.classList.toggle('shown')));
  follow_soon();
}

// -- guesses ---------------------------------------------------------------------------------------

function begin_guess(predict) {
  const key = `guess/${predict.dataset.guess}`;
  const output = document.getElementById(predict.dataset.guess);  // some have none: the text tells
  const field = make('textarea', { rows: 2, value: memory.get(key)?.text ?? '' });
  const beside = make('p', { className: 'guess', hidden: true });
  const show_it = button('Show me', () => uncover(true));

  function uncover(is_asked) {
    const guess = field.value.trim();
    if (!guess && !is_asked) return;
    memory.set(key, { text: guess, is_shown: true });
    output?.classList.remove('covered');
    beside.hidden = !guess;
    beside.textContent = `Your guess: ${guess}`;
    show_it.hidden = true;
  }

  predict.append(make('label', {}, 'Your guess', field), show_it);
  output?.classList.add('covered');
  output?.before(beside);
  field.addEventListener('change', () => uncover(false));
  if (!output) show_it.remove();
  if (memory.get(key)?.is_shown) uncover(true);
}

// -- questions -------------------------------------------------------------------------------------

// What is in an element, in one of its own: an element that is the text's, and not the script's.
function wrap(element) {
  const inner = document.createElement('span');
  inner.append(...element.childNodes);
  element.append(inner);
  return inner;
}

const copy_of = (element) => [...element.cloneNode(true).childNodes];

// A kind of question says how its answer is read, set, and what there is to say about it.
function begin_choice(form) {
  const list = find(':scope > ul', form) ?? make('ul');
  if (!list.parentNode) {
    list.append(make('li', {}, 'True'), make('li', {}, 'False'));
    find('p', form).after(list);
  }
  const reasons = all('details li', form);
  const choices = all(':scope > li', list).map((item, i) => {
    const name = item.textContent.match(/\w+/)[0];
    const input = make('input', { type: 'radio', name: 'answer', value: name });
    const label = document.createElement('label');
    label.append(input, wrap(item));
    item.append(label);
    return { name, item, input, why: reasons[i] };
  });
  return {
    read: () => find(':checked', form)?.value,
    set: (given) => { for (const { name, input } of choices) input.checked = name === given; },
    about(given) {
      for (const { name, item } of choices) {
        item.classList.toggle('right', name === given && name === form.dataset.right);
        item.classList.toggle('wrong', name === given && name !== form.dataset.right);
      }
      const chosen = choices.find(({ name }) => name === given);
      return chosen ? copy_of(chosen.why) : ['Choose one first.'];
    },
  };
}

function begin_order(form) {
  const list = find(':scope > ul', form);
  const steps = () => all(':scope > li', list);
  const right = form.dataset.right.split(' ');
  list.classList.add('steps');

  for (const step of steps()) {
    const name = step.textContent.trim()[0];
    const arrow = (sign, where, move) => {
      const made = button(sign, () => { move(); made.focus(); });
      made.setAttribute('aria-label', `${name} ${where}`);
      return made;
    };
    Object.assign(step, { step: name, draggable: true });
    wrap(step).after(
      arrow('↑', 'earlier', () => step.previousElementSibling?.before(step)),
      arrow('↓', 'later', () => step.nextElementSibling?.after(step)));
    step.addEventListener('dragstart', () => step.classList.add('dragged'));
    step.addEventListener('dragend', () => step.classList.remove('dragged'));
  }
  list.addEventListener('dragover', (event) => {
    event.preventDefault();
    const dragged = find('.dragged', list);
    const over = event.target.closest('li');
    if (!dragged || !over || over === dragged) return;
    const { top, height } = over.getBoundingClientRect();
    over[event.clientY < top + height / 2 ? 'before' : 'after'](dragged);
  });

  return {
    read: () => steps().map(({ step }) => step).join(' '),
    set: (given) => { for (const name of given.split(' ')) list.append(steps().find(({ step }) => step === name)); },
    about(given) {
      const count = given.split(' ').filter((name, i) => name === right[i]).length;
      if (count === right.length) return copy_of(find('details p', form));
      return [`${count} of ${right.length} stand where they belong.`];
    },
  };
}

function begin_question(form) {
  const { question, kind, right } = form.dataset;
  const key = `answer/${question}`;
  const { read, set, about } = kind === 'order' ? begin_order(form) : begin_choice(form);
  const verdict = make('p', { className: 'verdict' });
  verdict.setAttribute('role', 'status');

  function judge() {
    const given = read();
    const is_right = given === right;
    verdict.className = `verdict ${is_right ? 'right' : 'wrong'}`;
    verdict.replaceChildren(...about(given));
    return given && { given, is_right };
  }

  form.append(make('button', {}, 'Check'), verdict);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const answer = judge();
    if (answer) memory.set(key, answer);
    show_score();
  });
  if (memory.get(key)) {
    set(memory.get(key).given);
    judge();
  }
}

// Each question to be answered aloud gets its own model answer.
function begin_recall(recall) {
  const answers = all('details ol > li', recall);
  all(':scope > ol > li', recall).forEach((question, i) => {
    const answer = make('div', { className: 'guess', hidden: true }, ...copy_of(answers[i]));
    question.append(' ', toggle('Model answer', () => !(answer.hidden = !answer.hidden)), answer);
  });
}

const score = make('section', { className: 'score' });
score.setAttribute('aria-label', 'Score');

function show_score() {
  const forms = all('.quiz', text);
  const answered = forms.map((form) => ({ form, answer: memory.get(`answer/${form.dataset.question}`) }));
  const right = answered.filter(({ answer }) => answer?.is_right);
  const wrong = answered.filter(({ answer }) => answer && !answer.is_right);
  score.replaceChildren(`${right.length} of ${forms.length} right` +
    (wrong.length ? `, ${wrong.length} not yet` : '') + '. ');
  if (wrong.length === 0) return;
  const list = make('ul', { className: 'reread' });
  for (const { form } of wrong) {
    const { question, about, title } = form.dataset;
    list.append(make('li', {}, `for ${question}: `, make('a', { href: about }, title)));
  }
  score.append('Read again, ', list);
}

// -- altitude --------------------------------------------------------------------------------------

const levels = ['surface', 'middle', 'summit'];
const hidden_count = make('p', { className: 'hidden-count' });
hidden_count.setAttribute('role', 'status');

function climb(level) {
  page.shown = level;
  for (const choice of all('button[data-altitude]')) choice.setAttribute('aria-pressed', choice.dataset.altitude === level);
  const above = all('.part[data-level]', text).filter((part) => levels.indexOf(part.dataset.level) > levels.indexOf(level));
  const words = above.reduce((sum, part) => sum + part.textContent.split(/\s+/).length, 0);
  const parts = above.length === 1 ? '1 part is' : `${above.length} parts are`;
  hidden_count.textContent = above.length === 0 ? '' :
    `${parts} above your altitude and hidden: about ${Math.round(words / 50) * 50} words.`;
  follow_soon();
}

function choose(level) {
  memory.set('altitude', level);
  climb(level);
}

// A link into what is hidden takes the reader up there.
function uncover_target() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const part = target && target.closest('.part[data-level]');
  if (!part || levels.indexOf(part.dataset.level) <= levels.indexOf(page.shown)) return;
  choose(part.dataset.level);
  target.scrollIntoView();
}

// -- keys ------------------------------------------------------------------------------------------

function pieces() {
  return all('.lesson main > *, .lesson main .part > *, .plain main > *')
    .filter((piece) => !piece.matches('.part, .altitude, .answers, script') && piece.checkVisibility());
}

function step_piece(by) {
  const list = pieces();
  let at = list.indexOf(find('.here'));
  if (at < 0) at = list.findIndex((piece) => piece.getBoundingClientRect().bottom > innerHeight / 4) - (by > 0 ? 1 : 0);
  const piece = list[Math.min(Math.max(at + by, 0), list.length - 1)];
  find('.here')?.classList.remove('here');
  piece.classList.add('here');
  if (piece.tabIndex < 0) piece.tabIndex = -1;
  piece.focus({ preventScroll: true });
  scrollTo({ top: scrollY + piece.getBoundingClientRect().top - innerHeight / 4 });
}

const go = (relation) => { const link = find(`link[rel=${relation}]`); if (link) location.href = link.href; };
const actions = {
  j: () => step_piece(1),
  k: () => step_piece(-1),
  n: () => go('next'),
  p: () => go('prev'),
  a: () => choose(levels[(levels.indexOf(page.shown) + 1) % levels.length]),
  '/': () => open_search(),
  '?': () => find('#help').showModal(),
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || find('dialog[open]') || !find('#keys-on').checked) return;
  if (event.target.matches('textarea, select, input:not([type=radio], [type=checkbox])')) return;
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

// -- search ----------------------------------------------------------------------------------------

var LESSONS;  // [[place, title, text], ...]: what search.js fills
let lines_of_sources;  // [[file, [line, ...]], ...]
const most = 60;

async function open_search() {
  find('#search').showModal();
  find('#query').select();
  await Promise.all([load('search.js'), load('sources.js')]);
  lines_of_sources ??= Object.entries(SOURCES).map(([file, html]) => [file, text_of(html).split('\n')]);
  search();
}

// The text of a source: a line of code holds no other elements than colours.
function text_of(html) {
  return Object.assign(document.createElement('pre'), { innerHTML: html }).textContent;
}

// The text around the first of the words, with all of them marked.
function excerpt_of(words, body) {
  const at = Math.max(0, body.toLowerCase().indexOf(words[0]) - 60);
  const piece = body.slice(at, at + 180);
  const pattern = new RegExp(`(${words.map((word) => word.replace(/[^\w\s]/g, '\\$&')).join('|')})`, 'gi');
  return piece.split(pattern).map((part, i) => (i % 2 ? make('mark', {}, part) : part));
}

function search() {
  const words = find('#query').value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  const has_all = (body) => words.every((word) => body.toLowerCase().includes(word));
  if (words.length > 0 && lines_of_sources) {
    for (const [href, title, body] of LESSONS)
      if (has_all(`${title} ${body}`)) found.push({ href, title, body, rank: has_all(title) ? 0 : 1 });
    for (const [file, lines] of lines_of_sources)
      lines.forEach((body, i) => {
        const place = { href: `source/${file}.html#L${i + 1}`, title: `${file}, line ${i + 1}` };
        if (has_all(body)) found.push({ ...place, body: body.trim(), rank: 2 });
      });
  }
  found.sort((a, b) => a.rank - b.rank);
  find('.found').textContent = words.length === 0 ? '' :
    `${found.length} found${found.length > most ? `, ${most} shown` : ''}`;
  find('.results').replaceChildren(...found.slice(0, most).map(({ href, title, body }) =>
    make('li', {}, make('a', { href: page.root + href }, title), make('small', {}, ...excerpt_of(words, body)))));
}

// -- the beginning ---------------------------------------------------------------------------------

// Where the reader is, for the page of contents.
function show_progress(start) {
  const counts = start.dataset.questions.split(' ').map(Number);
  const last = memory.get('place');
  const rows = all('tr', text).slice(1);
  rows.forEach((row, lesson) => {
    const right = memory.keys(`answer/${lesson}.`).filter((key) => memory.get(key.slice(prefix.length))?.is_right).length;
    if (right) row.lastElementChild.append(make('small', {}, ` (${right} of ${counts[lesson]} answered right)`));
  });
  if (last) start.append(make('p', {}, 'You were at ', make('a', { href: last.href }, last.title), '.'));
}

// What is wider than the page scrolls in itself: by keyboard, too.
function let_wide_ones_be_reached() {
  for (const wide of all('pre, .table', text))
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}

function begin() {
  if (page.page !== 'print') {
    for (const predict of all('.predict')) begin_guess(predict);
    for (const form of all('.quiz')) begin_question(form);
    for (const recall of all('.recall')) begin_recall(recall);
    all('.quiz').at(-1)?.after(score);
    show_score();
  }
  if (find('nav.parts', text)) {
    find('nav.parts', text).after(hidden_count);
    climb(memory.get('altitude') ?? 'summit');
    uncover_target();
  }
  addEventListener('hashchange', uncover_target);
  for (const choice of all('button[data-altitude]')) choice.addEventListener('click', () => choose(choice.dataset.altitude));
  find('#to-search').addEventListener('click', open_search);
  find('#to-help').addEventListener('click', actions['?']);
  find('#query').addEventListener('input', search);
  find('#search').addEventListener('click', (event) => { if (event.target.closest('a')) find('#search').close(); });
  find('#keys-on').checked = memory.get('keys') ?? true;
  find('#keys-on').addEventListener('change', (event) => memory.set('keys', event.target.checked));
  find('#forget').addEventListener('click', () => {
    for (const key of memory.keys('')) localStorage.removeItem(key);
    location.reload();
  });
  addEventListener('keydown', press);
  addEventListener('resize', let_wide_ones_be_reached);
  let_wide_ones_be_reached();
  begin_code();
  const start = find('.start');
  if (start) show_progress(start);
  const place = { href: `${page.page}.html`, title: find('h1', text).textContent };
  if (find('nav.parts', text)) addEventListener('scroll', () => memory.set('place', place), { once: true });
}
begin();
