/** The link pages in a real browser. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Action } from '../../src/http/links/model.ts';
import { carryOutPayments } from '../../src/payments/work.ts';
import {
  ask,
  createLinkWorld,
  type LinkServer,
  type LinkWorld,
  type Scene,
  serveLinks,
  setScene,
  tableHashes,
  usedToken,
} from '../http/linkSupport.ts';
import { launchBrowser } from '../support/browser.ts';
import * as factory from '../support/factories.ts';
import { type StripeServer, startStripe } from '../support/stripe.ts';

/** Set LINK_PICTURES to a directory to keep the pictures and look at them. */
const keptIn = process.env.LINK_PICTURES;
const DWELL_MS = 400;

let links: LinkWorld;
let server: LinkServer;
let stripe: StripeServer;
let browser: Browser;

beforeAll(async () => {
  links = await createLinkWorld();
  stripe = await startStripe();
  const pool = links.database.pool('worker');
  server = await serveLinks(links.database, { minDwellMs: DWELL_MS }, () => {
    void carryOutPayments({ pool, stripe: stripe.stripe, publicUrl: server.url });
  });
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await stripe?.stop();
  await links?.drop();
});

type Options = Parameters<Browser['newContext']>[0];

/** Opens a link on a phone; whatever the page complains about fails the test. */
async function open(
  token: string,
  use: (page: Page, context: BrowserContext) => Promise<void>,
  options: Options = {},
  before: (page: Page) => Promise<void> = async () => undefined,
): Promise<void> {
  const context = await browser.newContext({
    viewport: { width: 360, height: 740 },
    hasTouch: true,
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused/.test(message.text())) complaints.push(message.text());
  });
  try {
    await before(page);
    await page.goto(`${server.url}/l/${token}`);
    await use(page, context);
    expect(complaints).toEqual([]);
  } finally {
    await context.close();
  }
}

const ACTIONS: Action[] = [
  'confirm',
  'cancel',
  'claim',
  'decline',
  'leave',
  'approve',
  'reject',
  'confirm_delivery',
  'pay',
  'unsubscribe',
  'verify',
  'reset',
  'magic',
];

const heading = (page: Page) => page.locator('h1').innerText();
const confirmedHow = (scene: Scene) =>
  links.change(
    async (db) => (await factory.booking(db, scene.bookingId ?? '')).attendance_confirmed_how,
  );

describe('A person', () => {
  test('confirms by a click', async () => {
    const scene = await setScene(links, 'confirm');
    await open(scene.token, async (page) => {
      await page.waitForTimeout(DWELL_MS + 100);
      await page.getByRole('button', { name: 'Yes, I am coming' }).click();
      await page.waitForSelector('h1:text("Your booking is confirmed")');
    });
    expect(await confirmedHow(scene)).toBe('link');
    const { evidence } = await usedToken(links, scene.token);
    expect(evidence).toMatchObject({
      how: 'click',
      trusted: true,
      visible: true,
      pointer: 'mouse',
    });
    expect(evidence?.visibleMs).toBeGreaterThanOrEqual(DWELL_MS);
  });

  test('is led to the page to pay on by a click, with JavaScript and without', async () => {
    for (const javaScriptEnabled of [true, false]) {
      const scene = await setScene(links, 'pay');
      const use = async (page: Page) => {
        for (let left = javaScriptEnabled ? 1 : 2; left > 0; left -= 1) {
          await page.waitForTimeout(DWELL_MS + 100);
          await page.getByRole('button', { name: 'Pay now' }).click();
        }
        await page.waitForURL(/\/pay\/cs_test_/);
      };
      await open(scene.token, use, { javaScriptEnabled });
    }
  });

  test('confirms by a tap', async () => {
    const scene = await setScene(links, 'confirm');
    await open(scene.token, async (page) => {
      await page.waitForTimeout(DWELL_MS + 100);
      await page.getByRole('button').tap();
      await page.waitForSelector('h1:text("Your booking is confirmed")');
    });
    expect((await usedToken(links, scene.token)).evidence).toMatchObject({ pointer: 'touch' });
  });

  test('confirms with the keyboard alone', async () => {
    const scene = await setScene(links, 'confirm');
    await open(scene.token, async (page) => {
      await page.waitForTimeout(DWELL_MS + 100);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await page.waitForSelector('h1:text("Your booking is confirmed")');
    });
    expect((await usedToken(links, scene.token)).evidence).toMatchObject({ pointer: 'keyboard' });
  });

  test('who is very quick presses once more', async () => {
    const scene = await setScene(links, 'confirm');
    // The page's clock stands still, so that the first press is a quick one on every machine.
    const stopClock = async ({ clock }: Page) => {
      await clock.install({ time: 0 });
      await clock.pauseAt(1_000);
    };
    await open(
      scene.token,
      async (page) => {
        await page.getByRole('button').click();
        expect(await heading(page)).toBe('Are you coming?');
        expect(await confirmedHow(scene)).toBeNull();
        await page.clock.runFor(DWELL_MS + 100);
        await page.waitForTimeout(DWELL_MS + 100);
        await page.getByRole('button').click();
        await page.waitForSelector('h1:text("Your booking is confirmed")');
      },
      {},
      stopClock,
    );
  });

  test('without JavaScript picks the start of the booking', async () => {
    const scene = await setScene(links, 'confirm');
    await open(
      scene.token,
      async (page) => {
        await page.waitForTimeout(DWELL_MS + 100);
        await page.getByRole('button').click();
        expect(await heading(page)).toBe('One more question');
        await picture(page, 'pick');
        await page.waitForTimeout(DWELL_MS + 100);
        await page.getByLabel(/6 June 2030 at 18:00/).check();
        await page.getByRole('button').click();
        expect(await heading(page)).toBe('Your booking is confirmed');
      },
      { javaScriptEnabled: false },
    );
    expect(await confirmedHow(scene)).toBe('link');
  });

  test('is led on to the front end with the sign-in link', async () => {
    const scene = await setScene(links, 'magic', {
      organization: { front_end_url: 'https://book.example/app' },
    });
    await open(scene.token, async (page, context) => {
      await context.route('https://book.example/**', (route) =>
        route.fulfill({ body: 'front end' }),
      );
      await page.waitForTimeout(DWELL_MS + 100);
      await page.getByRole('button').click();
      await page.waitForURL('https://book.example/**');
      expect(page.url()).toBe(`https://book.example/app#action=magic&token=${scene.token}`);
    });
  });
});

describe('A program', () => {
  const press = "document.querySelector('button')";
  test.each([
    ['element.click()', `${press}.click()`],
    [
      'a dispatched event',
      `${press}.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))`,
    ],
    ['form.requestSubmit()', "document.querySelector('form').requestSubmit()"],
    ['form.submit()', "HTMLFormElement.prototype.submit.call(document.querySelector('form'))"],
  ])('that uses %s confirms nothing', async (_name, script) => {
    const scene = await setScene(links, 'confirm');
    await open(scene.token, async (page) => {
      await page.waitForTimeout(DWELL_MS + 100);
      await page.evaluate(script);
      await page.waitForTimeout(300);
      expect(await heading(page)).not.toBe('Your booking is confirmed');
    });
    expect(await confirmedHow(scene)).toBeNull();
    expect((await usedToken(links, scene.token)).used_at).toBeNull();
  });
});

/** What scanners of mails do with a page, short of real input. */
const PROD = `(() => {
  for (const element of document.querySelectorAll('button, input, a, form, label, body')) {
    for (const type of ['mouseover', 'mousedown', 'pointerdown', 'touchstart', 'keydown', 'click']) {
      element.dispatchEvent(new Event(type, { bubbles: true, cancelable: true }));
    }
    element.click?.();
  }
  window.scrollTo(0, document.body.scrollHeight);
})()`;

const FETCHES: RequestInit[] = [
  {},
  { method: 'HEAD' },
  { headers: { purpose: 'prefetch', 'sec-purpose': 'prefetch;prerender' } },
  { method: 'HEAD', headers: { 'user-agent': 'Mozilla/5.0 (compatible; SafeLinks)' } },
];

describe('Fifty visits and more', () => {
  test('of every kind of link, a fifth of them by a browser that runs scripts, change no row', async () => {
    const scenes: Scene[] = [];
    for (const action of ACTIONS) scenes.push(await setScene(links, action));
    const unproven = scenes.find(({ action }) => action === 'verify')?.userId;
    await links.change((db) =>
      db.query('update app_public.users set email_verified_at = null where id = $1', [unproven]),
    );
    const before = await tableHashes(links);
    const statuses = await Promise.all(
      scenes.flatMap(({ token }) => FETCHES.map((init) => ask(server, token, init))),
    );
    expect(statuses.map(({ status }) => status)).toEqual(
      Array(scenes.length * FETCHES.length).fill(200),
    );
    await Promise.all(
      scenes.map(({ token }) =>
        open(token, async (page) => {
          const asked = await heading(page);
          await page.waitForTimeout(DWELL_MS + 100);
          await page.evaluate(PROD);
          await page.waitForLoadState('networkidle');
          // Whatever the page did by itself, the link still asks.
          expect((await ask(server, token)).heading).toBe(asked);
        }),
      ),
    );
    expect(await tableHashes(links)).toEqual(before);
  }, 120_000);

  test('would be noticed if one of them did something', async () => {
    const scene = await setScene(links, 'confirm');
    const before = await tableHashes(links);
    await open(scene.token, async (page) => {
      await page.waitForTimeout(DWELL_MS + 100);
      await page.getByRole('button').click();
      await page.waitForSelector('h1:text("Your booking is confirmed")');
    });
    expect(await tableHashes(links)).not.toEqual(before);
  });
});

const MEASURE = `(() => {
  const box = (element) => element.getBoundingClientRect();
  return {
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    heights: [...document.querySelectorAll('button, .next, .pick')].map((e) => box(e).height),
    lang: document.documentElement.lang,
    unlabelled: [...document.querySelectorAll('input:not([type=hidden]), textarea')]
      .filter((field) => field.labels.length === 0).length,
    headings: document.querySelectorAll('h1').length,
    main: document.querySelectorAll('main').length,
    font: parseFloat(getComputedStyle(document.body).fontSize),
  };
})()`;

/** The contrast of each text with what is behind it, by WCAG 2.2; 4.5 is the least for text. */
const CONTRAST = `(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
    .map((e) => {
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
      return { text: e.textContent.trim().slice(0, 40), contrast: (a + 0.05) / (b + 0.05) };
    })
    .filter(({ contrast }) => contrast < 4.5);
})()`;

async function picture(page: Page, name: string): Promise<void> {
  if (!keptIn) return;
  mkdirSync(keptIn, { recursive: true });
  writeFileSync(join(keptIn, `${name}.png`), await page.screenshot({ fullPage: true }));
}

async function expectWellMade(page: Page, lang: string): Promise<void> {
  const measured = await page.evaluate<{ heights: number[]; font: number }>(MEASURE);
  expect(measured).toMatchObject({ overflow: 0, lang, unlabelled: 0, headings: 1, main: 1 });
  for (const height of measured.heights) expect(height).toBeGreaterThanOrEqual(44);
  expect(measured.font).toBeGreaterThanOrEqual(16);
  expect(await page.evaluate(CONTRAST)).toEqual([]);
}

const LOOKS = ACTIONS.flatMap((action) => [
  { action, locale: 'en-GB', colorScheme: 'light' as const },
  { action, locale: 'de', colorScheme: 'dark' as const },
]);

describe.each(LOOKS)(
  'The page to $action ($locale, $colorScheme)',
  ({ action, locale, colorScheme }) => {
    test('fits a phone, has labels, a language, large buttons and enough contrast', async () => {
      const scene = await setScene(links, action, {
        locale,
        organization: {
          address: 'Riverside 1\n1010 Wien',
          support_phone: '+43 1 234 56 78',
          ...(action === 'reset' || action === 'magic' ? { front_end_url: null } : {}),
        },
      });
      await open(
        scene.token,
        async (page) => {
          await picture(page, `${action}.${locale}`);
          await expectWellMade(page, locale);
        },
        { colorScheme, viewport: { width: 320, height: 640 } },
      );
    });
  },
);

describe('The other pages', () => {
  test.each([
    ['too late', 'confirm', '18:30', 'This booking has already begun'],
    ['over', 'claim', '18:30', 'The time you waited for has come'],
  ] as const)('are as well made: %s', async (name, action, time, says) => {
    const scene = await setScene(links, action);
    await links.change((db) => db.setClock(factory.at(time, 3)));
    await open(scene.token, async (page) => {
      expect(await heading(page)).toBe(says);
      await picture(page, name.replace(' ', '-'));
      await expectWellMade(page, 'en-GB');
    });
  });

  test('are as well made: not valid', async () => {
    await open('AAAAAAAAAAAAAAAAAAAAAA', async (page) => {
      await picture(page, 'not-valid');
      await expectWellMade(page, 'en');
    });
  });

  test('are as well made with words that do not break', async () => {
    const long = 'Donaudampfschifffahrtsgesellschaftskapitaen'.repeat(3);
    const scene = await setScene(links, 'approve', {
      organization: {
        name: long,
        address: long,
        support_email: `${long.slice(0, 60)}@${long.slice(0, 60)}.org`,
      },
    });
    await links.change((db) =>
      db.query('update app_public.bookings set purpose = $2 where id = $1', [
        scene.bookingId,
        long,
      ]),
    );
    await open(scene.token, (page) => expectWellMade(page, 'en-GB'));
  });
});
