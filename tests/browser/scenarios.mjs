// What is done on the page, one function each. The lab floods 198.51.100.10 meanwhile.

const VICTIM = '198.51.100.10';
const PAGES = {
  overview: '/',
  address: `/address/${VICTIM}`,
  attacks: '/attacks',
  attack: '/attacks/1',
  sources: '/sources',
  lists: '/lists',
  login: '/login',
};
const live = (page) => page.waitForSelector('body[data-state="live"]');

// Every page by day, by night and on a phone: no barrier, no error, nothing from elsewhere.
export async function looks({ browser, url, ask, open, look, shot, check }) {
  for (const [scheme, width] of [['light', 1360], ['dark', 1360], ['light', 390], ['dark', 390]]) {
    await ask('flood');
    const page = await open(browser, { scheme, width, height: width < 500 ? 844 : 900 });
    for (const [name, path] of Object.entries(PAGES)) {
      const response = await page.goto(url + path);
      check(response.status() === 200, `${path}: status ${response.status()}`);
      if (name !== 'login') await live(page);
      await look(page, `${name}, ${scheme}, ${width}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(wide <= 0, `${name} is ${wide} pixels wider than a window of ${width}`);
      if (name !== 'login') {
        const alarm = await page.locator('.alarm').first().textContent();
        for (const part of [VICTIM, 'Since', 'SYN flood', 'Safe to put back']) {
          check(alarm.includes(part), `the alarm on ${name} does not say ${part}: ${alarm}`);
        }
      }
      await shot(page, `${name}-${scheme}-${width}`);
    }
    await page.context().close();
  }
}

// Without a script everything is there, and says that it stands still.
export async function withoutScript({ browser, url, open, shot, check }) {
  const page = await open(browser, { script: false });
  await page.goto(url);
  check((await page.locator('.alarm').count()) === 1, 'there is no alarm');
  check((await page.locator('noscript').textContent()).includes('does not change by itself'), 'it does not say that it stands still');
  await page.fill('#filter', VICTIM);
  await page.click('.filter button');
  check((await page.locator('tbody tr[data-key]').count()) >= 1, 'the filter shows nothing');
  await page.click('th a[href*="sort=syn"]');
  check(page.url().includes('sort=syn') && page.url().includes('filter='), `sorting lost the filter: ${page.url()}`);
  await shot(page, 'overview-without-script');
}

// Numbers change by themselves, and take neither focus nor selection nor place from who reads.
export async function isLive({ browser, url, open, check }) {
  const page = await open(browser, { height: 500 });
  await page.goto(`${url}/?sort=syn`);
  await live(page);
  const link = page.locator(`tr[data-key="${VICTIM}"] th a.address`);
  await link.focus();
  await page.evaluate(() => window.scrollTo(0, 200));
  const curve = page.locator(`tr[data-key="${VICTIM}"] .curve`);
  const before = { scroll: await page.evaluate(() => window.scrollY), curve: await curve.innerHTML() };
  await page.waitForFunction((then) => document.querySelector('tr.attacked .curve').innerHTML !== then, before.curve);
  await page.waitForTimeout(2500);
  check(await link.evaluate((element) => element === document.activeElement), 'an update took the focus');
  check((await page.evaluate(() => window.scrollY)) === before.scroll, 'an update moved the page');
  check((await page.locator('#said').textContent()) === '', 'the screen reader was told of an update');
  await page.evaluate(() => document.getSelection().selectAllChildren(document.querySelector('.figures')));
  const selected = await page.evaluate(() => document.getSelection().toString());
  await page.waitForTimeout(2500);
  check((await page.evaluate(() => document.getSelection().toString())) === selected, 'an update took the selection');
  check((await page.locator('#link').textContent()).includes('selected'), 'it does not say that it waits');
  await page.evaluate(() => document.getSelection().removeAllRanges());
  await live(page);
  await page.click('#pause');
  const stands = await page.locator('[data-part="clock"]').textContent();
  await page.waitForTimeout(2500);
  check((await page.locator('[data-part="clock"]').textContent()) === stands, 'a paused page goes on');
  await page.click('#pause');
  await page.waitForFunction((then) => document.querySelector('[data-part="clock"]').textContent !== then, stands);
}

// The agent is killed and comes back: the page says so, and finds it again by itself.
export async function outlivesTheAgent({ browser, url, ask, open, look, shot, check }) {
  const page = await open(browser, { expects: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ });
  await page.goto(url);
  await live(page);
  await ask('kill');
  await page.waitForSelector('#stale:not([hidden])');
  const text = await page.locator('#stale').textContent();
  check(/not answering, since \d\d:\d\d:\d\d.*old/.test(text), `it does not say since when: ${text}`);
  check((await page.locator('#said').textContent()).includes('not answering'), 'the screen reader is not told');
  check((await page.locator('tbody tr[data-key]').count()) > 0, 'what was known is gone');
  await look(page, 'overview without the agent');
  await shot(page, 'overview-agent-gone');
  await page.evaluate(() => {
    const said = document.getElementById('said');
    window.heard = [];
    new MutationObserver(() => window.heard.push(said.textContent)).observe(said, { childList: true });
  });
  await ask('start');
  await live(page);
  await page.waitForSelector('#stale', { state: 'hidden' });
  const heard = await page.evaluate(() => window.heard);
  check(heard.some((text) => text.includes('answers again')), `the screen reader is not told that it is back: ${heard}`);
  const clock = await page.locator('[data-part="clock"]').textContent();
  await page.waitForFunction((then) => document.querySelector('[data-part="clock"]').textContent !== then, clock);
}

// With the keyboard alone: in, to the address, to a rung, through the confirmation, back.
export async function actsByKeyboard({ browser, url, token, ask, open, look, shot, check }) {
  const page = await open(browser, { expects: /status of 401/ });
  // Goes on with Tab until an element has the focus, as who has no mouse.
  const reach = async (selector) => {
    for (let presses = 0; presses < 120; presses += 1) {
      if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) {
        check(await page.evaluate(() => document.activeElement.matches(':focus-visible')), `${selector} does not show that it has the focus`);
        return;
      }
      await page.keyboard.press('Tab');
    }
    throw new Error(`the keyboard does not reach ${selector}`);
  };
  const enter = (what) => Promise.all([page.waitForURL(what), page.keyboard.press('Enter')]);
  await page.goto(url);
  await page.keyboard.press('Tab');
  check(await page.evaluate(() => document.activeElement.matches('.skip')), 'the first stop is not the way to the content');
  await page.keyboard.press('Enter');
  await reach(`tr[data-key="${VICTIM}"] th a.address`);
  await enter(`**/address/${VICTIM}`);
  await reach('.actions a');
  await enter('**/login**');
  await look(page, 'log in');
  await reach('#token');
  await page.keyboard.type('this is not the token');
  const wrong = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.keyboard.press('Enter');
  check((await wrong).status() === 401, 'a wrong token is taken');
  await page.waitForSelector('#wrong');
  await look(page, 'a wrong token');
  await shot(page, 'login-wrong');
  await reach('#token');
  await page.keyboard.type(token);
  await enter(`**/address/${VICTIM}`);
  check(!page.url().includes(token) && !(await page.content()).includes(token), 'the token is on the page');
  await look(page, 'an address, logged in');
  await shot(page, 'address-acting');
  await reach('#to-rung');
  await page.keyboard.type('known');
  await reach('#ttl-rung');
  await page.keyboard.type('10m');
  await reach('#reason-rung');
  await page.keyboard.type('by keyboard <b>&\u202e');
  await enter('**/confirm');
  await look(page, 'the confirmation');
  await shot(page, 'confirm');
  check((await page.locator('h1').textContent()).includes(`rung ${VICTIM} known`), 'it does not say what will be done');
  check((await page.locator('.confirm').textContent()).includes('Open connections'), 'it does not say whom it reaches');
  await ask('not-yet');
  await reach('form[action="/act"] button');
  await enter(`**/address/${VICTIM}`);
  check((await page.locator('.done').textContent()).includes('known'), 'it does not say that it was done');
  await shot(page, 'address-done');
  await ask('known');
  await live(page);
  const standing = await page.locator('[data-part="rung"]').textContent();
  for (const part of ['known', 'page peer=127.0.0.1', 'by keyboard <b>&⟨U+202E⟩']) check(standing.includes(part), `where it stands does not say ${part}: ${standing}`);
  await page.goto(`${url}/lists`);
  await look(page, 'lists, logged in');
  await shot(page, 'lists-acting');
  await reach('form[action="/logout"] button');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=Log in');
  await page.goto(`${url}/lists`);
  check((await page.locator('form[method="post"]').count()) === 0, 'who has logged out can still act');
}
