// pages.js — what is true of each page: it opens, leads somewhere, fits, prints, and can be read by all.
'use strict';
const fs = require('node:fs');

const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const lines_of = (file) => fs.readFileSync(file, 'utf8').replace(/\n$/, '').split('\n');

// In the page: what can be pointed at, what it points at, and which pictures are not drawn.
const look = () => ({
  ids: [...document.querySelectorAll('[id]')].map((element) => element.id),
  links: [...document.querySelectorAll('a[href], link[href], [src], object')].map((element) => [
    element.href || element.src || element.data, (element.textContent || element.alt || element.tagName).trim().slice(0, 50)]),
  broken: [...document.images].filter((image) => image.complete && !image.naturalWidth).map((image) => image.getAttribute('src')),
});

function check_links(book, name, { links, broken }, ids, say) {
  for (const [to, said] of links.filter(([one]) => one.startsWith('file:'))) {
    const [file, anchor] = [book.name(to), decodeURIComponent(new URL(to).hash.slice(1))];
    if (!book.files.includes(file)) say(`I followed “${said}” in ${name}.`, `a file ${file}`, 'there is none');
    else if (anchor && !ids[file].has(anchor)) say(`I followed “${said}” in ${name}.`, `a place #${anchor} in ${file}`, 'there is none');
  }
  for (const source of broken) say(`I looked at ${name}.`, `the picture ${source}`, 'it is not drawn');
}

// Pieces of code by the thousand, alike in class and place, are one to the auditor, who takes his time.
function thin_out() {
  const seen = new Set();
  for (const piece of document.querySelectorAll('pre span')) {
    const kind = `${piece.className} ${piece.parentElement.className} ${piece.closest('pre').className}`;
    if (seen.has(kind)) piece.replaceWith(...piece.childNodes);
    seen.add(kind);
  }
}

async function audit(page, name, rules, say) {
  const { violations } = await page.evaluate((some) => axe.run(document, { resultTypes: ['violations'], preload: false, ...some }), rules);
  for (const { id, impact, help, nodes } of violations.filter((one) => /serious|critical/.test(one.impact)))
    say(`I had ${name} audited.`, help, `${impact}: ${id} in ${nodes.length}: ${nodes[0].html.slice(0, 150)}`);
}

// Somewhere on its way up the page an excerpt is what the reader is at, and its lines are marked.
async function comes_to(page, figure, file, wanted) {
  const is_marked = ([lines, text]) => text === [...document.querySelectorAll(lines)].map((line) => line.textContent.trimEnd()).join('\n');
  for (let height = 0.55; height > 0.2; height -= 0.1) {
    await figure.evaluate((element, share) => scrollBy(0, element.getBoundingClientRect().top - innerHeight * share), height);
    const args = [`.pane[data-file="${file}"] .line.marked`, wanted];
    if (await page.waitForFunction(is_marked, args, { timeout: 2000 }).catch(() => null)) return true;
  }
  return false;
}

module.exports = {
  'every page opens without an error, and every link leads somewhere': async (book, say) => {
    const page = await book.open('index.html');
    const facts = {}, ids = {};
    let count = 0;
    for (const name of book.pages) {
      await page.goto(book.url(name));
      facts[name] = await page.evaluate(look);
      ids[name] = new Set(facts[name].ids);
      const twice = facts[name].ids.filter((id, i, all) => all.indexOf(id) < i);
      if (twice.length) say(`I looked at ${name}.`, 'each id once', `twice: ${twice.slice(0, 5)}`);
      count += facts[name].links.length;
    }
    for (const name of book.pages) check_links(book, name, facts[name], ids, say);
    return `${book.pages.length} pages, ${count} links`;
  },

  'an audit finds nothing serious, in light and dark': async (book, say) => {
    // The pages of sources are alike: one of each kind of file.
    const kinds = new Map(book.pages.map((name) => [name.startsWith('source/') ? name.match(/(\.\w+)?\.html$/)[0] : name, name]));
    const page = await book.open('index.html');
    for (const name of kinds.values()) {
      await page.emulateMedia({ colorScheme: 'light' });
      await page.goto(book.url(name));
      const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      await page.evaluate(axe);
      await page.evaluate(thin_out);
      await audit(page, name, {}, say);
      await page.emulateMedia({ colorScheme: 'dark' });
      await audit(page, `${name}, in dark,`, { runOnly: ['color-contrast'] }, say);
      if (await page.evaluate(() => getComputedStyle(document.body).backgroundColor) === light) say(`I preferred ${name} dark.`, 'another background', light);
    }
    return `${kinds.size} pages twice`;
  },

  'every file pane and every excerpt shows the source': async (book, say) => {
    let count = 0;
    const seen = new Set();
    for (const name of book.lessons) {
      const page = await book.open(name);
      for (const figure of await page.locator('.part > figure.excerpt').all()) {
        const { file, first, last } = await figure.evaluate((element) => ({ ...element.dataset }));
        const wanted = lines_of(file).slice(first - 1, last).map((line) => line.trimEnd()).join('\n');
        if (!await comes_to(page, figure, file, wanted))
          say(`I scrolled to ${file}, lines ${first} to ${last}, in ${name}.`, 'just these marked on the right',
            (await page.locator(`.pane[data-file="${file}"] .marked`).allTextContents()).join('').slice(0, 200) || 'none is marked');
        ++count;
      }
      for (const file of await page.locator('main a.file').evaluateAll((all) => all.map((link) => link.dataset.file))) {
        if (seen.has(file) || !fs.statSync(file).isFile()) continue;
        seen.add(file);
        await page.locator(`main a.file[data-file="${file}"]`).first().dispatchEvent('click');
        const pane = page.locator(`#code .pane[data-file="${file}"] code`);
        const shown = await pane.textContent().catch(() => 'nothing');
        if (shown.trimEnd() !== lines_of(file).join('\n').trimEnd()) say(`I clicked ${file} in ${name}.`, 'that file in the pane', shown.slice(0, 100));
      }
      await page.context().close();
    }
    return `${count} excerpts, ${seen.size} files`;
  },

  'nothing sticks out, on a narrow screen and on a wide one': async (book, say) => {
    const page = await book.open('index.html');
    for (const name of book.pages.filter((one) => !one.startsWith('source/'))) {
      await page.goto(book.url(name));
      for (const width of [320, 700, 1400, 2200]) {
        await page.setViewportSize({ width, height: 800 });
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) say(`I opened ${name}, ${width} pixels wide.`, 'nothing to scroll sideways', `${over} pixels more`);
      }
    }
  },

  'one lesson and all of them print, with nothing covered': async (book, say) => {
    const counts = [];
    for (const name of ['lesson-0.html', 'print.html']) {
      const page = await book.open(name);
      counts.push((await page.pdf({ format: 'A4' })).toString('latin1').match(/\/Type\s*\/Page\b/g).length);
      await page.emulateMedia({ media: 'print' });
      const covered = await page.locator('.covered .output').evaluateAll((all) => all.filter((one) => !one.checkVisibility({ visibilityProperty: true })).length);
      if (covered) say(`I printed ${name}.`, 'the output under every prediction', `${covered} lines are covered`);
      if (!await page.locator('.answers').last().isVisible()) say(`I printed ${name}.`, 'the answers at the end', 'there are none');
      if (await page.locator('#code').isVisible()) say(`I printed ${name}.`, 'the text alone', 'the pane of code, too');
    }
    if (counts[0] < 3 || counts[1] < 50) say('I printed lesson 0, and all.', '3 pages at least, and 50', counts.join(' and '));
    return `${counts.join(' and ')} pages`;
  },

  'it is small, and the first page is there at once': async (book, say) => {
    const all = book.size(book.files) / 1e6;
    if (all > 5) say('I weighed the book.', 'less than 5 MB', `${all} MB`);
    const page = await book.open('index.html');
    const needed = await page.evaluate(() => [...document.querySelectorAll('[rel=stylesheet], script[src]')].map((one) => one.href || one.src));
    const first = book.size(['index.html', ...needed.map(book.name)]) / 1e3;
    if (first > 100) say('I opened the first page.', 'less than 100 KB with its style and its script', `${first} KB`);
    const painted = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    return `${all.toFixed(2)} MB; the first page has ${first.toFixed()} KB, painted after ${(await painted.jsonValue()).toFixed()} ms`;
  },
};
