import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { LANGUAGES } from '../../src/mail/locale.ts';
import { KINDS, type MailModel } from '../../src/mail/model.ts';
import { renderMail } from '../../src/mail/render.ts';
import { SAMPLE_LOGO, SAMPLES } from '../../src/mail/samples.ts';
import { launchBrowser } from '../support/browser.ts';

/** Set MAIL_PICTURES to a directory to keep the pictures and look at them. */
const keptIn = process.env.MAIL_PICTURES;

let browser: Browser;
let page: Page;

beforeAll(async () => {
  browser = await launchBrowser();
  page = await browser.newPage();
  // A mail must look right with nothing fetched from anywhere but the logo.
  await page.route('**/*', (route) =>
    /logo\.png$/.test(route.request().url())
      ? route.fulfill({ path: fileURLToPath(SAMPLE_LOGO) })
      : route.abort(),
  );
});

afterAll(async () => {
  await browser?.close();
});

type Layout = {
  /** How far the page reaches beyond its window, in pixels. */
  overflow: number;
  /** The heights of what one is to press. */
  buttons: number[];
  /** How wide the logo is shown; a picture that has not come is not shown at all. */
  logo: number;
};

const MEASURE = `({
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  buttons: [...document.querySelectorAll('a')]
    .filter((link) => getComputedStyle(link).display === 'inline-block')
    .map((link) => link.getBoundingClientRect().height),
  logo: [...document.images].filter((image) => image.naturalWidth > 0)[0]?.clientWidth ?? 0,
})`;

async function show(html: string, width: number): Promise<{ layout: Layout; picture: Buffer }> {
  await page.setViewportSize({ width, height: 600 });
  await page.setContent(html);
  const layout = await page.evaluate<Layout>(MEASURE);
  return { layout, picture: await page.screenshot({ fullPage: true }) };
}

/** How many different bytes the pixels of a PNG hold; one colour alone gives next to none. */
function variety(png: Buffer): number {
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') {
      parts.push(png.subarray(at + 8, at + 8 + length));
    }
    at += length + 12;
  }
  return new Set(inflateSync(Buffer.concat(parts))).size;
}

async function render(kind: (typeof KINDS)[number], model: MailModel, locale: string) {
  const publicUrl = 'https://reslot.example';
  const organizerEmail = 'bookings@reslot.example';
  return (await renderMail({ kind, model, locale, publicUrl, organizerEmail })).html;
}

const WIDTHS = [320, 640];
const EVERY = KINDS.flatMap((kind) => LANGUAGES.map((language) => ({ kind, language })));

describe.each(EVERY)('$kind in $language', ({ kind, language }) => {
  it.each(WIDTHS)('fits a window %p pixels wide and is not blank', async (width) => {
    const { layout, picture } = await show(await render(kind, SAMPLES[kind], language), width);
    if (keptIn) {
      mkdirSync(keptIn, { recursive: true });
      writeFileSync(join(keptIn, `${kind}.${language}.${width}.png`), picture);
    }
    expect(layout.overflow).toBeLessThanOrEqual(0);
    expect(variety(picture)).toBeGreaterThan(50);
    for (const height of layout.buttons) expect(height).toBeGreaterThanOrEqual(44);
    expect(layout.logo).toBe(140);
  });
});

describe('a message with words that do not break', () => {
  const long = 'Donaudampfschifffahrtsgesellschaftskapitaen'.repeat(3);
  const address = `https://example.org/${long}`;

  it.each(['booking_requested', 'slot_available', 'links_again', 'booking_modified'] as const)(
    'fits a phone: %s',
    async (kind) => {
      const base = SAMPLES[kind];
      const subject = { offeringName: long, purpose: address, customerName: long, note: long };
      const html = await render(
        kind,
        {
          ...base,
          organization: {
            ...base.organization,
            name: long,
            address,
            supportEmail: `${long}@x.org`,
          },
          recipient: { ...base.recipient, name: long },
          reason: address,
          ...(base.booking ? { booking: { ...base.booking, ...subject } } : {}),
          ...(base.entry ? { entry: { ...base.entry, ...subject } } : {}),
          ...(base.bookings ? { bookings: [{ ...base.bookings[0], ...subject }] } : {}),
        },
        'en',
      );
      const { layout } = await show(html, 320);
      expect(layout.overflow).toBeLessThanOrEqual(0);
    },
  );
});

describe('the check for a blank picture', () => {
  it('finds one', async () => {
    const { picture } = await show('<body style="background:#ffffff"></body>', 320);
    expect(variety(picture)).toBeLessThan(10);
  });
});
