/** Numbers that look random and are the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number, ...path: number[]) {
    this.#state = seed >>> 0;
    for (const step of path) {
      this.#state = (this.#state ^ Math.imul(step + 1, 0x9e37_79b1)) >>> 0;
      this.next();
    }
  }

  /** From 0 to 1, without 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0, without `below`. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new Error('There is nothing to pick from.');
    return values[this.below(values.length)] as T;
  }

  /** Some of the values, in their order; at least one, if there is any. */
  some<T>(values: readonly T[], most: number): T[] {
    if (values.length === 0) return [];
    const share = most / values.length;
    const chosen = values.filter(() => this.chance(share));
    return chosen.length > 0 ? chosen.slice(0, most) : [this.pick(values)];
  }
}
