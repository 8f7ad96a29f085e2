/** Links to accounts: prove an address, sign in, set a new password. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { passwordMatches } from '../../src/auth/passwords.ts';
import type { AccountAction } from '../../src/http/links/model.ts';
import * as factory from '../support/factories.ts';
import {
  ask,
  createLinkWorld,
  DWELL_MS,
  type LinkServer,
  type LinkWorld,
  nonceIn,
  post,
  press,
  type Scene,
  serveLinks,
  setScene,
  tableHashes,
} from './linkSupport.ts';

let links: LinkWorld;
let server: LinkServer;

beforeAll(async () => {
  links = await createLinkWorld();
  server = await serveLinks(links.database);
});

afterAll(async () => {
  await server?.stop();
  await links?.drop();
});

type Options = { organization: { front_end_url: string | null } };

const HERE: Options = { organization: { front_end_url: null } };
const FRONT_END: Options = { organization: { front_end_url: 'https://book.example/app' } };

async function setUnproven(options = HERE): Promise<Scene> {
  const scene = await setScene(links, 'verify', options);
  await links.change((db) =>
    db.query('update app_public.users set email_verified_at = null where id = $1', [scene.userId]),
  );
  return scene;
}

const set = (action: AccountAction, options = HERE) =>
  action === 'verify' ? setUnproven(options) : setScene(links, action, options);

const user = (scene: Scene) =>
  links.change((db) =>
    db.one<{ email_verified_at: Date | null; password_hash: string | null }>(
      `select u.email_verified_at, s.password_hash from app_public.users u
       left join app_private.user_secrets s on s.user_id = u.id where u.id = $1`,
      [scene.userId],
    ),
  );

describe.each(['verify', 'reset', 'magic'] as const)('The link to %s', (action) => {
  test('changes nothing however often it is fetched', async () => {
    const { token } = await set(action);
    const before = await tableHashes(links);
    for (let n = 0; n < 10; n++) {
      expect((await ask(server, token)).status).toBe(200);
      expect((await ask(server, token, { method: 'HEAD' })).status).toBe(200);
    }
    expect(await tableHashes(links)).toEqual(before);
  });

  test('is worth nothing once it has expired, or without a nonce', async () => {
    const scene = await setScene(links, action, { ...HERE, expiresAt: factory.at('08:10') });
    if (action === 'verify') {
      await links.change((db) => db.query('update app_public.users set email_verified_at = null'));
    }
    const nonce = nonceIn(await ask(server, scene.token));
    const before = await tableHashes(links);
    const password = 'a new password';
    expect((await post(server, scene.token, { password })).status).toBe(400);
    expect(await tableHashes(links)).toEqual(before);
    await links.change((db) => db.setClock(factory.at('08:10')));
    const reply = await post(server, scene.token, { nonce, password });
    expect(reply).toMatchObject({ status: 410, heading: 'This link has expired' });
  });

  test('is not valid for an account that was closed', async () => {
    const scene = await set(action);
    await links.change((db) =>
      db.query('update app_public.users set deactivated_at = app_private.clock() where id = $1', [
        scene.userId,
      ]),
    );
    expect((await ask(server, scene.token)).status).toBe(404);
  });

  test('shows nothing of the account', async () => {
    const { token } = await set(action);
    expect((await ask(server, token)).text).not.toMatch(/Alice|@example\.com/);
  });
});

describe('Proving an address', () => {
  test('happens at the press of the button, and again shows the same', async () => {
    const scene = await setUnproven();
    expect((await ask(server, scene.token)).heading).toBe('Confirm your e-mail address');
    expect((await press(server, scene.token)).heading).toBe('Your e-mail address is confirmed');
    expect((await user(scene)).email_verified_at).not.toBeNull();
    expect(await ask(server, scene.token)).toMatchObject({
      status: 200,
      heading: 'Your e-mail address is confirmed',
    });
  });

  test('leads on to the front end, where there is one', async () => {
    const scene = await setUnproven(FRONT_END);
    expect((await press(server, scene.token)).text).toContain('href="https://book.example/app"');
  });
});

describe('Setting a new password', () => {
  const choose = async (scene: Scene, password: string) => {
    const page = await ask(server, scene.token);
    await sleep(DWELL_MS + 10);
    return post(server, scene.token, { nonce: nonceIn(page), password });
  };

  test('is done here where there is no front end, once', async () => {
    const scene = await setScene(links, 'reset', HERE);
    const page = await ask(server, scene.token);
    expect(page.heading).toBe('Choose a new password');
    expect(page.text).toContain('autocomplete="new-password"');
    expect(await choose(scene, 'correct horse')).toMatchObject({
      status: 200,
      heading: 'Your new password is set',
    });
    const { password_hash } = await user(scene);
    expect(await passwordMatches(password_hash, 'correct horse')).toBe(true);
    expect(await choose(scene, 'another one')).toMatchObject({
      status: 410,
      heading: 'This link has been used',
    });
    expect((await user(scene)).password_hash).toBe(password_hash);
  });

  test.each(['short', '        ', 'x'.repeat(201)])('refuses %p in words', async (password) => {
    const scene = await setScene(links, 'reset', HERE);
    const reply = await choose(scene, password);
    expect(reply).toMatchObject({ status: 409, heading: 'Choose a new password' });
    expect(reply.text).toContain('8 to 200 characters');
    expect(reply.text).not.toContain(password.trim() || 'value="   ');
    expect((await user(scene)).password_hash).toBeNull();
  });

  test('is done once when it is sent many times at once', async () => {
    const scene = await setScene(links, 'reset', HERE);
    const replies = await Promise.all(
      ['password 1', 'password 2', 'password 3'].map((password) => choose(scene, password)),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 410, 410]);
  });
});

describe.each(['reset', 'magic'] as const)('With a front end, the link to %s', (action) => {
  test('hands over to it in the address’s fragment, and uses nothing up', async () => {
    const { token } = await setScene(links, action, FRONT_END);
    const page = await ask(server, token);
    expect(page.headers.get('content-security-policy')).toContain(
      "form-action 'self' https://book.example;",
    );
    const before = await tableHashes(links);
    const reply = await press(server, token);
    expect(reply.status).toBe(303);
    expect(reply.headers.get('location')).toBe(
      `https://book.example/app#action=${action}&token=${token}`,
    );
    expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(await tableHashes(links)).toEqual(before);
  });

  test('asks once more without JavaScript', async () => {
    const { token } = await setScene(links, action, FRONT_END);
    expect((await press(server, token, { seen: '' })).heading).toBe('Please confirm once more');
  });
});

describe('Signing in without a front end', () => {
  test('gives the code to enter, and only after the button was pressed', async () => {
    const { token } = await setScene(links, 'magic', HERE);
    expect((await ask(server, token)).text).not.toContain(token);
    expect((await press(server, token)).text).toContain(`<code>${token}</code>`);
  });
});
