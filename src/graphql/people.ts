/**
 * The mutations about accounts that need more than SQL: hashing passwords, signing tokens, setting
 * the cookie. Everything else about people is a function of the database, exposed as it is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { context, type FieldArgs, type SideEffectStep, sideEffect } from 'postgraphile/grafast';
import { extendSchema, gql } from 'postgraphile/utils';
import type {
  AddressInput,
  ChangePasswordInput,
  LookUpInput,
  SignedIn,
  SignUpInput,
} from '../auth/accounts.ts';
import { noRefreshCookie, readRefreshCookie, refreshCookie } from '../auth/cookies.ts';
import type { Auth } from '../auth/index.ts';
import { Refusal } from '../auth/refusal.ts';

/** What these mutations read from the context of a request. */
export interface PeopleContext {
  userId?: string | null | undefined;
  sessionId?: string | null | undefined;
  ip?: string | null | undefined;
  userAgent?: string | null | undefined;
  req?: IncomingMessage | null | undefined;
  res?: ServerResponse | null | undefined;
}

interface SessionInput {
  returnRefreshToken?: boolean | null;
}

type Run<I> = (input: I, request: PeopleContext) => Promise<object>;

const typeDefs = gql`
  """
  A session that has begun or was continued.
  """
  type SessionPayload {
    "The user who is signed in."
    userId: UUID!
    "Send it with each request as \`Authorization: Bearer …\`."
    accessToken: String!
    "When the access token ends; use \`refreshSession\` before."
    accessTokenExpiresAt: Datetime!
    "The token for the next \`refreshSession\`, only if \`returnRefreshToken\` was asked for. Browsers have it in a cookie."
    refreshToken: String
  }

  """
  The answer of mutations that say no more than that the request was taken.
  """
  type AcceptedPayload {
    "Always true. For requests by e-mail address it does not say whether anybody has the address."
    accepted: Boolean!
  }

  "Input of \`signUp\`."
  input SignUpInput {
    "The address to sign in with. A mail with a link proves that it is yours."
    email: String!
    "8 to 200 characters, not only spaces."
    password: String!
    "The name you wish to be called."
    name: String
    "Language of mails, such as \`en\` or \`de-AT\`."
    locale: String
    "Short name of the organisation in whose name the mail is sent; none: the oldest."
    organizationSlug: String
  }

  "Input of \`verifyEmail\`."
  input VerifyEmailInput {
    "The token from the link in the mail."
    token: String!
  }

  "Input of \`signIn\`."
  input SignInInput {
    "The address of the account."
    email: String!
    "Its password."
    password: String!
    "For programs that are no browsers: return the refresh token instead of setting a cookie."
    returnRefreshToken: Boolean = false
  }

  "Input of mutations that mail something to an address."
  input AddressInput {
    "The address."
    email: String!
    "Short name of the organisation concerned; none: for accounts the oldest, for bookings all."
    organizationSlug: String
  }

  "Input of \`lookUpBooking\`."
  input LookUpBookingInput {
    "The reference, as it stands in the mail."
    reference: String!
    "The address that it was booked with."
    email: String!
    "Short name of the organisation; none: any."
    organizationSlug: String
  }

  """
  A booking as whoever knows its reference and its address sees it: nothing about the person.
  """
  type BookingSummary {
    "Its reference."
    reference: String!
    "Where it is in its life."
    status: BookingStatus!
    "Whose offering it is."
    organizationName: String!
    "What is booked."
    offeringName: String!
    "The start."
    startsAt: Datetime!
    "The end."
    endsAt: Datetime!
    "IANA time zone of the offering."
    timeZone: String!
    "How many people."
    partySize: Int!
    "The price it was sold at."
    price: BigFloat!
    "What of it is given back, if it was cancelled."
    refund: BigFloat
    "ISO 4217 code of the price."
    currency: String!
    "Whether attendance is confirmed."
    attendanceConfirmed: Boolean!
    "Until when attendance is to be confirmed."
    confirmBy: Datetime
  }

  "Input of \`signInWithMagicLink\`."
  input SignInWithMagicLinkInput {
    "The token from the link in the mail."
    token: String!
    "For programs that are no browsers: return the refresh token instead of setting a cookie."
    returnRefreshToken: Boolean = false
  }

  "Input of \`refreshSession\`."
  input RefreshSessionInput {
    "The refresh token; none: the one in the cookie."
    refreshToken: String
    "For programs that are no browsers: return the refresh token instead of setting a cookie."
    returnRefreshToken: Boolean = false
  }

  "Input of \`signOut\`."
  input SignOutInput {
    "The refresh token; none: the one in the cookie."
    refreshToken: String
  }

  "Input of \`resetPassword\`."
  input ResetPasswordInput {
    "The token from the link in the mail."
    token: String!
    "The new password: 8 to 200 characters, not only spaces."
    password: String!
  }

  "Input of \`changePassword\`."
  input ChangePasswordInput {
    "The password that is valid now."
    oldPassword: String!
    "The new password: 8 to 200 characters, not only spaces."
    newPassword: String!
  }

  extend type Mutation {
    "Makes an account and mails a link that proves the address. If there is an account already, its owner gets a mail that says so, and the answer is the same. Errors: RSARG, RSNTF no such organisation, RSBSY."
    signUp(input: SignUpInput!): AcceptedPayload!
    "Proves an address by the token from its mail; then one can sign in. Guest bookings made under the address belong to the account from now on. Errors: RSEXP."
    verifyEmail(input: VerifyEmailInput!): AcceptedPayload!
    "Begins a session. Errors: RSCRD wrong address or password, or not verified; RSRAT too many attempts (details: retryAfterSeconds); RSBSY."
    signIn(input: SignInInput!): SessionPayload!
    "Mails a link to sign in without password, if there is such an account; the answer is the same if not. Errors: RSARG, RSNTF no such organisation."
    requestMagicLink(input: AddressInput!): AcceptedPayload!
    "Begins a session by the token from the mail. Works once. Errors: RSEXP."
    signInWithMagicLink(input: SignInWithMagicLinkInput!): SessionPayload!
    "Continues a session: a new access token, and a new refresh token in place of the old one. Send it without \`Authorization\` header. A refresh token works once; within ten seconds a second tab gets the same successor, later its reuse ends the session. Errors: RSAUT the session is over."
    refreshSession(input: RefreshSessionInput!): SessionPayload!
    "Ends the session; its access token is worth nothing from now on. Errors: none, also when the session is over already."
    signOut(input: SignOutInput!): AcceptedPayload!
    "Ends all sessions of the signed-in user, on all devices. Errors: RSAUT."
    signOutEverywhere: AcceptedPayload!
    "Mails a link to choose a new password, if there is such an account; the answer is the same if not. Errors: RSARG, RSNTF no such organisation."
    requestPasswordReset(input: AddressInput!): AcceptedPayload!
    "Sets a new password by the token from the mail, and ends all sessions. Works once. Errors: RSEXP, RSARG."
    resetPassword(input: ResetPasswordInput!): AcceptedPayload!
    "Changes the password of the signed-in user, and ends all other sessions. Errors: RSAUT, RSCRD the old one is wrong, RSRAT too many attempts, RSARG."
    changePassword(input: ChangePasswordInput!): AcceptedPayload!
    "Mails the links of what is coming up to an address, for guests who lost theirs. The answer is the same whether or not anything is. Errors: RSARG, RSNTF no such organisation."
    sendLinksAgain(input: AddressInput!): AcceptedPayload!
    "Shows a booking to whoever knows its reference and the e-mail address it was booked with; to change it, have the links sent again. Errors: RSNTF there is none, or it is somebody else's; RSRAT too many attempts with the reference or the address (details: retryAfterSeconds); RSARG."
    lookUpBooking(input: LookUpBookingInput!): BookingSummary!
  }
`;

const ACCEPTED = { accepted: true };

export function peoplePlugin(auth: Auth): GraphileConfig.Plugin {
  const plans = { ...sessionPlans(auth), ...accountPlans(auth) };
  return extendSchema({ typeDefs, objects: { Mutation: { plans } } }, 'ReslotPeoplePlugin');
}

/** A field that runs once, with the input and the request, in the order of the fields. */
export function mutation<I>(run: Run<I>) {
  return (_$root: unknown, fieldArgs: FieldArgs): SideEffectStep<unknown, object> =>
    sideEffect([fieldArgs.getRaw('input'), context()], ([input, request]) =>
      run(input as I, request as PeopleContext),
    );
}

function mutationWithoutInput(run: (request: PeopleContext) => Promise<object>) {
  return (): SideEffectStep<unknown, object> =>
    sideEffect(context(), (request) => run(request as PeopleContext));
}

function sessionPlans({ accounts, cookies }: Auth) {
  const setCookie = (request: PeopleContext, value: string) => {
    if (request.res && !request.res.headersSent) request.res.appendHeader('Set-Cookie', value);
  };
  const session = (signedIn: SignedIn, input: SessionInput, request: PeopleContext) => {
    const { userId, access, refreshToken } = signedIn;
    const returned = input.returnRefreshToken === true;
    if (!returned) setCookie(request, refreshCookie(refreshToken, cookies));
    return {
      userId,
      accessToken: access.token,
      accessTokenExpiresAt: access.expiresAt.toISOString(),
      refreshToken: returned ? refreshToken : null,
    };
  };
  const cookieOf = (request: PeopleContext) => readRefreshCookie(request.req?.headers.cookie);

  return {
    signIn: mutation<SessionInput & { email: string; password: string }>(async (input, request) =>
      session(await accounts.signIn(request, input.email, input.password), input, request),
    ),
    signInWithMagicLink: mutation<SessionInput & { token: string }>(async (input, request) =>
      session(await accounts.signInWithMagicLink(request, input.token), input, request),
    ),
    refreshSession: mutation<SessionInput & { refreshToken?: string | null }>(
      async (input, request) => {
        const token = input.refreshToken ?? cookieOf(request);
        if (!token) throw new Refusal('RSAUT', 'There is no session to continue. Please sign in.');
        try {
          return session(await accounts.refreshSession(request, token), input, request);
        } catch (error) {
          const over = error instanceof Refusal && error.code === 'RSAUT';
          if (over && !input.refreshToken) setCookie(request, noRefreshCookie(cookies));
          throw error;
        }
      },
    ),
    signOut: mutation<{ refreshToken?: string | null }>(async (input, request) => {
      const token = input.refreshToken ?? cookieOf(request);
      await accounts.signOut(request, token, request.sessionId ?? undefined);
      setCookie(request, noRefreshCookie(cookies));
      return ACCEPTED;
    }),
    signOutEverywhere: mutationWithoutInput(async (request) => {
      await accounts.signOutEverywhere(request, signedInCaller(request).userId);
      setCookie(request, noRefreshCookie(cookies));
      return ACCEPTED;
    }),
  };
}

function accountPlans({ accounts }: Auth) {
  return {
    signUp: mutation<SignUpInput>(async (input, request) => {
      await accounts.signUp(request, input);
      return ACCEPTED;
    }),
    verifyEmail: mutation<{ token: string }>(async (input, request) => {
      await accounts.verifyEmail(request, input.token);
      return ACCEPTED;
    }),
    requestMagicLink: mutation<AddressInput>(async (input, request) => {
      await accounts.requestLink(request, 'account_magic_link', input);
      return ACCEPTED;
    }),
    requestPasswordReset: mutation<AddressInput>(async (input, request) => {
      await accounts.requestLink(request, 'account_reset', input);
      return ACCEPTED;
    }),
    resetPassword: mutation<{ token: string; password: string }>(async (input, request) => {
      await accounts.resetPassword(request, input.token, input.password);
      return ACCEPTED;
    }),
    changePassword: mutation<ChangePasswordInput>(async (input, request) => {
      await accounts.changePassword(request, signedInCaller(request), input);
      return ACCEPTED;
    }),
    lookUpBooking: mutation<LookUpInput>((input, request) =>
      accounts.lookUpBooking(request, input),
    ),
    sendLinksAgain: mutation<AddressInput>(async (input, request) => {
      await accounts.sendLinksAgain(request, input);
      return ACCEPTED;
    }),
  };
}

function signedInCaller({ userId, sessionId }: PeopleContext) {
  if (!userId || !sessionId) throw new Refusal('RSAUT', 'Please sign in first.');
  return { userId, sessionId };
}
