type Price = {
  /** In the currency's main unit: 12.5 is twelve euros fifty. */
  price?: number | string | null | undefined;
  currency?: string | null | undefined;
};

/** A price in words; what costs nothing has none. */
export function money({ price, currency }: Price, locale: string): string | undefined {
  const amount = Number(price);
  if (price === null || price === undefined || !currency || !(amount > 0)) return undefined;
  try {
    return new Intl.NumberFormat(locale, { style: 'currency', currency }).format(amount);
  } catch {
    return `${amount} ${currency}`; // not a currency code this machine knows
  }
}
