import type { Words } from './type.ts';

export const en: Words = {
  deeds: {
    confirm: {
      title: 'Are you coming?',
      lead: 'Please confirm that you will use this booking.',
      button: 'Yes, I am coming',
      done: 'Your booking is confirmed',
      doneLead: 'Thank you. We look forward to seeing you.',
    },
    cancel: {
      title: 'Cancel this booking?',
      lead: 'The place goes to whoever waits, or is open to everyone. This cannot be undone.',
      button: 'Cancel the booking',
      done: 'Your booking is cancelled',
      doneLead: 'Thank you for letting us know. The place is no longer kept for you.',
    },
    claim: {
      title: 'A place is free for you',
      lead: 'Claiming it books the place in your name.',
      button: 'Claim this place',
      done: 'The place is yours',
      doneLead: 'We have sent you the booking by e-mail.',
    },
    decline: {
      title: 'Let this place go?',
      lead: 'It goes to whoever waits, or is open to everyone. Your entry in the waiting list ends.',
      button: 'No, thank you',
      done: 'You have let this place go',
      doneLead: 'Thank you for letting us know. It is no longer kept for you.',
    },
    leave: {
      title: 'Leave the waiting list?',
      lead: 'You lose your place in the queue, and an offer you may have.',
      button: 'Leave the waiting list',
      done: 'You have left the waiting list',
    },
    approve: {
      title: 'Approve this request?',
      lead: 'The customer is told at once.',
      button: 'Approve',
      done: 'The request is approved',
      doneLead: 'The customer has been told.',
    },
    reject: {
      title: 'Decline this request?',
      lead: 'The customer is told, and the place goes to whoever waits, or is open to everyone.',
      button: 'Decline the request',
      done: 'The request is declined',
      doneLead: 'The customer has been told.',
    },
    unsubscribe: {
      title: 'Unsubscribe?',
      lead: 'You will no longer get messages you can do without. Messages about your bookings still come.',
      button: 'Unsubscribe',
      done: 'You are unsubscribed',
      doneLead: 'Messages about your bookings still come.',
    },
    verify: {
      title: 'Confirm your e-mail address',
      lead: 'This completes your account.',
      button: 'Confirm my address',
      done: 'Your e-mail address is confirmed',
      doneLead: 'You can sign in now.',
    },
    reset: {
      title: 'Choose a new password',
      lead: 'All devices that are signed in now will be signed out.',
      button: 'Continue',
      done: 'Your new password is set',
      doneLead: 'You can sign in with it now.',
    },
    magic: {
      title: 'Sign in',
      lead: 'This link works once.',
      button: 'Sign in',
      done: 'Signed in',
    },
  },
  reasons: {
    link_expired: { title: 'This link has expired', lead: 'It worked for a limited time only.' },
    cancelled: { title: 'This booking was cancelled' },
    auto_cancelled: {
      title: 'This booking was released',
      lead: 'It was not confirmed in time, so its place was released. You can book again if there is room.',
    },
    rejected: { title: 'This request was declined' },
    expired: {
      title: 'This request has run out',
      lead: 'It was not answered in time. You can book again if there is room.',
    },
    over: { title: 'This booking is over' },
    completed: { title: 'This booking is over' },
    no_show: { title: 'This booking is over' },
    begun: {
      title: 'This booking has already begun',
      lead: 'Nothing can be changed here any more. Please talk to the organiser.',
    },
    pending: {
      title: 'There is nothing to confirm yet',
      lead: 'This booking is still waiting for approval. We will write to you.',
    },
    approved: {
      title: 'This request was approved',
      lead: 'It is a booking now, and can only be cancelled.',
    },
    claimed: {
      title: 'You have claimed this place',
      lead: 'To give it back, please use the cancel link in the mail with your booking.',
    },
    declined: {
      title: 'You have let this place go',
      lead: 'It is no longer kept for you. If it is free you can book it; if not, you can join the waiting list again.',
    },
    left: {
      title: 'You have left the waiting list',
      lead: 'You can join it again; you start at its end.',
    },
    lapsed: { title: 'The time you waited for has come', lead: 'No place became free in time.' },
    closed: {
      title: 'You are no longer waiting for this',
      lead: 'You have booked an overlapping time, or the organiser has ended the waiting.',
    },
    not_offered: {
      title: 'It is not your turn yet',
      lead: 'Nothing is held for you at the moment. You keep your place on the waiting list, and we write to you as soon as it is your turn.',
    },
    taken: {
      title: 'Somebody was faster',
      lead: 'This place has been taken. You stay on the waiting list and hear from us if it becomes free again.',
    },
    used: { title: 'This link has been used', lead: 'It works once. Please ask for a new one.' },
  },
  entryReasons: {
    expired: {
      title: 'This offer is over',
      lead: 'The time to claim it has run out, and the place is no longer kept for you. If it is free you can book it; if not, you can join the waiting list again.',
    },
  },
  details: {
    what: 'What',
    when: 'When',
    where: 'Where',
    people: 'People',
    reference: 'Reference',
    purpose: 'Purpose',
    price: 'Price',
    customer: 'For',
  },
  deadlines: {
    confirmBy: (moment) => `Please answer by ${moment}.`,
    orElseReleased:
      'After that the booking is cancelled, and its place goes to whoever waits, or is open to everyone.',
    heldUntil: (moment) => `Held for you until ${moment}.`,
    heldForYou: 'It is held for you now.',
    lastCall: 'It is not held for anybody: the first to claim it gets it.',
    needsApproval: 'The organiser still has to approve it.',
    decideBy: (moment) => `Please decide by ${moment}; after that the request ends by itself.`,
  },
  claimedPending: 'The organiser still has to approve it. We will write to you.',
  endedReason: (reason) => `Reason: ${reason}`,
  asked: {
    pickTitle: 'One more question',
    pickLead: 'So that we know that a person is asking and not a program:',
    pickLegend: 'When does it start?',
    pickButton: 'That is right',
    yesTitle: 'Please confirm once more',
    yesLead: 'So that we know that a person is asking and not a program.',
  },
  reasonLabels: {
    approve: 'A note to the customer (optional)',
    reject: 'Reason, which the customer is told (optional)',
  },
  password: {
    label: 'New password',
    hint: 'At least 8 characters.',
    button: 'Set the password',
    refused: 'This password cannot be used. It needs 8 to 200 characters.',
  },
  magicCode: 'To sign in, enter this code in the application:',
  next: {
    bookAgain: 'Look for a free time',
    joinAgain: 'Book, or join the waiting list again',
    continue: (name) => `Continue to ${name}`,
  },
  notices: {
    lookAgain: 'Something has changed, or the page was open for long. Please look again.',
    wrongStart: 'That is not when it starts. Please look again.',
    refused: 'That is not possible right now. Please look again.',
    taken: 'Somebody was faster: this place has just been taken.',
    blackedOut: 'This time cannot be booked any more.',
    notAllowed: 'This time cannot be booked.',
    tooLong: 'Your text is too long: at most 500 characters.',
  },
  pages: {
    notValid: {
      title: 'This link does not work',
      lead: 'Please check that it was copied completely from the mail. If it was, it is not valid any more.',
    },
    tooOften: {
      title: 'That was a bit much',
      lead: 'Too many requests came from your network. Please try again in a few minutes.',
    },
    busy: {
      title: 'A lot is going on right now',
      lead: 'Nothing has been changed. Please try again in a moment.',
    },
    broken: {
      title: 'Something went wrong on our side',
      lead: 'Please try again later. If it stays like this, tell us this number:',
    },
    unreadable: { title: 'This request cannot be read' },
    method: { title: 'This cannot be done here' },
  },
  questions: 'Questions?',
};
