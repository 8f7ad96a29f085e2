/** Amounts as Stripe counts them: in the smallest unit, and not always as many of it as ISO 4217 says. */

/** https://docs.stripe.com/currencies#zero-decimal */
const WITHOUT_DECIMALS = new Set(
  'bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf'.split(' '),
);
/** Our amounts have two decimals, these three. */
const WITH_THREE = new Set('bhd jod kwd omr tnd'.split(' '));

export class CurrencyError extends Error {
  readonly code = 'currency_not_supported';
}

function decimalsOf(currency: string): number {
  const name = currency.toLowerCase();
  if (WITH_THREE.has(name)) throw new CurrencyError(`${currency} cannot be paid by Stripe here.`);
  // Of these two Stripe wants two decimals for the sake of its history.
  return WITHOUT_DECIMALS.has(name) && name !== 'ugx' ? 0 : 2;
}

/** '80.50' of EUR is 8050; what cannot be said in the smallest unit is refused rather than rounded. */
export function toSmallest(amount: string, currency: string): number {
  const match = /^(\d{1,13})(?:\.(\d{1,2}))?$/.exec(amount);
  if (!match) throw new RangeError(`${amount} is not an amount.`);
  const [, whole = '', rest = ''] = match;
  const hundredths = Number(whole) * 100 + Number(rest.padEnd(2, '0'));
  const smallest = decimalsOf(currency) === 0 ? hundredths / 100 : hundredths;
  if (!Number.isSafeInteger(smallest)) throw new RangeError(`${amount} ${currency} is not whole.`);
  return smallest;
}

/** 8050 of EUR is '80.50'. */
export function fromSmallest(amount: number, currency: string): string {
  const hundredths = decimalsOf(currency) === 0 ? amount * 100 : amount;
  return `${Math.trunc(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`;
}
