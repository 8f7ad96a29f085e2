/**
 * `notificationAdded`. The topic comes from the session and never from the client; what the database
 * publishes is an identifier only, and the row is read again as its reader.
 */

import { extendSchema, gql } from 'postgraphile/utils';
import { Refusal } from '../auth/refusal.ts';
import { ERRORS } from '../errors.ts';
import { context, type ExecutableStep, get, jsonParse, lambda, listen } from './steps.ts';

/** The channel on which the database publishes what a user is told. */
export function channelOf(userId: string): string {
  return `notifications:${userId}`;
}

export const notificationsPlugin = extendSchema((build) => {
  const { notifications } = build.pgResources;
  if (!notifications) throw new Error('The table of notifications is not exposed.');
  return {
    typeDefs: gql`
      extend type Subscription {
        """
        A notification of one's own, as it is written. Nothing is kept for who is not connected: when the
        subscription ends or the socket closes, subscribe again and read \`myNotifications\` anew.
        Errors: RSAUT not signed in.
        """
        notificationAdded: Notification
      }
    `,
    objects: {
      Subscription: {
        plans: {
          notificationAdded: {
            subscribePlan() {
              const $topic = lambda(context().get('userId'), topicOf);
              return listen(context().get('pgSubscriber'), $topic, jsonParse);
            },
            plan($event: ExecutableStep) {
              return notifications.get({ id: get($event, 'id') });
            },
          },
        },
      },
    },
  };
}, 'ReslotNotificationsPlugin');

function topicOf(userId: string | null): string {
  if (userId === null) throw new Refusal('RSAUT', ERRORS.RSAUT.sentence);
  return channelOf(userId);
}
