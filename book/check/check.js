// check.js — is the book right? Opens it in a browser and does what a reader does.
// Usage: node book/check/check.js BOOK [PART-OF-A-TITLE]     from the project's root
// A check is an entry { title: async (book, say) => note } of the files below; it calls say(did, expected,
// instead) for each thing that is not so, and judges no time. Exit status: 0, or 1 if one failed.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { chromium } = require('playwright-core');

const [folder, only = ''] = process.argv.slice(2);
const parts = ['playground', 'text', 'pages', 'reader'];

function files_below(where) {
  return fs.readdirSync(where, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory()
    ? files_below(path.join(where, entry.name)) : [path.join(where, entry.name)]));
}

// The book on disk and in the browser, as all checks see it.
function open_book(browser) {
  const files = files_below(folder).map((file) => path.relative(folder, file)).sort();
  const pages = files.filter((file) => file.endsWith('.html'));
  const root = pathToFileURL(path.resolve(folder)).href + '/';
  const errors = [];
  return {
    files, pages, errors,
    lessons: pages.filter((name) => name.startsWith('lesson-')).sort((a, b) => parseInt(a.slice(7)) - parseInt(b.slice(7))),
    url: (name) => root + name,
    name: (url) => decodeURIComponent(url.replace(root, '').replace(/[?#].*/, '')),
    size: (names) => names.reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0),

    // A new reader, who has kept nothing, at this page. What the browser complains about goes to errors.
    async open(name, options = {}) {
      const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, reducedMotion: 'reduce', ...options });
      context.setDefaultTimeout(10000);  // for an event that must come
      const page = await context.newPage();
      const complain = (what) => errors.push(`  I used ${this.name(page.url())}.\n  Expected: nothing on the console\n  Instead: ${what}`);
      page.on('console', (line) => ['error', 'warning'].includes(line.type()) && complain(line.text()));
      page.on('pageerror', (error) => complain(error.message));
      page.on('request', (request) => /^(file|data|blob|about):/.test(request.url()) || complain(`it fetches ${request.url()}`));
      await page.goto(this.url(name));
      return page;
    },
  };
}

async function run(title, check, browser) {
  const book = open_book(browser);
  const stories = [];
  const began = process.hrtime.bigint();
  function say(did, expected, instead) {
    stories.push(`  ${did}\n  Expected: ${expected}\n  Instead: ${instead}`);
    if (stories.length === 8) throw new Error('I give up here: there may be more of this kind.');
  }
  const note = await check(book, say).catch((error) => { stories.push(`  ${error.message}`); });
  stories.push(...book.errors);
  for (const context of browser.contexts()) await context.close();
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`${stories.length ? 'FAILED' : 'ok'}  ${title}${note ? `: ${note}` : ''} (${seconds.toFixed(1)} s)`);
  for (const story of stories) console.log(`${story}\n`);
  return stories.length === 0;
}

async function main() {
  const checks = Object.entries(Object.assign({}, ...parts.map((part) => require(`./${part}.js`))));
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
  const passed = [];
  for (const [title, check] of checks.filter(([one]) => one.includes(only))) passed.push(await run(title, check, browser));
  await browser.close();
  const failed = passed.filter((one) => !one).length;
  console.log(`the book: ${passed.length - failed} checks passed, ${failed} failed`);
  process.exitCode = failed || passed.length === 0 ? 1 : 0;
}

main();
