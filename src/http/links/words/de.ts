import type { Words } from './type.ts';

export const de: Words = {
  deeds: {
    confirm: {
      title: 'Kommen Sie?',
      lead: 'Bitte bestätigen Sie, dass Sie diese Buchung wahrnehmen.',
      button: 'Ja, ich komme',
      done: 'Ihre Buchung ist bestätigt',
      doneLead: 'Vielen Dank. Wir freuen uns auf Sie.',
    },
    cancel: {
      title: 'Diese Buchung stornieren?',
      lead: 'Der Platz geht an jemanden von der Warteliste oder steht allen offen. Das lässt sich nicht zurücknehmen.',
      button: 'Buchung stornieren',
      done: 'Ihre Buchung ist storniert',
      doneLead: 'Danke für die Nachricht. Der Platz ist nicht länger für Sie reserviert.',
    },
    claim: {
      title: 'Ein Platz ist für Sie frei',
      lead: 'Wenn Sie ihn annehmen, ist er auf Ihren Namen gebucht.',
      button: 'Platz annehmen',
      done: 'Der Platz gehört Ihnen',
      doneLead: 'Die Buchung haben wir Ihnen per E-Mail geschickt.',
    },
    decline: {
      title: 'Auf diesen Platz verzichten?',
      lead: 'Er geht an jemanden von der Warteliste oder steht allen offen. Ihr Platz auf der Warteliste endet.',
      button: 'Nein, danke',
      done: 'Sie haben auf den Platz verzichtet',
      doneLead: 'Danke für die Nachricht. Er ist nicht länger für Sie reserviert.',
    },
    leave: {
      title: 'Die Warteliste verlassen?',
      lead: 'Sie verlieren Ihren Platz in der Reihe und ein etwaiges Angebot.',
      button: 'Warteliste verlassen',
      done: 'Sie haben die Warteliste verlassen',
    },
    approve: {
      title: 'Diese Anfrage annehmen?',
      lead: 'Die Kundin oder der Kunde wird sofort benachrichtigt.',
      button: 'Annehmen',
      done: 'Die Anfrage ist angenommen',
      doneLead: 'Die Kundin oder der Kunde wurde benachrichtigt.',
    },
    reject: {
      title: 'Diese Anfrage ablehnen?',
      lead: 'Die Kundin oder der Kunde wird benachrichtigt, und der Platz geht an jemanden von der Warteliste oder steht allen offen.',
      button: 'Anfrage ablehnen',
      done: 'Die Anfrage ist abgelehnt',
      doneLead: 'Die Kundin oder der Kunde wurde benachrichtigt.',
    },
    confirm_delivery: {
      title: 'Ist es erledigt?',
      lead: 'Bitte bestätigen Sie, dass Sie bekommen haben, was Sie gebucht haben. Wenn etwas nicht stimmt, sprechen Sie bitte zuerst mit dem Veranstalter.',
      button: 'Ja, es ist erledigt',
      done: 'Danke für Ihre Bestätigung',
      doneLead: 'Diese Buchung ist abgeschlossen.',
    },
    cancel_series: {
      title: 'Den Rest dieser Serie stornieren?',
      lead: 'Alle Termine der Serie, die noch kommen, werden storniert, ab dem unten genannten. Die Plätze gehen an jemanden von der Warteliste oder stehen allen offen. Das lässt sich nicht zurücknehmen.',
      button: 'Serie stornieren',
      done: 'Die Serie ist storniert',
      doneLead: 'Die Termine sind nicht länger reserviert.',
    },
    pay: {
      title: 'Diese Buchung bezahlen',
      lead: 'Sie bezahlen auf einer Seite von Stripe; Ihre Kartennummer kommt nicht zu uns.',
      button: 'Jetzt bezahlen',
      done: 'Es ist nichts mehr zu bezahlen',
      doneLead: 'Vielen Dank.',
    },
    unsubscribe: {
      title: 'Nachrichten abbestellen?',
      lead: 'Entbehrliche Nachrichten kommen dann nicht mehr. Nachrichten zu Ihren Buchungen kommen weiterhin.',
      button: 'Abbestellen',
      done: 'Die Nachrichten sind abbestellt',
      doneLead: 'Nachrichten zu Ihren Buchungen kommen weiterhin.',
    },
    book: {
      title: 'Das buchen?',
      lead: 'Solange Sie den Knopf nicht drücken, ist nichts für Sie reserviert.',
      button: 'Buchen',
      done: 'Sie haben gebucht',
      doneLead: 'Die Buchung haben wir Ihnen per E-Mail geschickt.',
    },
    wait: {
      title: 'Das ist inzwischen vergeben',
      lead: 'Sie können darauf warten: Sobald etwas frei wird und Sie an der Reihe sind, reservieren wir es für Sie und schreiben Ihnen.',
      button: 'Auf die Warteliste',
      done: 'Sie stehen auf der Warteliste',
      doneLead: 'Wir schreiben Ihnen, sobald Sie an der Reihe sind.',
    },
    verify: {
      title: 'E-Mail-Adresse bestätigen',
      lead: 'Damit ist Ihr Konto vollständig.',
      button: 'Adresse bestätigen',
      done: 'Ihre E-Mail-Adresse ist bestätigt',
      doneLead: 'Sie können sich jetzt anmelden.',
    },
    reset: {
      title: 'Neues Passwort wählen',
      lead: 'Alle Geräte, die gerade angemeldet sind, werden abgemeldet.',
      button: 'Weiter',
      done: 'Ihr neues Passwort ist gesetzt',
      doneLead: 'Sie können sich jetzt damit anmelden.',
    },
    magic: {
      title: 'Anmelden',
      lead: 'Dieser Link gilt einmal.',
      button: 'Anmelden',
      done: 'Angemeldet',
    },
  },
  reasons: {
    link_expired: { title: 'Dieser Link ist abgelaufen', lead: 'Er galt nur für begrenzte Zeit.' },
    cancelled: { title: 'Diese Buchung wurde storniert' },
    auto_cancelled: {
      title: 'Diese Buchung wurde freigegeben',
      lead: 'Sie wurde nicht rechtzeitig bestätigt, daher wurde der Platz freigegeben. Sie können neu buchen, wenn etwas frei ist.',
    },
    rejected: { title: 'Diese Anfrage wurde abgelehnt' },
    expired: {
      title: 'Diese Anfrage ist abgelaufen',
      lead: 'Sie wurde nicht rechtzeitig beantwortet. Sie können neu buchen, wenn etwas frei ist.',
    },
    unpaid: {
      title: 'Zum Bezahlen ist es zu spät',
      lead: 'Der Platz ist nicht mehr für Sie reserviert. Wenn etwas frei ist, können Sie neu buchen.',
    },
    over: { title: 'Diese Buchung ist vorbei' },
    completed: { title: 'Diese Buchung ist vorbei' },
    no_show: { title: 'Diese Buchung ist vorbei' },
    begun: {
      title: 'Diese Buchung hat schon begonnen',
      lead: 'Hier lässt sich nichts mehr ändern. Bitte wenden Sie sich an den Veranstalter.',
    },
    pending: {
      title: 'Es gibt noch nichts zu bestätigen',
      lead: 'Diese Buchung wartet noch auf die Zusage. Wir schreiben Ihnen.',
    },
    approved: {
      title: 'Diese Anfrage wurde angenommen',
      lead: 'Sie ist jetzt eine Buchung und lässt sich nur noch stornieren.',
    },
    not_delivered: { title: 'Hier gibt es noch nichts zu bestätigen' },
    claimed: {
      title: 'Sie haben diesen Platz angenommen',
      lead: 'Um ihn zurückzugeben, nutzen Sie bitte den Link zum Stornieren in der E-Mail mit Ihrer Buchung.',
    },
    declined: {
      title: 'Sie haben auf diesen Platz verzichtet',
      lead: 'Er ist nicht länger für Sie reserviert. Wenn er frei ist, können Sie ihn buchen; sonst können Sie sich wieder auf die Warteliste setzen.',
    },
    left: {
      title: 'Sie haben die Warteliste verlassen',
      lead: 'Sie können sich wieder eintragen; dann stehen Sie am Ende.',
    },
    lapsed: {
      title: 'Die Zeit, auf die Sie gewartet haben, ist da',
      lead: 'Rechtzeitig wurde kein Platz frei.',
    },
    closed: {
      title: 'Sie warten nicht mehr darauf',
      lead: 'Sie haben eine überschneidende Zeit gebucht, oder der Veranstalter hat das Warten beendet.',
    },
    not_offered: {
      title: 'Sie sind noch nicht an der Reihe',
      lead: 'Im Moment ist nichts für Sie reserviert. Sie behalten Ihren Platz auf der Warteliste; wir schreiben Ihnen, sobald Sie an der Reihe sind.',
    },
    taken: {
      title: 'Jemand war schneller',
      lead: 'Dieser Platz ist vergeben. Sie bleiben auf der Warteliste und hören von uns, wenn er wieder frei wird.',
    },
    used: {
      title: 'Dieser Link wurde schon verwendet',
      lead: 'Er gilt einmal. Bitte fordern Sie einen neuen an.',
    },
    full: {
      title: 'Das ist inzwischen vergeben',
      lead: 'Sie können eine andere Zeit buchen.',
    },
    not_bookable: {
      title: 'Das lässt sich nicht mehr buchen',
      lead: 'Es ist zu spät dafür, oder es wird nicht mehr angeboten.',
    },
  },
  entryReasons: {
    expired: {
      title: 'Dieses Angebot ist vorbei',
      lead: 'Die Zeit zum Annehmen ist abgelaufen, und der Platz ist nicht länger für Sie reserviert. Wenn er frei ist, können Sie ihn buchen; sonst können Sie sich wieder auf die Warteliste setzen.',
    },
  },
  details: {
    what: 'Was',
    when: 'Wann',
    where: 'Wo',
    people: 'Personen',
    reference: 'Nummer',
    purpose: 'Zweck',
    price: 'Preis',
    toPay: 'Zu bezahlen',
    customer: 'Für',
    stillToCome: 'Noch geplant',
  },
  deadlines: {
    confirmBy: (moment) => `Bitte antworten Sie bis ${moment}.`,
    orElseReleased:
      'Danach wird die Buchung storniert, und der Platz geht an jemanden von der Warteliste oder steht allen offen.',
    heldUntil: (moment) => `Für Sie reserviert bis ${moment}.`,
    heldForYou: 'Er ist jetzt für Sie reserviert.',
    lastCall: 'Er ist für niemanden reserviert: Wer ihn zuerst annimmt, bekommt ihn.',
    needsApproval: 'Der Veranstalter muss noch zustimmen.',
    payBy: (moment) =>
      `Bitte bezahlen Sie bis ${moment}; danach bekommt den Platz, wer darauf wartet.`,
    payFirst: (amount) => `Er gehört Ihnen, sobald ${amount} bezahlt sind.`,
    doneBy: (moment) => `Ohne Ihre Antwort gilt es ab ${moment} als erledigt.`,
    decideBy: (moment) =>
      `Bitte entscheiden Sie bis ${moment}; danach endet die Anfrage von selbst.`,
  },
  claimedPending: 'Der Veranstalter muss noch zustimmen. Wir schreiben Ihnen.',
  claimedToPay: 'Er gehört Ihnen, sobald er bezahlt ist. Wie, haben wir Ihnen gerade geschrieben.',
  paying: {
    title: 'Weiter zur Zahlung',
    lead: 'Die Seite von Stripe öffnet sich von selbst.',
    next: 'Jetzt öffnen',
  },
  alternatives: 'Zu diesen Zeiten ist Platz für Sie:',
  endedReason: (reason) => `Grund: ${reason}`,
  asked: {
    pickTitle: 'Noch eine Frage',
    pickLead: 'Damit wir wissen, dass ein Mensch fragt und kein Programm:',
    pickLegend: 'Wann beginnt es?',
    pickButton: 'Das stimmt',
    yesTitle: 'Bitte bestätigen Sie noch einmal',
    yesLead: 'Damit wir wissen, dass ein Mensch fragt und kein Programm.',
  },
  reasonLabels: {
    approve: 'Eine Notiz für die Kundin oder den Kunden (freiwillig)',
    reject: 'Grund, der mitgeteilt wird (freiwillig)',
  },
  password: {
    label: 'Neues Passwort',
    hint: 'Mindestens 8 Zeichen.',
    button: 'Passwort setzen',
    refused: 'Dieses Passwort geht nicht. Es braucht 8 bis 200 Zeichen.',
  },
  magicCode: 'Geben Sie zum Anmelden diesen Code in der Anwendung ein:',
  next: {
    bookAgain: 'Eine freie Zeit suchen',
    joinAgain: 'Buchen oder wieder auf die Warteliste',
    continue: (name) => `Weiter zu ${name}`,
  },
  notices: {
    lookAgain:
      'Etwas hat sich geändert, oder die Seite war lange offen. Bitte sehen Sie noch einmal hin.',
    wrongStart: 'Dann beginnt es nicht. Bitte sehen Sie noch einmal hin.',
    refused: 'Das geht gerade nicht. Bitte sehen Sie noch einmal hin.',
    taken: 'Jemand war schneller: Dieser Platz ist eben vergeben worden.',
    blackedOut: 'Diese Zeit lässt sich nicht mehr buchen.',
    notAllowed: 'Diese Zeit lässt sich nicht buchen.',
    tooLong: 'Ihr Text ist zu lang: höchstens 500 Zeichen.',
    free: 'Inzwischen ist ein Platz frei geworden: Sie können ihn jetzt buchen.',
    already: 'Diese Zeit haben Sie schon gebucht, oder Sie warten schon darauf.',
    payLater: 'Die Seite zum Bezahlen ist noch nicht da. Bitte drücken Sie gleich noch einmal.',
    payFailed:
      'Das hat nicht geklappt. Bitte versuchen Sie es noch einmal, oder fragen Sie den Veranstalter.',
    limit: 'Das ist mehr, als für eine Person oder an einem Tag möglich ist.',
  },
  pages: {
    notValid: {
      title: 'Dieser Link funktioniert nicht',
      lead: 'Bitte prüfen Sie, ob er vollständig aus der E-Mail kopiert wurde. Wenn ja, gilt er nicht mehr.',
    },
    tooOften: {
      title: 'Das war etwas viel',
      lead: 'Aus Ihrem Netz kamen zu viele Anfragen. Bitte versuchen Sie es in einigen Minuten wieder.',
    },
    busy: {
      title: 'Gerade ist viel los',
      lead: 'Es wurde nichts geändert. Bitte versuchen Sie es gleich noch einmal.',
    },
    broken: {
      title: 'Bei uns ist etwas schiefgegangen',
      lead: 'Bitte versuchen Sie es später wieder. Wenn es so bleibt, nennen Sie uns diese Nummer:',
    },
    unreadable: { title: 'Diese Anfrage ist nicht lesbar' },
    method: { title: 'Das geht hier nicht' },
  },
  questions: 'Fragen?',
};
