/** Prices in whole cents, so that nothing is ever off by one; halves are rounded up. */
import {
  type Booking,
  item,
  OFFERING_PRICES,
  type Offering,
  type Party,
  type PriceRules,
  type Quote,
  type Slot,
  type State,
} from './state.ts';

const THOUSAND = 1000;

/** numerator / denominator, both whole and not negative. */
export function divided(numerator: number, denominator: number): number {
  return Math.floor((2 * numerator + denominator) / (2 * denominator));
}

export function quoteOf(rules: PriceRules, personPrice: number, party: Party): Quote {
  const unit = (rate: number) =>
    divided(personPrice * rate, THOUSAND * rules.rounding) * rules.rounding;
  const adultPrice = unit(THOUSAND);
  const childPrice = unit(rules.child);
  const infantPrice = unit(rules.infant);
  const subtotal =
    party.adults * adultPrice + party.children * childPrice + party.infants * infantPrice;
  const isGroup = party.adults + party.children + party.infants >= rules.groupFrom;
  const discount = isGroup ? divided(subtotal * rules.groupDiscount, THOUSAND) : 0;
  const net = subtotal - discount;
  const tax = divided(net * rules.tax, THOUSAND + (rules.taxIncluded ? rules.tax : 0));
  return {
    personPrice,
    adultPrice,
    childPrice,
    infantPrice,
    subtotal,
    discount,
    tax,
    taxIncluded: rules.taxIncluded,
    price: rules.taxIncluded ? net : net + tax,
  };
}

export function priceOfRoom(offering: Offering): Quote {
  return {
    personPrice: null,
    adultPrice: null,
    childPrice: null,
    infantPrice: null,
    subtotal: null,
    discount: null,
    tax: null,
    taxIncluded: null,
    price: OFFERING_PRICES[offering],
  };
}

/** Of the slot, else of its schedule, else of the tour. */
export function priceOfPerson(s: State, slot: Slot): number {
  return slot.price ?? item(s.schedules, slot.schedule).price ?? OFFERING_PRICES[slot.offering];
}

/** What the policy gives back to whom it ends now for their own sake. */
export function refundDue(s: State, booking: Booking): number {
  const share = leastRefundShare(s, booking);
  if (share === 1) return booking.price;
  return share === 0 ? 0 : divided(booking.price, 2);
}

/** Moving a booking does not bring back what its customer had lost by then. */
export function leastRefundShare(s: State, booking: Booking): Booking['refundShare'] {
  const lead = booking.from - s.now;
  const now = lead >= s.policy.fullRefundUntil ? 1 : lead < s.policy.halfRefundUntil ? 0 : 0.5;
  return now < booking.refundShare ? now : booking.refundShare;
}
