/** What guests do without an account: they ask for a booking, and make it by the link in a mail. */
import { extendSchema, gql } from 'postgraphile/utils';
import type { Auth } from '../auth/index.ts';
import { mutation } from './people.ts';

const typeDefs = gql`
  "Input of \`requestBookingByMail\`."
  input RequestBookingByMailInput {
    "What is to be booked."
    offeringId: UUID!
    "The slot, where places are booked."
    slotId: UUID
    "The start, as a moment with its offset (2026-11-20T18:00:00+01:00)."
    startsAt: Datetime
    "The end, as a moment with its offset (2026-11-20T20:00:00+01:00)."
    endsAt: Datetime
    "The start in the time zone of the offering, without an offset (2026-11-20T18:00:00)."
    localStartsAt: LocalDatetime
    "The end in the time zone of the offering, without an offset (2026-11-20T20:00:00)."
    localEndsAt: LocalDatetime
    "How many people; 1 if nothing is said."
    partySize: Int
    "How many adults; with children and infants, instead of \`partySize\`."
    adults: Int
    "How many children."
    children: Int
    "How many infants."
    infants: Int
    "In whose name."
    name: String!
    "Where the mail with the link goes to, and all that follows."
    email: String!
    "The phone number."
    phone: String
    "The language of mails (BCP 47), such as \`de\` or \`pt-BR\`."
    locale: String
    "What for, in one’s own words."
    purpose: String
    "What somebody wishes."
    specialRequests: String
    "What somebody may or may not eat."
    dietaryNeeds: String
    "What somebody needs to take part."
    accessNeeds: String
    "Whether to mail a link to the waiting list if it is taken, instead of refusing."
    orWait: Boolean = false
  }

  extend type Mutation {
    "Mails a guest a link that shows what they ask for, with its price, and books it; no room is kept until then. The answer is the same whether or not anybody has the address. Errors: RSNTF no such offering or slot, RSOFF guests need an account here, RSTIM not bookable at that time, RSBLK, RSLIM size of the party, RSFUL taken (details: alternatives, mayWait), RSRAT too many guests at once (details: retryAfterSeconds), RSARG."
    requestBookingByMail(input: RequestBookingByMailInput!): AcceptedPayload!
  }
`;

export function guestsPlugin({ accounts }: Auth): GraphileConfig.Plugin {
  const plans = {
    requestBookingByMail: mutation<object>(async (input, request) => {
      await accounts.requestBookingByMail(request, input);
      return { accepted: true };
    }),
  };
  return extendSchema({ typeDefs, objects: { Mutation: { plans } } }, 'ReslotGuestsPlugin');
}
