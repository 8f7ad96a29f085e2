import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { urlFor, urlWithRole, urlWithSettings } from '../../src/database/pools.ts';

describe('the address of the database', () => {
  test.each([
    'postgres://admin:secret@db.example.org:6432/reslot?sslmode=disable',
    'postgres://db.example.org:6432/reslot?user=admin&password=secret&sslmode=disable',
    'postgres:///reslot?host=/run/postgresql&user=admin',
  ])('%s is the same place for another login', (admin) => {
    const mine = new pg.Client(urlFor(admin, 'reslot_app', 'pa/ss:word@'));
    const theirs = new pg.Client(admin);
    expect([mine.user, mine.password]).toEqual(['reslot_app', 'pa/ss:word@']);
    for (const key of ['host', 'port', 'database', 'ssl'] as const) {
      expect(mine[key]).toEqual(theirs[key]);
    }
  });

  test('keeps the settings it had when it is given more', () => {
    const url = urlWithSettings(urlWithRole('postgres://a@b/c', 'reslot_owner'), {
      'reslot.via': 'job',
    });
    expect(new URL(url).searchParams.get('options')).toBe('-c role=reslot_owner -c reslot.via=job');
  });
});
