// text.js — is the book's text the lessons' text, word for word?
//
// Read independently of pandoc, which makes the book: of lessons.md the marks of Markdown are taken
// away, of a page what carries data-added, and of both is left the sequence of words (letters and
// digits). The page is read without scripts, as it is shown, all answers unfolded: so nothing is lost
// without them, and nothing that is only there but hidden counts.
'use strict';
const fs = require('node:fs');

const words = text => text.replace(/[`*]/g, '').match(/[\p{L}\p{N}]+/gu) || [];

function words_of_markdown(text) {
  const parts = text.split(/^```(?:.*\n)([^]*?)^```$/m); // every other one is code
  return parts.flatMap((part, i) => words(i % 2 ? part : part
      .replace(/<!--[^]*?-->/g, '')
      .replace(/^ *\d+\. /gm, '')
      .replace(/`[^`]*`|\]\([^)\s]*\)|<\/?(?:details|summary|a)\b[^>]*>/g,
               match => match.startsWith('`') ? match : '')));
}

// What of lessons.md each page holds: { 'lesson-3.html': text }.
function parts_of_lessons() {
  const parts = {};
  for (const part of fs.readFileSync('lessons.md', 'utf8').split(/^(?=## )/m)) {
    const number = part.match(/^## (\d+)\. /);
    parts[number ? `lesson-${number[1]}.html` : part.startsWith('## ') ? 'exercises.html' : 'index.html'] = part;
  }
  return parts;
}

const words_of_page = async page => words(await page.evaluate(() => {
  for (const details of document.querySelectorAll('details')) details.open = true;
  for (const added of document.querySelectorAll('main [data-added]')) added.remove();
  for (const picture of document.querySelectorAll('main :is(img, object)'))
    picture.replaceWith(picture.alt || picture.ariaLabel);
  return document.querySelector('main').innerText;
}));

function compare(name, expected, found, say) {
  const end = Math.max(expected.length, found.length);
  let i = 0;
  while (i < end && expected[i] === found[i]) ++i;
  if (i === end) return;
  const some = list => list.slice(i, i + 8).join(' ') || '(the end)';
  say(`I read ${name} without scripts, up to “${expected.slice(Math.max(0, i - 8), i).join(' ')}”.`,
      `“${some(expected)}”, as lessons.md goes on`, `“${some(found)}”`);
}

module.exports = {
  'the text of every lesson is the text of lessons.md': async (book, say) => {
    let count = 0;
    const page = await book.open('index.html', {javaScriptEnabled: false});
    for (const [name, text] of Object.entries(parts_of_lessons())) {
      if (!book.pages.includes(name)) {
        say('I opened the book.', `a page ${name}`, 'there is none');
        continue;
      }
      await page.goto(book.url(name));
      const expected = words_of_markdown(text);
      compare(name, expected, await words_of_page(page), say);
      count += expected.length;
    }
    return `${count} words, scripts off`;
  },
  'print.html has every word, in its own order': async (book, say) => {
    const page = await book.open('print.html', {javaScriptEnabled: false});
    const lessons = Object.values(parts_of_lessons()).slice(1).join('\n');
    const expected = words_of_markdown(lessons.replace(/<summary>.*?<\/summary>/g, '')).sort();
    compare('print.html (its words in alphabetical order)', expected, (await words_of_page(page)).sort(), say);
  },
};
