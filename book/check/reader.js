// reader.js — what a reader does: guesses, answers, climbs, searches, goes on by keyboard.
'use strict';
const {execFileSync} = require('node:child_process');

const read_questions = page => page.locator('form.quiz').evaluateAll(forms => forms.map(form => ({
  id: form.dataset.question, kind: form.dataset.kind, right: form.dataset.right,
  names: [...form.querySelectorAll('input[type=radio]')].map(input => input.value),
})));

// Puts the steps into this order with nothing but the keys: the first wrong one goes up, by its button.
async function order_by_keyboard(form, wanted) {
  const steps = () => form.locator('.steps > li').evaluateAll(all => all.map(step => step.querySelector('button').ariaLabel[0]));
  for (let place = 0; place < wanted.length; ++place)
    for (let at = (await steps()).indexOf(wanted[place]); at > place; --at) {
      await form.getByRole('button', {name: `${wanted[place]} earlier`}).focus();
      await form.page().keyboard.press('Enter');
    }
  return steps();
}

async function answer(page, {id, kind}, given) {
  const form = page.locator(`form.quiz[data-question="${id}"]`);
  if (kind === 'order') await order_by_keyboard(form, given.split(' '));
  else if (given) await form.locator(`input[value="${given}"]`).check();
  await form.getByRole('button', {name: 'Check'}).press('Enter');
  return {verdict: (await form.locator('.verdict').textContent()).trim(), score: await page.locator('.score').textContent(),
          is_right: await form.locator('.verdict.right').count() === 1, why: await form.locator('.why').allTextContents()};
}

// Half: a choice not made, and an order with its first two steps the wrong way round.
function other({kind, right, names}) {
  if (kind !== 'order') return {half: '', wrong: names.find(name => name !== right)};
  const steps = right.split(' ');
  return {half: [steps[1], steps[0], ...steps.slice(2)].join(' '), wrong: [...steps].reverse().join(' ')};
}

const focus_on = page => page.evaluate(() => document.activeElement.blur());

module.exports = {
  'each question answered half, wrong and right': async (book, say) => {
    let count = 0;
    const key = [];
    for (const name of book.lessons) {
      const page = await book.open(name);
      const questions = await read_questions(page);
      for (const [i, question] of questions.entries()) {
        const {id, right} = question;
        const {half, wrong} = other(question);
        for (const given of [half, wrong, right]) {
          const {verdict, score, is_right, why} = await answer(page, question, given);
          const count_right = given === right ? i + 1 : i;
          if (is_right !== (given === right) || !verdict || (question.kind !== 'order' && given && why.join('').length < 10) ||
              !score.startsWith(`${count_right} of ${questions.length} right`))
            say(`I answered ${id} with “${given || 'nothing'}”.`, `${given === right ? 'right' : 'not right'}, a reason, ` +
                `and ${count_right} of ${questions.length}`, `“${verdict}” “${why}” and “${score}”`);
          const rereads = await page.locator(`.reread a`).count();
          if (rereads !== (given && given !== right ? 1 : 0))
            say(`I answered ${id} with “${given}”.`, 'what to read again, of wrong ones only', `${rereads} places`);
        }
        key.push(`${id} ${right}`);
      }
      count += questions.length;
      await page.reload();
      const kept = await page.locator('.score').textContent();
      if (!kept.startsWith(`${questions.length} of ${questions.length}`))
        say(`I answered all of ${name} and came again.`, 'all right, still', kept);
      await page.context().close();
    }
    // The terminal's quiz reads the lessons by itself: its key and the book's are one.
    const graded = execFileSync(process.env.QUIZ || 'build/quiz', ['-a', '-'], {input: key.join('\n'), encoding: 'utf8'});
    for (const line of graded.match(/^\d+\.\d+ +(?:wrong|missing)$/gm) || [])
      say('I gave the right answers of the book to make quiz.', 'all of them right', line);
    return `${count} questions`;
  },

  'a prediction covers its output until a guess is written, and is kept': async (book, say) => {
    let count = 0;
    for (const name of book.lessons) {
      const page = await book.open(name);
      const covered = () => page.locator('.covered').count();
      for (const predict of await page.locator('.predict[data-covers]').all()) {
        const output = page.locator('#' + await predict.getAttribute('data-covers'));
        const is_covered = () => output.evaluate(element => getComputedStyle(element.querySelector('.output')).visibility === 'hidden');
        if (!await is_covered()) say(`I came to prediction ${count + 1} in ${name}.`, 'its output covered', 'it is not');
        if (++count % 2) await predict.locator('textarea').fill(`guess ${count}`);
        await predict.getByRole('button', {name: 'Show me'}).click();
        if (await is_covered()) say(`I pressed “Show me” in ${name}.`, 'the output', 'it is still covered');
      }
      const guesses = await page.locator('p.guess:visible').allTextContents();
      await page.reload();
      const kept = await page.locator('p.guess:visible').allTextContents();
      if (kept.join() !== guesses.join() || await covered())
        say(`I guessed in ${name}, and came again.`, guesses.join(', '), `${kept.join(', ')}; ${await covered()} covered`);
      if (await page.locator('.predict[data-covers]').count() === 0) continue;
      await Promise.all([page.waitForEvent('load'), page.click('#forget')]);
      if (!await covered()) say(`I pressed “Forget” in ${name}.`, 'the outputs covered again', 'they are not');
      await page.context().close();
    }
    return `${count} predictions`;
  },

  'altitude hides what is above, and says how much': async (book, say) => {
    const levels = ['surface', 'middle', 'summit'];
    for (const name of book.lessons) {
      const page = await book.open(name);
      for (const [height, level] of levels.entries()) {
        await page.click(`button[data-altitude=${level}]`);
        const parts = await page.locator('.part[data-level]').evaluateAll(all => all.map(
            part => [part.dataset.level, part.getClientRects().length > 0]));
        const hidden = parts.filter(([of]) => levels.indexOf(of) > height).length;
        const said = await page.locator('.hidden-count').textContent();
        if (parts.some(([of, is_shown]) => is_shown !== levels.indexOf(of) <= height) || (parseInt(said) || 0) !== hidden)
          say(`I chose ${level} in ${name}.`, `${hidden} parts hidden, and said so`, `“${said}” of ${parts.join(' ')}`);
      }
      await page.context().close();
    }
  },

  'search and keys': async (book, say) => {
    const page = await book.open('lesson-3.html');
    const press = async (keys, expected, is) => {
      for (const one of keys) await page.keyboard.press(one);
      const came = await page.waitForFunction(is).then(() => true, () => false);
      if (!came) say(`I pressed ${keys.join(' ')} in ${book.name(page.url())}.`, expected, await page.locator('body').ariaSnapshot().then(all => all.slice(0, 300)));
    };
    await press(['j'], 'a piece that I have reached', () => document.activeElement.matches('.here'));
    await page.evaluate(() => { first = document.querySelector('.here'); });
    await press(['j'], 'the next piece', () => !document.querySelector('.here').isSameNode(first));
    await press(['k'], 'the piece before', () => document.querySelector('.here').isSameNode(first));
    await press(['a'], 'surface', () => document.querySelector('[data-altitude=surface]').ariaPressed === 'true');
    await press(['a', 'a'], 'summit', () => document.querySelector('[data-altitude=summit]').ariaPressed === 'true');
    await press(['?'], 'the list of keys', () => document.querySelector('#help').open);
    await press(['Escape'], 'no list', () => !document.querySelector('#help').open);
    await page.locator('textarea').first().press('n');
    await focus_on(page);
    await press(['n'], 'lesson 4', () => location.pathname.endsWith('lesson-4.html') && document.readyState === 'complete');
    await press(['p'], 'lesson 3', () => location.pathname.endsWith('lesson-3.html') && document.readyState === 'complete');
    for (const [words, where] of [['linger shutdown', 'lesson-'], ['take_turn', 'source/'], ['EPOLLEXCLUSIVE', '.html']]) {
      await press(['/'], 'the search', () => document.querySelector('#search').open);
      await page.locator('#query').fill(words);
      const here = page.url();
      await page.locator(`.results a[href*="${where}"]`).first().click()
          .catch(() => say(`I looked for “${words}”.`, `a place in ${where}`, 'none'));
      await page.waitForURL(url => url.href !== here);
      const text = (await page.locator('main').textContent()).toLowerCase();
      if (!words.toLowerCase().split(' ').every(word => text.includes(word)))
        say(`I looked for “${words}” and took the first.`, 'a page with these words', book.name(page.url()));
    }
    await press(['/'], 'the search', () => document.querySelector('#search').open);
    await page.locator('#query').fill('xyzzy plugh');
    const none = await page.locator('.found').textContent();
    if (!none.startsWith('0 ')) say('I looked for “xyzzy plugh”.', '0 found', none);
  },
};
