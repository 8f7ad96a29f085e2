import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Where browsers of this family are installed; CHROMIUM_PATH names another place. */
const PLACES = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The browser of this machine, without a window. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = PLACES.find((place) => place && existsSync(place));
  if (!executablePath) {
    throw new Error(
      'Some tests look at pages and mails in a browser, and none was found. Install Chromium ' +
        '(apt-get install chromium) or Chrome, or set CHROMIUM_PATH to its executable.',
    );
  }
  // Chromium's own sandbox does not work for root, as which containers run tests.
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}
