import type { Action, Reason } from '../model.ts';

type Deed = {
  /** The page before: what is asked, what it means, what the button says. */
  title: string;
  lead?: string;
  button: string;
  /** The page after, also when it was done before. */
  done: string;
  doneLead?: string;
};

type Message = { title: string; lead?: string };

/** Everything a link page says, in one language. */
export type Words = {
  deeds: Record<Action, Deed>;
  reasons: Record<Reason, Message>;
  /** Where the same reason means something else for an offer than for a booking. */
  entryReasons: Partial<Record<Reason, Message>>;
  details: {
    what: string;
    when: string;
    where: string;
    people: string;
    reference: string;
    purpose: string;
    price: string;
    toPay: string;
    customer: string;
    stillToCome: string;
    waiting: string;
  };
  deadlines: {
    confirmBy: (moment: string) => string;
    orElseReleased: string;
    heldUntil: (moment: string) => string;
    heldForYou: string;
    lastCall: string;
    needsApproval: string;
    payFirst: (amount: string) => string;
    payBy: (moment: string) => string;
    decideBy: (moment: string) => string;
    doneBy: (moment: string) => string;
  };
  claimedPending: string;
  claimedToPay: string;
  /** On the way to Stripe's page. */
  paying: { title: string; lead: string; next: string };
  /** Of something taken. */
  alternatives: string;
  endedReason: (reason: string) => string;
  asked: {
    /** Without JavaScript: the second page. */
    pickTitle: string;
    pickLead: string;
    pickLegend: string;
    pickButton: string;
    yesTitle: string;
    yesLead: string;
  };
  reasonLabels: { approve: string; reject: string };
  password: { label: string; hint: string; button: string; refused: string };
  magicCode: string;
  next: { bookAgain: string; joinAgain: string; continue: (name: string) => string };
  notices: {
    lookAgain: string;
    wrongStart: string;
    refused: string;
    taken: string;
    blackedOut: string;
    notAllowed: string;
    tooLong: string;
    free: string;
    already: string;
    limit: string;
    payLater: string;
    payFailed: string;
  };
  pages: Record<'notValid' | 'tooOften' | 'busy' | 'broken' | 'unreadable' | 'method', Message>;
  questions: string;
};
