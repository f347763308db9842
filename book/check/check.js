// check.js — is the book right? Opens it in a browser and does what a reader does.
// Usage: node book/check/check.js BOOK [PART-OF-A-TITLE]     from the project's root
// Each check is an entry { title: async (book, say) => note }. It calls say(did, expected, instead) for
// each thing that is not so; none of them judges a time. Exit status: 0, or 1 if a check failed.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const {pathToFileURL} = require('node:url');
const {chromium} = require('playwright-core');

const folder = path.resolve(process.argv[2]);
const only = process.argv[3] || '';
const patience = 10000; // for an event that must come

const files_below = where => fs.readdirSync(where, {withFileTypes: true}).flatMap(
    entry => entry.isDirectory() ? files_below(path.join(where, entry.name)) : [path.join(where, entry.name)]);

// The book on disk and in the browser, as all checks see it.
class Book {
  constructor(browser) {
    this.browser = browser;
    this.files = files_below(folder).map(file => path.relative(folder, file)).sort();
    this.pages = this.files.filter(file => file.endsWith('.html'));
    this.lessons = this.pages.filter(page => /^lesson-\d+\.html$/.test(page))
                       .sort((one, other) => parseInt(one.slice(7)) - parseInt(other.slice(7)));
    this.errors = [];
  }
  read(file) { return fs.readFileSync(path.join(folder, file)); }
  url(page) { return pathToFileURL(path.join(folder, page)).href; }
  name(url) {
    const file = path.relative(pathToFileURL(folder).pathname, new URL(url).pathname);
    return decodeURIComponent(file);
  }

  // A new reader, who has kept nothing, at this page. What the page complains about goes to errors.
  async open(name, options = {}) {
    const context = await this.browser.newContext(
        {viewport: {width: 1400, height: 900}, reducedMotion: 'reduce', ...options});
    context.setDefaultTimeout(patience);
    const page = await context.newPage();
    const complain = what => this.errors.push([this.name(page.url()), what]);
    page.on('console', line => ['error', 'warning'].includes(line.type()) && complain(line.text()));
    page.on('pageerror', error => complain(error.message));
    page.on('request', request => /^(file|data|blob|about):/.test(request.url()) ||
                                  complain(`it fetches ${request.url()}`));
    await page.goto(this.url(name));
    return page;
  }
  async close() {
    for (const context of this.browser.contexts()) await context.close();
    this.errors = [];
  }
}

async function run(title, check, book) {
  const began = process.hrtime.bigint();
  const stories = [];
  const say = (did, expected, instead) => {
    stories.push(`  ${did}\n  Expected: ${expected}\n  Instead: ${instead}`);
    if (stories.length === 8) throw new Error('I give up here: there are more of this kind, perhaps.');
  };
  let note = '';
  try {
    note = await check(book, say) || '';
  } catch (error) {
    stories.push(`  ${error.message.split('\n').slice(0, 6).join('\n  ')}\n  ` +
                 (error.stack.match(/at .*book\/check\/(?!node_modules).*/g) || []).slice(0, 3).join('\n  '));
  }
  for (const [page, what] of book.errors)
    stories.push(`  I used ${page}.\n  Expected: nothing on the console\n  Instead: ${what}`);
  await book.close();
  const seconds = Number((process.hrtime.bigint() - began) / 10000000n) / 100;
  console.log(`${stories.length ? 'FAILED' : 'ok'}  ${title}${note ? ': ' + note : ''} (${seconds} s)`);
  for (const story of stories) console.log(story + '\n');
  return stories.length === 0;
}

async function main() {
  const checks = Object.assign({}, ...['playground', 'text', 'pages', 'reader'].map(
      part => require(`./${part}.js`)));
  const browser = await chromium.launch({executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
                                         args: process.getuid() === 0 ? ['--no-sandbox'] : []});
  const book = new Book(browser);
  const results = [];
  for (const [title, check] of Object.entries(checks))
    if (title.includes(only)) results.push(await run(title, check, book));
  await browser.close();
  const failed = results.filter(passed => !passed).length;
  console.log(`the book: ${results.length - failed} checks passed, ${failed} failed`);
  process.exitCode = failed || results.length === 0 ? 1 : 0;
}

main();
