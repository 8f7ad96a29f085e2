import Sequencer from '@jest/test-sequencer';

/** What takes minutes, the longest first; on a fresh clone nothing else tells. */
const LONG = [
  'races/races',
  'races/controls',
  'faults/workerKilled',
  'model/model',
  'model/tours',
  'fuzz/',
  'model/',
  'access/matrix',
  'faults/',
];

function rank({ path }) {
  const found = LONG.findIndex((part) => path.includes(`/tests/${part}`));
  return found === -1 ? LONG.length : found;
}

/** Begins with the files that take longest, so that no worker is left alone with one at the end. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    return super.sort(tests).toSorted((a, b) => rank(a) - rank(b));
  }
}
