// Drives the web page in Chromium as people do, and complains of everything that a browser would keep to itself: what scripts throw,
// what the policy of the page forbids, what is asked of other hosts, barriers that axe finds.
//
//     node page.mjs TOOLS SCENARIO URL TOKEN SHOTS
//
// TOOLS has node_modules, SHOTS is where pictures go. What only the lab can do (end the agent, start it) is asked for on standard output,
// one word a line; the answer is a line on standard input. The exit code is 0 if everything was as it should be.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as scenarios from './scenarios.mjs';

const [tools, scenario, url, token, shots] = process.argv.slice(2);
const require = createRequire(join(tools, 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const complaints = [];
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Asks the lab for something, and waits until it was done.
async function ask(word) {
  process.stdout.write(`${word}\n`);
  const { value } = await answers.next();
  if (value !== 'done') throw new Error(`the lab did not ${word}: ${value}`);
}

// A window in which nothing goes wrong unseen. `expects` names errors of the console that belong to the scenario.
async function open(browser, { scheme = 'light', width = 1360, height = 900, script = true, expects = /^$/ } = {}) {
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport: { width, height },
    javaScriptEnabled: script,
    reducedMotion: 'reduce',
  });
  // The browser's own word for what the policy forbids, also where it reaches no console.
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !expects.test(message.text())) complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.origin !== new URL(url).origin) complaints.push(`a request to ${asked.origin}`);
  });
  return page;
}

// Barriers that axe finds.
async function look(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  for (const { id, help, nodes } of violations) {
    complaints.push(`axe, ${name}: ${id} (${help}): ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`);
  }
}

const shot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });

function check(right, what) {
  if (!right) complaints.push(what);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  // As root Chromium has no sandbox; it sees nothing but the lab.
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
});
try {
  await scenarios[scenario]({ browser, url, token, ask, open, look, shot, check });
} catch (error) {
  complaints.push(`${scenario}: ${error.stack}`);
} finally {
  await browser.close();
}
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
process.exit(complaints.length > 0 ? 1 : 0);
