import { describe, expect, test } from '@jest/globals';
import { redact } from '../../src/log.ts';

describe('the log', () => {
  test.each([
    ['GET /l/0123456789abcdefghijkl?x=1', 'GET /l/…?x=1'],
    ['postgres://reslot_app:hunter2@db/reslot', 'postgres://reslot_app:…@db/reslot'],
    ['smtp://user:hunter2@mail.example.org', 'smtp://user:…@mail.example.org'],
    ['/verify?token=abcdef&next=1', '/verify?token=…&next=1'],
    ['Bearer eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl', 'Bearer …'],
    ['Invalid API Key: sk_live_a1B2c3, or whsec_a1B2c3', 'Invalid API Key: sk_live_…, or whsec_…'],
    ['nothing to hide', 'nothing to hide'],
  ])('writes %s without what opens a door', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });
});
