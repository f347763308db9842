// text.js — is the book's text the lessons' text, word for word?
//
// Read without pandoc, which makes the book: from lessons.md the marks of Markdown are taken away, from a
// page what carries data-added, and of both is left the sequence of words, letters and digits alone. The
// page is read without scripts, unfolded, as it is shown: what is there but hidden does not count.
'use strict';
const fs = require('node:fs');

const words_of = (text) => text.replace(/[`*]/g, '').match(/[\p{L}\p{N}]+/gu) || [];

function words_of_markdown(text) {
  return text.split(/^```.*\n([^]*?)^```$/m).flatMap((part, i) => words_of(i % 2 ? part : part  // every other one is code
    .replace(/<!--[^]*?-->/g, '').replace(/^ *\d+\. /gm, '')
    .replace(/`[^`]*`|\]\([^)\s]*\)|<\/?(?:details|summary|a)\b[^>]*>/g, (mark) => (mark.startsWith('`') ? mark : ''))));
}

async function words_of_page(page) {
  return words_of(await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
    for (const added of document.querySelectorAll('main [data-added]')) added.remove();
    for (const picture of document.querySelectorAll('main :is(img, object)')) picture.replaceWith(picture.alt || picture.ariaLabel);
    return document.querySelector('main').innerText;
  }));
}

const parts = fs.readFileSync('lessons.md', 'utf8').split(/^(?=## )/m);
const page_of = (part) => `${part.match(/^## \d/) ? `lesson-${parseInt(part.slice(3))}` : part.startsWith('## ') ? 'exercises' : 'index'}.html`;

function compare(name, expected, found, say) {
  let i = 0;
  while (i < expected.length && expected[i] === found[i]) ++i;
  if (i === expected.length && i === found.length) return;
  say(`I read ${name} without scripts, up to “${expected.slice(Math.max(0, i - 8), i).join(' ')}”.`,
    `“${expected.slice(i, i + 8).join(' ')}”, as lessons.md goes on`, `“${found.slice(i, i + 8).join(' ')}”`);
}

module.exports = {
  'the text of every lesson is the text of lessons.md': async (book, say) => {
    const page = await book.open('index.html', { javaScriptEnabled: false });
    for (const part of parts) {
      const name = page_of(part);
      if (!book.pages.includes(name)) { say('I opened the book.', `a page ${name}`, 'there is none'); continue; }
      await page.goto(book.url(name));
      compare(name, words_of_markdown(part), await words_of_page(page), say);
    }
    return `${words_of_markdown(parts.join('\n')).length} words, scripts off`;
  },

  'print.html has every word, in its own order': async (book, say) => {
    const page = await book.open('print.html', { javaScriptEnabled: false });
    const lessons = parts.slice(1).join('\n').replace(/<summary>.*?<\/summary>/g, '');
    compare('print.html (its words sorted)', words_of_markdown(lessons).sort(), (await words_of_page(page)).sort(), say);
  },
};
