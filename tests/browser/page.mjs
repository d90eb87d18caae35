// Opens the pages in a real browser, in light and dark, and looks: an accessibility check, no request to elsewhere, nothing
// that a page could not load, and Tab reaching every control. Ends with 1 and words where something is wrong.
import { createRequire } from 'node:module';
import path from 'node:path';
const require = createRequire(path.join(process.env.NODE_PATH, 'x.js'));
const load = async (name) => import(require.resolve(name));
const puppeteer = (await load('puppeteer-core')).default;
const axe = require.resolve('axe-core/axe.min.js');
const { BROWSER, SITE, TOKEN, PAGES, PICTURES } = process.env;

const wrong = [];
const browser = await puppeteer.launch({ executablePath: BROWSER, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(60000);
  // The browser's own date field draws its sign from a data URL: that goes nowhere.
  page.on('request', (request) => { if (!request.url().startsWith(SITE) && !request.url().startsWith('data:')) wrong.push(`a request to ${request.url()}`); });
  page.on('console', (message) => { if (message.type() === 'error') wrong.push(`on ${page.url()}: ${message.text()}`); });
  await page.setJavaScriptEnabled(false);

  const look = async (address, name) => {
    for (const scheme of ['light', 'dark']) {
      for (const width of [1280, 380]) {
        await page.setViewport({ width, height: 900 });
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        if (address) await page.goto(SITE + address, { waitUntil: 'load' });
        if (PICTURES) await page.screenshot({ path: path.join(PICTURES, `${name}-${scheme}-${width}.png`), fullPage: true });
        // The page works without scripts; the check is one, and is let in past the policy.
        await page.setJavaScriptEnabled(true);
        await page.setBypassCSP(true);
        if (address) await page.goto(SITE + address, { waitUntil: 'load' });
        await page.addScriptTag({ path: axe });
        const found = await page.evaluate(() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
        for (const rule of found.violations) {
          for (const node of rule.nodes) wrong.push(`${name}, ${scheme}, ${width}: ${rule.id}: ${rule.help}: ${node.html.slice(0, 200)} ${node.any.map((a) => a.message).join('; ')}`);
        }
        const across = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (across > 0) wrong.push(`${name}, ${width}: ${across} pixels too wide`);
        await page.setJavaScriptEnabled(false);
        await page.setBypassCSP(false);
      }
    }
    console.log(`${name}: looked at`);
  };

  await look('/login', 'login');
  await page.goto(`${SITE}/login`, { waitUntil: 'load' });
  await page.focus('#token');
  await page.keyboard.type(TOKEN);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  if (new URL(page.url()).pathname !== '/') wrong.push(`logged in, and at ${page.url()}`);

  for (const address of PAGES.split(' ')) {
    const name = address === '/' ? 'today' : address.slice(1).replaceAll('/', '-');
    await look(address, name);
    await page.setViewport({ width: 1280, height: 900 });
    await page.setJavaScriptEnabled(true);
    await page.goto(SITE + address, { waitUntil: 'load' });
    const all = await page.evaluate(() => {
      const shown = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, [tabindex="0"]')];
      // Radio buttons of a name are one stop; the others are reached by the arrows.
      const seen = new Set();
      return shown.filter((e) => e.type !== 'radio' || !seen.has(e.form.action + e.name) && seen.add(e.form.action + e.name))
        .map((e, n) => { e.dataset.stop = n; return n; }).length;
    });
    const met = new Set();
    let unseen = 0;
    for (let n = 0; n < all * 4 + 20 && met.size < all; n += 1) {
      await page.keyboard.press('Tab');
      const [stop, outlined] = await page.evaluate(() => {
        const e = document.activeElement;
        return [e?.dataset?.stop, e && getComputedStyle(e).outlineStyle !== 'none'];
      });
      if (stop !== undefined) { met.add(stop); if (!outlined) unseen += 1; }
    }
    if (met.size < all) wrong.push(`${name}: Tab reaches ${met.size} of ${all} controls`);
    if (unseen > 0) wrong.push(`${name}: ${unseen} stops without an outline`);
    console.log(`${name}: Tab reaches ${met.size} of ${all} controls`);
    await page.setJavaScriptEnabled(false);
  }
} finally {
  await browser.close();
}
if (wrong.length > 0) {
  console.error([...new Set(wrong)].join('\n'));
  process.exit(1);
}
