import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import { createTransport } from 'nodemailer';
import { type Inbox, type InboxMessage, startInbox } from '../../src/mail/inbox.ts';
import { LANGUAGES } from '../../src/mail/locale.ts';
import { KINDS } from '../../src/mail/model.ts';
import { previewRouter } from '../../src/mail/preview.ts';

let inbox: Inbox;
let server: Server;
let url: string;

beforeAll(async () => {
  inbox = await startInbox({ port: 0 });
  const app = express();
  app.use(inbox.router, previewRouter({ publicUrl: 'https://reslot.example' }));
  server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await inbox.stop();
});

beforeEach(() => inbox.clear());

async function deliver(mail: { to?: string; subject?: string; html?: string; text?: string }) {
  const transport = createTransport(inbox.smtpUrl);
  await transport.sendMail({ from: 'a@example.org', to: 'b@example.org', text: 'Text', ...mail });
  transport.close();
}

async function get(path: string): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(url + path);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function json(path = '/inbox.json'): Promise<InboxMessage[]> {
  return JSON.parse((await get(path)).text) as InboxMessage[];
}

describe('the development inbox', () => {
  it('has a message as soon as it was accepted, newest first', async () => {
    await deliver({ subject: 'one' });
    await deliver({ subject: 'two' });
    expect((await json()).map(({ subject }) => subject)).toEqual(['two', 'one']);
  });

  it('gives those to one address, written in any case', async () => {
    await deliver({ to: 'Zoe@Example.org', subject: 'mine' });
    await deliver({ to: 'other@example.org' });
    const mine = await json('/inbox.json?to=zoe%40example.ORG');
    expect(mine.map(({ subject }) => subject)).toEqual(['mine']);
    expect((await get('/inbox?to=zoe@example.org')).text).not.toContain('other@example.org');
  });

  it('names the links of a message and what is written on them', async () => {
    const html =
      '<p><a class="x" href="https://r.example/l/abc?a=1&amp;b=2"><b>Yes,</b> I&#39;m in</a> <a href="mailto:a@b.c">mail</a></p>';
    await deliver({ html });
    expect((await json())[0]?.links).toEqual([
      { label: "Yes, I'm in", url: 'https://r.example/l/abc?a=1&b=2' },
    ]);
  });

  it('finds the links of a message without HTML', async () => {
    await deliver({ text: 'Look:\nhttps://r.example/l/abc\nBye' });
    expect((await json())[0]?.links).toEqual([{ label: '', url: 'https://r.example/l/abc' }]);
  });

  it('shows what others wrote as text, never as markup of its own', async () => {
    const evil = '<script>alert(1)</script>';
    await deliver({ subject: evil, text: evil, html: evil });
    const [message] = await json();
    for (const path of ['/inbox', `/inbox/${message?.id}`, `/inbox?to=${evil}`]) {
      const page = await get(path);
      expect(page.status).toBe(200);
      expect(page.text).not.toContain('<script');
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    }
  });

  it('shows the HTML of a message in a sandbox in which nothing runs', async () => {
    await deliver({ html: '<p>Hello</p><script>alert(1)</script>' });
    const [message] = await json();
    const page = await get(`/inbox/${message?.id}`);
    expect(page.text).toContain('sandbox="allow-popups allow-popups-to-escape-sandbox"');
    const body = await get(`/inbox/${message?.id}/body`);
    expect(body.text).toContain('<p>Hello</p>');
    expect(body.headers.get('content-security-policy')).toMatch(
      /^sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'/,
    );
  });

  it('answers 404 for a message it does not have', async () => {
    for (const path of ['/inbox/999', '/inbox/999/body', '/inbox/x']) {
      expect((await get(path)).status).toBe(404);
    }
  });

  it('can be emptied, but not by another site', async () => {
    await deliver({});
    const foreign = { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } };
    expect((await fetch(`${url}/inbox/delete`, foreign)).status).toBe(403);
    expect(await json()).toHaveLength(1);
    const response = await fetch(`${url}/inbox/delete`, { method: 'POST', redirect: 'manual' });
    expect(response.status).toBe(303);
    expect(await json()).toEqual([]);
    await deliver({});
    expect((await fetch(`${url}/inbox.json`, { method: 'DELETE' })).status).toBe(204);
    expect(await json()).toEqual([]);
  });

  it('keeps the last 500 messages', async () => {
    const transport = createTransport({ url: inbox.smtpUrl, pool: true });
    for (let n = 1; n <= 503; n += 1) {
      await transport.sendMail({ from: 'a@b.c', to: 'd@e.f', subject: `${n}`, text: 'x' });
    }
    transport.close();
    const messages = inbox.messages();
    expect(messages).toHaveLength(500);
    expect(messages.at(-1)?.subject).toBe('4');
  });

  it('says when its port is taken', async () => {
    const port = Number(new URL(inbox.smtpUrl).port);
    await expect(startInbox({ port })).rejects.toThrow(
      `cannot listen on port ${port}: another program does. Set INBOX_SMTP_PORT to another number`,
    );
  });
});

describe('the preview', () => {
  it('lists every message in every language, and each page is there', async () => {
    const list = (await get('/mail-preview')).text;
    for (const kind of KINDS) {
      for (const language of LANGUAGES) {
        const path = `/mail-preview/${language}/${kind}`;
        expect(list).toContain(`href="${path}"`);
        expect((await get(path)).status).toBe(200);
        expect((await get(`${path}/body`)).text).toContain('<!doctype html>');
      }
    }
  });

  it('shows where the logo goes, also in the frame, which belongs to no site', async () => {
    const { text } = await get('/mail-preview/en/booking_received/body');
    expect(text).toContain('src="https://reslot.example/mail-preview/logo.png"');
    const logo = await fetch(`${url}/mail-preview/logo.png`);
    expect(logo.headers.get('content-type')).toBe('image/png');
    expect(logo.headers.get('cross-origin-resource-policy')).toBe('cross-origin');
  });

  it('answers 404 for what there is not', async () => {
    for (const path of ['/mail-preview/fr/booking_received', '/mail-preview/en/constructor']) {
      expect((await get(path)).status).toBe(404);
    }
  });
});
