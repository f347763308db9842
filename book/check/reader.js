// reader.js — what a reader does: answers, guesses, climbs, searches, goes on by keyboard.
'use strict';
const { execFileSync } = require('node:child_process');

// Puts the steps into this order with nothing but the keys: each in its turn goes up, by its button.
async function put_in_order(form, wanted) {
  const steps = () => form.locator('.steps > li').evaluateAll((all) => all.map((step) => step.querySelector('button').ariaLabel[0]));
  for (const [place, step] of wanted.entries())
    for (let at = (await steps()).indexOf(step); at > place; --at)
      await form.getByRole('button', { name: `${step} earlier` }).press('Enter');
}

async function answer(page, { id, kind }, given) {
  const form = page.locator(`form.quiz[data-question="${id}"]`);
  if (kind === 'order') await put_in_order(form, given.split(' '));
  else if (given) await form.locator(`input[value="${given}"]`).check();
  await form.getByRole('button', { name: 'Check' }).press('Enter');
  return { said: (await form.locator('.verdict').textContent()).replace(/\s+/g, ' ').trim(),
    is_right: await form.locator('.verdict.right').count() === 1, score: await page.locator('.score').textContent(),
    rereads: await page.locator('.reread a').count() };
}

// Half: a choice not made; of an order, the first two steps the wrong way round.
function not_right({ kind, right, names }) {
  const steps = right.split(' ');
  return kind === 'order' ? [[steps[1], steps[0], ...steps.slice(2)].join(' '), [...steps].reverse().join(' ')]
    : ['', names.find((name) => name !== right)];
}

async function ask(page, question, before, all, say) {
  for (const given of [...not_right(question), question.right]) {
    const { said, is_right, score, rereads } = await answer(page, question, given);
    const wanted = given === question.right;
    const contradicts = wanted ? /\bNo[.:]/.test(said) : /\bRight\./.test(said);
    const total = `${before + (wanted ? 1 : 0)} of ${all} right`;
    if (is_right !== wanted || contradicts || said.length < (given ? 20 : 5) || !score.startsWith(total) || rereads !== (given && !wanted ? 1 : 0))
      say(`I answered ${question.id} with “${given || 'nothing'}”.`,
        `${wanted ? 'right' : 'not right, and what to read again'}, a reason, ${total}`, `“${said}” “${score}”`);
  }
}

module.exports = {
  'each question answered half, wrong and right': async (book, say) => {
    const key = [];
    for (const name of book.lessons) {
      const page = await book.open(name);
      const questions = await page.locator('form.quiz').evaluateAll((forms) => forms.map((form) => ({
        id: form.dataset.question, kind: form.dataset.kind, right: form.dataset.right,
        names: [...form.querySelectorAll('input[type=radio]')].map((input) => input.value) })));
      for (const [i, question] of questions.entries()) await ask(page, question, i, questions.length, say);
      key.push(...questions.map(({ id, right }) => `${id} ${right}`));
      await page.reload();
      const kept = await page.locator('.score').textContent();
      if (!kept.startsWith(`${questions.length} of`)) say(`I answered all of ${name} and came again.`, 'all right, still', kept);
      await page.context().close();
    }
    // The terminal's quiz reads the lessons by itself: its key and the book's are one.
    const graded = execFileSync(process.env.QUIZ || 'build/quiz', ['-a', '-'], { input: key.join('\n'), encoding: 'utf8' });
    for (const line of graded.match(/^\d+\.\d+ +(?:wrong|missing)$/gm) || []) say('I gave the book’s right answers to the quiz.', 'all right', line);
    return `${key.length} questions`;
  },

  'a prediction covers its output until a guess is written, and is kept': async (book, say) => {
    let count = 0;
    for (const name of book.lessons) {
      const page = await book.open(name);
      const covered = () => page.locator('.covered').evaluateAll((all) => all.filter(
        (one) => getComputedStyle(one.querySelector('.output')).visibility === 'hidden').length);
      const guesses = async () => (await page.locator('p.guess:visible').allTextContents()).join();
      const before = await covered();
      const ids = await page.locator('.predict').evaluateAll((all) => all.map((one) => one.dataset.guess).filter((id) => document.getElementById(id)));
      if (before !== ids.length || before === 0) say(`I came to ${name}.`, `the output of ${ids.length} predictions covered`, `of ${before}`);
      for (const [i, id] of ids.entries()) {
        const predict = page.locator(`.predict[data-guess="${id}"]`);
        const written = i % 2 ? '' : `my guess, ${++count}`;
        await predict.locator('textarea').fill(written);
        if (written) await predict.locator('textarea').blur();
        else await predict.getByRole('button', { name: 'Show me' }).click();
        if (await covered() !== before - i - 1 || !(await guesses()).includes(written))
          say(`I ${written ? 'wrote a guess' : 'pressed “Show me”'} in ${name}.`, `the output, beside it “${written}”`, `“${await guesses()}”, ${await covered()} covered`);
      }
      const kept = await guesses();
      await page.reload();
      if (await guesses() !== kept || await covered()) say(`I guessed in ${name}, and came again.`, kept, `“${await guesses()}”, ${await covered()} covered`);
      await Promise.all([page.waitForEvent('load'), page.click('#forget')]);
      if (await covered() !== before) say(`I pressed “Forget” in ${name}.`, 'the outputs covered again', `${await covered()} covered`);
      await page.context().close();
    }
    return `${count} guesses`;
  },

  'altitude hides what is above, and says how much': async (book, say) => {
    const levels = ['surface', 'middle', 'summit'];
    const page = await book.open(book.lessons[0]);
    for (const name of book.lessons) {
      await page.goto(book.url(name));
      for (const [height, level] of levels.entries()) {
        await page.click(`button[data-altitude=${level}]`);
        const parts = await page.locator('.part[data-level]').evaluateAll((all) => all.map((part) => [part.dataset.level, part.checkVisibility()]));
        const hidden = parts.filter(([of]) => levels.indexOf(of) > height).length;
        const said = await page.locator('.hidden-count').textContent();
        if (parts.some(([of, is_shown]) => is_shown !== levels.indexOf(of) <= height) || (parseInt(said) || 0) !== hidden)
          say(`I chose ${level} in ${name}.`, `${hidden} parts hidden, and said so`, `“${said}” ${parts.join(' ')}`);
      }
    }
  },

  'search and keys': async (book, say) => {
    const page = await book.open('lesson-3.html');
    async function press(keys, expected, is, value) {
      for (const one of keys.split(' ')) await page.keyboard.press(one);
      const came = await page.waitForFunction(is, value).catch(() => null);
      if (!came) say(`I pressed ${keys} in ${book.name(page.url())}.`, expected, 'it does not come');
    }
    const chosen = (level) => document.querySelector(`[data-altitude=${level}]`).ariaPressed === 'true';
    const is_open = (dialog) => document.querySelector(dialog).open;
    const is_at = (name) => location.pathname.endsWith(name) && document.readyState === 'complete';
    await press('j', 'a piece that I have reached', () => document.activeElement.matches('.here'));
    const first = await page.locator('.here').elementHandle();
    await press('j', 'the next piece', (one) => !one.matches('.here') && document.querySelector('.here'), first);
    await press('k', 'the piece before', (one) => one.matches('.here'), first);
    await press('a', 'surface', chosen, 'surface');
    await press('a a', 'summit', chosen, 'summit');
    await press('?', 'the list of keys', is_open, '#help');
    await press('Escape', 'no list', () => !document.querySelector('#help').open);
    await page.locator('textarea').first().press('n');  // a letter there, and no key
    await page.locator('textarea').first().blur();
    await press('n', 'lesson 4', is_at, 'lesson-4.html');
    await press('p', 'lesson 3', is_at, 'lesson-3.html');
    for (const [words, where] of [['linger shutdown', 'lesson-'], ['take_turn', 'source/'], ['EPOLLEXCLUSIVE', '.html']]) {
      const here = page.url();
      await press('/', 'the search', is_open, '#search');
      await page.locator('#query').fill(words);
      await page.locator(`.results a[href*="${where}"]`).first().click();
      await page.waitForURL((url) => url.href !== here);
      const text = (await page.locator('main').textContent()).toLowerCase();
      if (!words.toLowerCase().split(' ').every((word) => text.includes(word)))
        say(`I looked for “${words}” and took the first.`, 'a page with these words', book.name(page.url()));
    }
    await press('/', 'the search', is_open, '#search');
    await page.locator('#query').fill('xyzzy plugh');
    const none = await page.locator('.found').textContent();
    if (!none.startsWith('0 ')) say('I looked for “xyzzy plugh”.', '0 found', none);
  },
};
