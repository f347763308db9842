// pages.js — what is true of each page: it opens, leads somewhere, fits, prints, and can be read by all.
'use strict';
const fs = require('node:fs');

const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// In the page: what can be pointed at, and what it points at.
const look = () => ({
  ids: [...document.querySelectorAll('[id]')].map(element => element.id),
  links: [...document.querySelectorAll('[href], [src], object[data]')].map(element => ({
    to: element.href || element.src || element.data,
    said: (element.textContent || element.alt || element.tagName).trim().slice(0, 50),
    is_loaded: !element.matches('a'),
  })).filter(link => typeof link.to === 'string'),
  broken: [...document.images].filter(image => image.complete && image.naturalWidth === 0)
              .map(image => image.getAttribute('src')),
});

function check_links(book, name, facts, ids, say) {
  for (const {to, said, is_loaded} of facts.links) {
    if (/^(data|about|blob|javascript|mailto):/.test(to)) continue;
    if (/^https?:/.test(to)) {
      if (is_loaded) say(`I opened ${name}.`, 'nothing is fetched from a network', to);
      continue;
    }
    const [file, anchor] = [book.name(to), decodeURIComponent(new URL(to).hash.slice(1))];
    if (!book.files.includes(file))
      say(`I followed “${said}” in ${name}.`, `a file ${file}`, 'there is none');
    else if (anchor && ids[file] && !ids[file].has(anchor))
      say(`I followed “${said}” in ${name}.`, `a place #${anchor} in ${file}`, 'there is none');
  }
  for (const source of facts.broken) say(`I looked at ${name}.`, `the picture ${source}`, 'it is not drawn');
}

// Pieces of code by the thousand, alike in class and place, are one to the auditor, who takes his time.
const thin_out = () => {
  const seen = new Set();
  for (const piece of document.querySelectorAll('pre span, .pane span')) {
    const kind = `${piece.className} ${piece.parentElement.className} ${piece.closest('pre')?.className}`;
    if (seen.has(kind)) piece.replaceWith(...piece.childNodes);
    seen.add(kind);
  }
};

async function audit(page, name, rules, say) {
  const {violations} = await page.evaluate(rules => axe.run(
      document, {resultTypes: ['violations'], preload: false, ...rules}), rules);
  for (const {id, impact, help, nodes} of violations)
    if (['serious', 'critical'].includes(impact))
      say(`I had ${name} audited.`, help, `${id} in ${nodes.length}: ${nodes[0].html.slice(0, 150)}`);
  return violations.length;
}

const source_lines = {};
const lines_of = file => source_lines[file] ??= fs.readFileSync(file, 'utf8').replace(/\n$/, '').split('\n');

module.exports = {
  'every page opens without an error, and every link leads somewhere': async (book, say) => {
    const page = await book.open('index.html');
    const facts = {}, ids = {};
    for (const name of book.pages) {
      await page.goto(book.url(name));
      facts[name] = await page.evaluate(look);
      ids[name] = new Set(facts[name].ids);
      if (ids[name].size < facts[name].ids.length)
        say(`I looked at ${name}.`, 'each id once',
            `twice: ${facts[name].ids.filter((id, i, all) => all.indexOf(id) < i).slice(0, 5)}`);
    }
    for (const name of book.pages) check_links(book, name, facts[name], ids, say);
    const count = Object.values(facts).reduce((sum, one) => sum + one.links.length, 0);
    return `${book.pages.length} pages, ${count} links`;
  },

  'an audit finds nothing serious, in light and dark': async (book, say) => {
    const sources = book.pages.filter(name => name.startsWith('source/'));
    const page = await book.open('index.html');
    // The pages of sources are alike: one of each kind of file.
    const kinds = new Map(sources.map(name => [name.replace(/.*?(\.\w+)?\.html$/, '$1'), name]));
    const names = [...book.pages.filter(name => !sources.includes(name)), ...kinds.values()];
    let least = 0;
    for (const name of names) {
      await page.goto(book.url(name));
      await page.evaluate(axe);
      await page.evaluate(thin_out);
      await page.emulateMedia({colorScheme: 'light'});
      least += await audit(page, `${name} (light)`, {}, say);
      await page.emulateMedia({colorScheme: 'dark'});
      least += await audit(page, `${name} (dark)`, {runOnly: ['color-contrast']}, say);
    }
    const shade = scheme => page.emulateMedia({colorScheme: scheme}).then(() => page.evaluate(
        () => getComputedStyle(document.body).backgroundColor));
    const [light, dark] = [await shade('light'), await shade('dark')];
    if (light === dark) say('I preferred dark, then light.', 'another background', dark);
    return `${names.length} pages twice, ${least} lesser findings`;
  },

  'every file pane and every excerpt shows the source': async (book, say) => {
    const page = await book.open(book.lessons[0]);
    let count = 0;
    const seen = new Set();
    for (const name of book.lessons) {
      await page.goto(book.url(name));
      for (const figure of await page.locator('.part > figure.excerpt').all()) {
        const [file, first, last] = await figure.evaluate(
            element => [element.dataset.file, Number(element.dataset.first), Number(element.dataset.last)]);
        ++count;
        const wanted = lines_of(file).slice(first - 1, last).join('\n');
        const marked = page.locator(`.pane[data-file="${file}"] .line.marked`);
        const is_marked = ([pane, wanted]) => wanted === [...document.querySelectorAll(pane)].map(
            line => line.textContent.replace(/\n$/, '')).join('\n');
        let found = null; // somewhere on its way up the page it is what the reader is at
        for (let height = 0.55; !found && height > 0.2; height -= 0.1) {
          await figure.evaluate((element, height) => scrollBy(0, element.getBoundingClientRect().top - innerHeight * height), height);
          found = await page.waitForFunction(is_marked, [`.pane[data-file="${file}"] .line.marked`, wanted], {timeout: 2000}).catch(() => null);
        }
        if (!found) say(`I scrolled to ${file}, lines ${first} to ${last}, in ${name}.`, 'just these marked on the right',
                        (await marked.allTextContents()).join('').slice(0, 200) || 'none is marked');
      }
      for (const file of await page.locator('main a.file').evaluateAll(all => all.map(link => link.dataset.file))) {
        if (seen.has(file) || !fs.statSync(file).isFile()) continue;
        seen.add(file);
        await page.locator(`main a.file[data-file="${file}"]`).first().dispatchEvent('click');
        const pane = page.locator(`#code .pane[data-file="${file}"] .line`);
        const shown = await pane.last().waitFor().then(
            () => pane.evaluateAll(lines => lines.map(line => line.textContent).join('').replace(/\n$/, '')), () => '');
        if (shown !== lines_of(file).join('\n'))
          say(`I clicked ${file} in ${name}.`, 'that file in the pane', shown.slice(0, 100) || 'nothing');
      }
    }
    return `${count} excerpts, ${seen.size} files`;
  },

  'nothing sticks out, on a narrow screen and on a wide one': async (book, say) => {
    const page = await book.open('index.html');
    for (const width of [320, 700, 1400, 2200]) {
      await page.setViewportSize({width, height: 800});
      for (const name of book.pages.filter(one => !one.startsWith('source/'))) {
        await page.goto(book.url(name));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) say(`I opened ${name}, ${width} pixels wide.`, 'nothing to scroll sideways', `${over} pixels more`);
      }
    }
  },

  'one lesson and all of them print, with nothing covered': async (book, say) => {
    const counts = [];
    for (const name of ['lesson-0.html', 'print.html']) {
      const page = await book.open(name);
      const pdf = (await page.pdf({format: 'A4'})).toString('latin1');
      counts.push((pdf.match(/\/Type\s*\/Page\b/g) || []).length);
      await page.emulateMedia({media: 'print'});
      const covered = await page.locator('.covered .output').evaluateAll(all => all.filter(
          one => getComputedStyle(one).visibility !== 'visible' || one.getClientRects().length === 0).length);
      if (covered) say(`I printed ${name}.`, 'the output under every prediction', `${covered} are covered`);
      const answers = await page.locator('.answers, h2:text-is("Answers")').first().isVisible();
      if (!answers) say(`I printed ${name}.`, 'the answers at the end', 'there are none');
      if (await page.locator('#code').isVisible()) say(`I printed ${name}.`, 'the text alone', 'the pane of code, too');
    }
    if (counts[0] < 3 || counts[1] < 50) say('I printed lesson 0, and all.', '3 pages at least, and 50', counts.join(' and '));
    return `${counts[0]} and ${counts[1]} pages`;
  },

  'it is small, and the first page is there at once': async (book, say) => {
    const size = names => names.reduce((sum, name) => sum + book.read(name).length, 0);
    const all = size(book.files);
    if (all > 5e6) say('I weighed the book.', 'less than 5 MB', `${(all / 1e6).toFixed(1)} MB`);
    const page = await book.open('index.html');
    const loaded = await page.evaluate(() => [...document.querySelectorAll('link[rel=stylesheet], script[src]')].map(
        one => one.href || one.src));
    const first = size(['index.html', ...loaded.map(url => book.name(url))]);
    if (first > 200e3) say('I opened the first page.', 'less than 200 KB for it, its style and its script', `${first} bytes`);
    const painted = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    return `${(all / 1e6).toFixed(2)} MB; the first page has ${Math.round(first / 1e3)} KB, and was painted after ` +
        `${Math.round(await painted.jsonValue())} ms`;
  },
};
