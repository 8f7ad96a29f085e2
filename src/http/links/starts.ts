/**
 * Without JavaScript a person picks the start out of several, which somebody who has looked at the
 * booking can and a program that only submits forms cannot.
 */
import { createHmac } from 'node:crypto';

const HOUR_MS = 3_600_000;
const HOURS_AWAY = [1, 2, 3, 5, 24, 26];
const CHOICES = 5;

/**
 * The real start among others, in order of time, at any place with the same chance. The same link
 * always gets the same ones: if they changed, the one that stays would be the answer.
 */
export function startChoices(startsAt: string, token: string, secretKey: string): string[] {
  const random = createHmac('sha256', secretKey).update(`starts\n${token}\n${startsAt}`).digest();
  const real = Date.parse(startsAt);
  const earlier = random.readUInt32BE(0) % CHOICES;
  const times = [
    ...pick(earlier, random.subarray(4, 16)).map((hours) => real - hours * HOUR_MS),
    real,
    ...pick(CHOICES - 1 - earlier, random.subarray(16, 28)).map((hours) => real + hours * HOUR_MS),
  ];
  return times.sort((a, b) => a - b).map((at) => new Date(at).toISOString());
}

function pick(count: number, random: Buffer): number[] {
  return HOURS_AWAY.map((hours, n) => ({ hours, rank: random[n] ?? 0 }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, count)
    .map(({ hours }) => hours);
}

export function isRealStart(picked: string | undefined, choices: string[], startsAt: string) {
  const choice = /^\d$/.test(picked ?? '') ? choices[Number(picked)] : undefined;
  return choice !== undefined && Date.parse(choice) === Date.parse(startsAt);
}
